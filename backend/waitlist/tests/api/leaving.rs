//! Leaving: before, during and after an offer.

use http::Method;
use testkit::wait;

use crate::reservations::Mood;
use crate::world::{SHOW, Visitor, World};

#[tokio::test]
async fn who_leaves_is_gone_and_the_others_move_up() {
    let (world, instance) = World::with_one().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    let (first, second) = (ann.join(1).await, bob.join(1).await);
    let stolen = bob.send(Method::DELETE, &format!("/api/waitlist/{first}"), &[], None).await;
    assert_eq!((stolen.status.as_u16(), stolen.code()), (404, "entry_not_found"));
    ann.leave(&first).await;
    ann.leave(&first).await;
    assert_eq!(ann.entry(&first).await["status"], "left");
    assert_eq!(ann.entry(&first).await["position"], serde_json::Value::Null);
    assert_eq!(bob.entry(&second).await["position"], 1);
    assert!(world.queue_open(SHOW).await, "bob still waits");
    bob.leave(&second).await;
    assert!(!world.queue_open(SHOW).await, "nobody waits any more");
    ann.join(1).await;
    assert!(world.queue_open(SHOW).await, "ann waits again");
}

#[tokio::test]
async fn who_leaves_while_offered_gives_the_seats_back() {
    let (world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    let id = ann.join(1).await;
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    let hold = ann.until(&id, "offered").await["offer"]["hold_id"].as_str().expect("a hold").to_owned();
    ann.leave(&id).await;
    assert_eq!(world.reservations.deeds().await.given_back, [hold]);
    assert_eq!(ann.entry(&id).await["status"], "left");
}

#[tokio::test]
async fn seats_are_given_back_later_when_reservations_is_away() {
    let (world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    let id = ann.join(1).await;
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    ann.until(&id, "offered").await;
    world.served("e").await;
    world.reservations.be(Mood::Away);
    ann.leave(&id).await;
    assert_eq!(ann.entry(&id).await["status"], "left");
    world.reservations.be(Mood::Well);
    wait::until("the hold to be given back", async || {
        (world.reservations.deeds().await.given_back.len() == 1).then_some(())
    })
    .await;
    wait::until("the queue to be closed", async || (!world.queue_open(SHOW).await).then_some(())).await;
}

#[tokio::test]
async fn a_sale_in_the_same_moment_stands() {
    let (world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    let id = ann.join(1).await;
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    let hold = ann.until(&id, "offered").await["offer"]["hold_id"].as_str().expect("a hold").to_owned();
    world.served("e").await;
    world.reservations.be(Mood::Away);
    ann.leave(&id).await;
    world.reservations.end_hold(&hold, "booked").await;
    world.reservations.be(Mood::Well);
    ann.until(&id, "fulfilled").await;
}

#[tokio::test]
async fn who_leaves_before_they_are_asked_is_passed_over_for_the_next() {
    let (world, instance) = World::with_one().await;
    let [ann, bob, cid] = ["ann", "bob", "cid"].map(|name| Visitor::new(name, instance));
    let (first, second, third) = (ann.join(1).await, bob.join(1).await, cid.join(1).await);
    world.reservations.be(Mood::NoOffers);
    world.reservations.escrow("e", SHOW, &["A1", "A2"], 60).await;
    wait::until("ann to be asked about", async || {
        let client = world.pool.get().await.expect("the test database answers");
        let asked = "SELECT count(*) FILTER (WHERE status = 'asked'), count(*) FROM waitlist.offers";
        let row = client.query_one(asked, &[]).await.expect("the query is good");
        (row.get::<_, i64>(0) == 1 && row.get::<_, i64>(1) == 2).then_some(())
    })
    .await;
    bob.leave(&second).await;
    world.reservations.be(Mood::Well);
    cid.until(&third, "offered").await;
    world.served("e").await;
    let deeds = world.reservations.deeds().await;
    assert_eq!(deeds.offered, [(first, vec!["A2".to_owned()]), (third, vec!["A1".to_owned()])]);
    assert!(deeds.on_sale.is_empty() && deeds.given_back.is_empty());
}

#[tokio::test]
async fn who_leaves_while_an_answer_is_lost_does_not_keep_the_seats() {
    let (world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    let id = ann.join(1).await;
    world.reservations.be(Mood::AnswersLost);
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    // The hold is placed and we do not know: ann sees it in what reservations publishes.
    let entry = ann.until(&id, "offered").await;
    ann.leave(&id).await;
    world.reservations.be(Mood::Well);
    world.served("e").await;
    wait::until("the hold to be given back", async || {
        let deeds = world.reservations.deeds().await;
        (deeds.given_back == [entry["offer"]["hold_id"].as_str().expect("a hold")]).then_some(())
    })
    .await;
    assert_eq!(ann.entry(&id).await["status"], "left");
}
