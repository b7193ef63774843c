//! What one session may keep from others: each limit is said by its name, and cannot be raced past.

use futures_util::future::join_all;
use reservations::config::Config;
use serde_json::json;

use crate::world::{SHOW, World, hold, holds};

async fn refused(world: &World, allowed: &[&[&str]], wish: &[&str]) -> (u16, String) {
    let buyer = world.visitor();
    for seats in allowed {
        hold(&buyer, seats).await;
    }
    let refused = buyer.post(&holds(SHOW), &json!({ "seats": wish })).await;
    assert!(refused.headers.contains_key("retry-after"), "{}", refused.body);
    // What it asked for is still anybody's.
    hold(&world.visitor(), wish).await;
    (refused.status.as_u16(), refused.code().to_owned())
}

fn said(code: &str) -> (u16, String) {
    (429, code.to_owned())
}

#[tokio::test]
async fn each_limit_has_its_word() {
    let world = World::with(1, |config| config.seats_per_session_max = 3).await;
    let refusal = refused(&world, &[&["A1", "A2"]], &["A3", "A4"]).await;
    assert_eq!(refusal, said("too_many_seats_held"));

    let world = World::with(1, |config| config.holds_per_session_max = 1).await;
    assert_eq!(refused(&world, &[&["A1"]], &["A2"]).await, said("too_many_holds"));
}

#[tokio::test]
async fn a_party_that_is_too_large_does_not_stand_in_the_way_of_a_smaller_one() {
    let world = World::with(1, |config| config.seats_per_session_max = 4).await;
    let buyer = world.visitor();
    hold(&buyer, &["A1", "A2"]).await;
    let large = buyer.post(&holds(SHOW), &json!({ "seats": ["B1", "B2", "B3"] })).await;
    assert_eq!(large.code(), "too_many_seats_held");
    hold(&buyer, &["B1", "B2"]).await;
}

#[tokio::test]
async fn whoever_holds_and_releases_again_and_again_is_stopped() {
    let world = World::with(1, |config| config.holds_per_minute_max = 3).await;
    let buyer = world.visitor();
    for _ in 0..3 {
        let id = hold(&buyer, &["A1"]).await;
        buyer.delete(&format!("/api/holds/{id}")).await;
    }
    let fourth = buyer.post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
    assert_eq!((fourth.status.as_u16(), fourth.code()), (429, "too_many_holds_per_minute"));
}

#[tokio::test]
async fn seats_that_were_kept_and_not_bought_count_for_an_hour() {
    let world = World::with(1, |config| config.hold_seconds_per_hour_max = 1_500).await;
    let (hoarder, buyer) = (world.visitor(), world.visitor());
    let database = world.database().await;
    for (visitor, ended) in [(&hoarder, "released"), (&buyer, "booked")] {
        let id = hold(visitor, &["A1", "A2", "A3", "A4", "A5"]).await;
        // As if it had been 5 minutes.
        let age = "UPDATE reservations.holds SET created_at = created_at - interval '5 minutes', ended_at = clock_timestamp(),
                   status = $2 WHERE id = $1";
        visitor.delete(&format!("/api/holds/{id}")).await;
        database.execute(age, &[&id, &ended]).await.unwrap();
    }
    let refused = hoarder.post(&holds(SHOW), &json!({ "seats": ["B1"] })).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "hold_seconds_used_up"));
    hold(&buyer, &["B1"]).await;
}

#[tokio::test]
async fn no_limit_can_be_raced_past_on_two_instances() {
    let limits = |config: &mut Config| (config.holds_per_session_max, config.seats_per_session_max) = (4, 6);
    let world = World::with(2, limits).await;
    let buyer = world.visitor();
    buyer.get("/api/bookings").await;
    let rows = ["A", "B", "C"];
    let wishes = (0..9).map(|at| {
        let row = rows[at % 3];
        let seats = [format!("{row}{}", at / 3 * 2 + 1), format!("{row}{}", at / 3 * 2 + 2)];
        let instance = buyer.at(world.instance(at % 2).address);
        async move { instance.post(&holds(SHOW), &json!({ "seats": seats })).await.status.as_u16() }
    });
    let statuses = join_all(wishes).await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 3, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 429].contains(status)), "{statuses:?}");
}
