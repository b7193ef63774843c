//! Deadlines: honoured to the last moment, announced once, free without anybody's help.

use futures_util::future::join_all;
use serde_json::json;
use testkit::wait::until;

use crate::world::{SHOW, World, hold, holds, payment, seats};

async fn lapsed(world: &World, hold_id: &str) {
    let database = world.database().await;
    until("the deadline to pass", async || {
        let passed = "SELECT FROM reservations.holds WHERE id = $1 AND expires_at <= clock_timestamp()";
        database.query_opt(passed, &[&hold_id]).await.unwrap()
    })
    .await;
}

/// A count of all three servers together.
async fn counted(world: &World, name: &str) -> u64 {
    let counts = join_all((0..3).map(async |at| {
        let metrics = world.visitor_of(at).get("/metrics").await.body.to_string();
        let line = metrics.split("\\n").find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    }));
    counts.await.iter().sum()
}

#[tokio::test]
async fn a_lapsed_hold_cannot_be_confirmed_and_is_announced_once_by_many_sweepers() {
    let world = World::with(3, |config| config.hold_seconds = 1).await;
    let buyer = world.visitor();
    let hold_id = hold(&buyer, &["A1"]).await;
    let database = world.database().await;
    until("the hold to be announced", async || {
        let expired = buyer.get(&format!("/api/holds/{hold_id}")).await.body["status"] == "expired";
        let swept = "SELECT FROM reservations.holds WHERE id = $1 AND status = 'expired'";
        (expired && database.query_opt(swept, &[&hold_id]).await.unwrap().is_some()).then_some(())
    })
    .await;
    let late = buyer.post_keyed(&format!("/api/holds/{hold_id}/confirm"), "k", &payment("ok")).await;
    assert_eq!((late.status.as_u16(), late.code()), (410, "hold_expired"));

    assert_eq!(counted(&world, "marquee_reservations_holds_expired_total").await, 1);
    assert_eq!(counted(&world, "marquee_reservations_expiry_lag_seconds_count").await, 1);
    hold(&world.visitor(), &["A1"]).await;
}

#[tokio::test]
async fn a_lapsed_seat_is_free_without_any_sweeper() {
    let world = World::with(1, |config| {
        config.hold_seconds = 1;
        config.sweep_interval_ms = 3_600_000;
    })
    .await;
    let hold_id = hold(&world.visitor(), &["A1", "A2"]).await;
    let early = world.visitor().post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
    assert_eq!(early.code(), "seats_unavailable", "not a moment early");
    lapsed(&world, &hold_id).await;
    until("the seats to be shown as free although nobody sweeps", async || {
        (world.visitor().get(&seats(SHOW)).await.body["seats"] == json!({})).then_some(())
    })
    .await;
    hold(&world.visitor(), &["A1"]).await;
    let status: String = world
        .database()
        .await
        .query_one("SELECT status FROM reservations.holds WHERE id = $1", &[&hold_id])
        .await
        .unwrap()
        .get(0);
    assert_eq!(status, "on_hold", "nobody swept");
}

#[tokio::test]
async fn sweeping_a_hold_that_was_taken_over_leaves_the_new_one_alone() {
    let mut world = World::with(1, |config| {
        config.hold_seconds = 1;
        config.sweep_interval_ms = 3_600_000;
    })
    .await;
    let old = hold(&world.visitor(), &["A1"]).await;
    lapsed(&world, &old).await;
    let config = world.config();
    world.add(config).await;
    let database = world.database().await;
    let buyer = world.visitor_of(1);
    let new = hold(&buyer, &["A1"]).await;
    until("the old hold to be swept", async || {
        let swept = "SELECT FROM reservations.holds WHERE id = $1 AND status = 'expired'";
        database.query_opt(swept, &[&old]).await.unwrap()
    })
    .await;
    assert_eq!(buyer.get(&seats(SHOW)).await.body["seats"], json!({ "A1": "held" }));
    assert_eq!(buyer.post_keyed(&format!("/api/holds/{new}/confirm"), "k", &payment("ok")).await.status, 201);
}
