//! What the line's metrics say.

use http::Method;
use testkit::client::Client;
use testkit::{loops, wait};

use crate::reservations::Mood;
use crate::world::{SHOW, Visitor, World};

/// What a metric says, with its labels.
async fn said(instance: &Visitor, metric: &str) -> Option<String> {
    let metrics = instance.send(Method::GET, "/metrics", &[], None).await;
    let metrics = metrics.body.as_str().expect("it is text").to_owned();
    let line = metrics.lines().find(|line| line.split(' ').next() == Some(metric))?;
    line.rsplit(' ').next().map(str::to_owned)
}

async fn until(instance: &Visitor, metric: &str, right: impl Fn(&str) -> bool) {
    wait::until(metric, async || said(instance, metric).await.filter(|value| right(value))).await;
}

#[tokio::test]
async fn metrics_say_how_the_line_goes() {
    let (world, instance) = World::with_one().await;
    let [ann, bob] = ["ann", "bob"].map(|name| Visitor::new(name, instance));
    for metric in ["marquee_waitlist_wait_seconds_count", "marquee_waitlist_gatherings"]
        .into_iter()
        .map(str::to_owned)
        .chain(
            ["made", "gone", "void", "fulfilled", "left", "lapsed"]
                .map(|outcome| format!("marquee_waitlist_offers_total{{outcome=\"{outcome}\"}}")),
        )
    {
        assert_eq!(said(&ann, &metric).await.as_deref(), Some("0"), "{metric}");
    }
    let first = ann.join(1).await;
    let two = bob.join(2).await;
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    ann.until(&first, "offered").await;
    until(&ann, "marquee_waitlist_wait_seconds_count", |count| count == "1").await;
    until(&ann, "marquee_waitlist_offers_total{outcome=\"made\"}", |count| count == "1").await;
    until(&ann, "marquee_waitlist_escrow_oldest_seconds", |age| age == "0").await;

    // Half of what bob needs is kept for him.
    world.reservations.escrow("f", SHOW, &["A2"], 60).await;
    until(&ann, "marquee_waitlist_gatherings", |count| count == "1").await;
    until(&ann, "marquee_waitlist_escrow_oldest_seconds", |age| age != "0").await;

    let waits = "marquee_waitlist_wait_seconds_count";
    // He leaves while he is offered both.
    world.reservations.be(Mood::AnswersLost);
    world.reservations.escrow("g", SHOW, &["A3"], 60).await;
    wait::until("the hold to be placed", async || {
        (world.reservations.deeds().await.offered.len() == 2).then_some(())
    })
    .await;
    bob.leave(&two).await;
    world.reservations.be(Mood::Well);
    until(&ann, "marquee_waitlist_offers_total{outcome=\"void\"}", |count| count == "1").await;
    assert_eq!(said(&ann, waits).await.as_deref(), Some("1"), "nobody was made it");
    until(&ann, "marquee_waitlist_gatherings", |count| count == "0").await;
}

#[tokio::test]
async fn every_loop_does_its_work_again_and_again_and_says_so() {
    let (_world, instance) = World::with_one().await;
    let often = ["backstop", "events", "outbox_measure", "outbox_relay", "telling"];
    loops::all_succeed(&Client::new(instance), &often, &[]).await;
}
