//! More time: once on request, where it is offered, and never past a hold's life.

use jiff::Timestamp;
use serde_json::json;
use testkit::client::{Answer, Client};
use testkit::wait::until;

use crate::world::{SHOW, World, hold, holds, payment};

fn deadline(answer: &Answer) -> Timestamp {
    answer.text("expires_at").parse().unwrap()
}

async fn extend(visitor: &Client, hold: &str) -> Answer {
    visitor.post(&format!("/api/holds/{hold}/extend"), &json!({})).await
}

#[tokio::test]
async fn a_hold_is_extended_once_by_its_buyer_alone_on_any_instance() {
    let world = World::with(2, |config| config.extension_seconds = 120).await;
    let buyer = world.visitor();
    let placed = buyer.post(&holds(SHOW), &json!({ "seats": ["A1", "A2"] })).await;
    assert_eq!(placed.body["extendable"], true);
    let id = placed.text("id").to_owned();
    assert_eq!(extend(&world.visitor(), &id).await.code(), "hold_not_found");

    // The same cookie, another instance.
    let extended = extend(&buyer.at(world.instance(1).address), &id).await;
    assert_eq!(extended.status, 200);
    assert_eq!(deadline(&extended), deadline(&placed) + jiff::SignedDuration::from_secs(120));
    assert_eq!(extended.body["extendable"], false);
    let seen = buyer.get(&format!("/api/holds/{id}")).await;
    assert_eq!(seen.body, extended.body);
    let again = extend(&buyer, &id).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "extension_used"));
}

#[tokio::test]
async fn an_extension_that_is_repeated_under_its_key_is_the_same_extension() {
    let world = World::with(2, |config| config.extension_seconds = 120).await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let path = format!("/api/holds/{id}/extend");
    let first = buyer.post_keyed(&path, "k", &json!({})).await;
    let elsewhere = buyer.at(world.instance(1).address);
    let again = elsewhere.post_keyed(&path, "k", &json!({})).await;
    assert_eq!((first.status.as_u16(), again.status), (200, first.status));
    assert_eq!(again.body, first.body);
    let other = elsewhere.post_keyed(&path, "other", &json!({})).await;
    assert_eq!((other.status.as_u16(), other.code()), (409, "extension_used"));
}

#[tokio::test]
async fn an_extended_hold_outlives_its_first_deadline_at_the_gate_and_in_postgres() {
    let world = World::with(1, |config| {
        (config.hold_seconds, config.extension_seconds) = (2, 600);
        config.hold_life_seconds_max = 600;
    })
    .await;
    let buyer = world.visitor();
    let (id, short) = (hold(&buyer, &["A1"]).await, hold(&world.visitor(), &["B1"]).await);
    assert_eq!(extend(&buyer, &id).await.status, 200);
    until("the other hold to lapse", async || {
        let database = world.database().await;
        let over = "SELECT FROM reservations.holds WHERE id = $1 AND status = 'expired'";
        database.query_opt(over, &[&short]).await.unwrap()
    })
    .await;
    let street = world.visitor().post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
    assert_eq!(street.code(), "seats_unavailable");
    assert_eq!(buyer.get(&format!("/api/holds/{id}")).await.text("status"), "on_hold");
    let metrics = world.visitor().get("/metrics").await.body.to_string();
    assert!(metrics.contains("marquee_reservations_mirror_drift_total 0\\n"), "{metrics}");
}

#[tokio::test]
async fn an_extension_is_refused_with_the_reason() {
    let world = World::with(1, |config| config.extension_seconds = 0).await;
    let buyer = world.visitor();
    let placed = buyer.post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
    assert_eq!(placed.body["extendable"], false);
    let id = placed.text("id").to_owned();
    let refused = extend(&buyer, &id).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "extension_not_offered"));
    buyer.delete(&format!("/api/holds/{id}")).await;
    assert_eq!(extend(&buyer, &id).await.code(), "hold_released");
    assert_eq!(extend(&buyer, "nobody").await.code(), "hold_not_found");

    let mut world = world;
    let config = reservations::config::Config { hold_seconds: 1, extension_seconds: 9, ..world.config() };
    world.add(config).await;
    let late = world.visitor_of(1);
    let id = hold(&late, &["A2"]).await;
    until("the hold to lapse", async || {
        (late.get(&format!("/api/holds/{id}")).await.text("status") == "expired").then_some(())
    })
    .await;
    let refused = extend(&late, &id).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (410, "hold_expired"));
}

#[tokio::test]
async fn a_repeated_key_is_answered_as_the_first_time_though_the_hold_was_extended() {
    let world = World::with(1, |config| config.extension_seconds = 60).await;
    let buyer = world.visitor();
    let wish = json!({ "seats": ["A1"] });
    let first = buyer.post_keyed(&holds(SHOW), "k", &wish).await;
    assert_eq!(extend(&buyer, first.text("id")).await.status, 200);
    let again = buyer.post_keyed(&holds(SHOW), "k", &wish).await;
    assert_eq!((again.status, again.body), (first.status, first.body));
}

/// A hold and its seats have one deadline, however unluckily the moment falls.
#[tokio::test]
async fn a_hold_whose_seats_lapse_while_it_is_being_given_time_to_pay_is_given_none() {
    let world = World::with(1, |config| {
        (config.hold_seconds, config.payment_grace_seconds) = (1, 30);
    })
    .await;
    let buyer = world.visitor();
    let placed = buyer.post(&holds(SHOW), &json!({ "seats": ["A1", "A2"] })).await;
    let id = placed.text("id").to_owned();
    let mut keeper = world.database().await;
    let keeping = keeper.transaction().await.unwrap();
    keeping.query("SELECT FROM reservations.claims FOR UPDATE", &[]).await.unwrap();
    let (path, body) = (format!("/api/holds/{id}/confirm"), payment("declined"));
    let meanwhile = async {
        let seen = async |what: &str, question: &str| {
            until(what, async || world.database().await.query(question, &[]).await.unwrap().pop()).await;
        };
        let waits =
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        seen("the payment to wait for the seats", waits).await;
        seen("the deadline to pass", "SELECT FROM reservations.holds WHERE expires_at <= clock_timestamp()")
            .await;
        keeping.commit().await.unwrap();
    };
    let (declined, ()) = tokio::join!(buyer.post_keyed(&path, "k", &body), meanwhile);
    assert_eq!(declined.code(), "payment_declined");
    let row = "SELECT expires_at, graced FROM reservations.holds WHERE id = $1";
    let row = world.database().await.query_one(row, &[&id]).await.unwrap();
    assert_eq!((row.get::<_, Timestamp>(0), row.get(1)), (deadline(&placed), false));
}

/// Who knows a hold's id, and no more, does not spend the time that its buyer has to pay.
#[tokio::test]
async fn a_stranger_does_not_begin_the_payment_grace() {
    let world = World::with(1, |config| (config.hold_seconds, config.payment_grace_seconds) = (20, 40)).await;
    let buyer = world.visitor();
    let placed = buyer.post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
    let id = placed.text("id");
    let path = format!("/api/holds/{id}/confirm");
    let stranger = world.visitor().post_keyed(&path, "k", &payment("declined")).await;
    assert_eq!(stranger.code(), "hold_not_found");
    let seen = buyer.get(&format!("/api/holds/{id}")).await;
    assert_eq!(deadline(&seen), deadline(&placed));
    assert_eq!(buyer.post_keyed(&path, "k", &payment("declined")).await.code(), "payment_declined");
    assert!(deadline(&buyer.get(&format!("/api/holds/{id}")).await) > deadline(&placed));
}
