//! While people wait: what comes free is theirs first.

use http::Method;
use serde_json::{Value, json};
use testkit::client::{Answer, Client};
use testkit::wait::until;

use crate::world::{SHOW, World, hold, holds, payment, seats};

pub(crate) async fn set_queue(client: &Client, open: bool, revision: i64) {
    let path = format!("/internal/shows/{SHOW}/queue");
    let body = json!({ "open": open, "revision": revision });
    assert_eq!(client.send(Method::PUT, &path, &[], Some(&body)).await.status, 204);
}

/// The open escrow that the waitlist would find.
pub(crate) async fn escrow(world: &World) -> Option<(String, Vec<String>)> {
    let row = world
        .database()
        .await
        .query_opt("SELECT id, seats FROM reservations_published.escrows", &[])
        .await
        .unwrap()?;
    Some((row.get(0), row.get(1)))
}

pub(crate) async fn offer(client: &Client, escrow: &str, entry: &str, seats: &[&str]) -> Answer {
    offer_for(60, client, escrow, entry, seats).await
}

async fn offer_for(seconds: u32, client: &Client, escrow: &str, entry: &str, seats: &[&str]) -> Answer {
    let body =
        json!({ "entry_id": entry, "session_id": "session_of_waiter", "seats": seats, "seconds": seconds });
    client.post(&format!("/internal/escrows/{escrow}/offers"), &body).await
}

#[tokio::test]
async fn freed_seats_wait_for_the_queue_and_the_street_cannot_take_them() {
    let world = World::start(2).await;
    let (buyer, street) = (world.visitor_of(0), world.visitor_of(1));
    let held = hold(&buyer, &["A1", "A2", "A3"]).await;
    set_queue(&buyer, true, 2).await;
    set_queue(&buyer, false, 1).await;
    buyer.delete(&format!("/api/holds/{held}")).await;

    let (id, kept) = escrow(&world).await.unwrap();
    assert_eq!(kept, ["A1", "A2", "A3"]);
    assert_eq!(street.post(&holds(SHOW), &json!({ "seats": ["A1"] })).await.code(), "seats_unavailable");
    assert_eq!(street.get(&seats(SHOW)).await.body["seats"].as_object().unwrap().len(), 3);

    let offered = offer(&street, &id, "entry_1", &["A2", "A1"]).await;
    assert_eq!(offered.status, 201);
    assert_eq!(offer(&buyer, &id, "entry_1", &["A1", "A2"]).await.body, offered.body, "the same offer again");
    assert_eq!(offer(&buyer, &id, "entry_2", &["A2"]).await.code(), "escrow_gone", "A2 is offered already");
    let rest = format!("/internal/escrows/{id}");
    assert_eq!(buyer.delete(&rest).await.status, 204);
    assert_eq!(buyer.delete(&rest).await.status, 204);
    hold(&street, &["A3"]).await;
    assert_eq!(offer(&buyer, &id, "entry_3", &["A3"]).await.code(), "escrow_gone");
}

/// Two instances of the waitlist may serve one escrow at once, and both are told the same.
#[tokio::test]
async fn one_offer_asked_for_twice_at_once_is_one_hold_for_both() {
    let world = World::start(2).await;
    let clients = [world.visitor_of(0), world.visitor_of(1)];
    set_queue(&clients[0], true, 1).await;
    for round in 0..10 {
        let buyer = world.visitor();
        let seat = format!("{}{}", ["A", "B"][round / 5], round % 5 + 1);
        let held = hold(&buyer, &[&seat]).await;
        buyer.delete(&format!("/api/holds/{held}")).await;
        let (id, _) = escrow(&world).await.unwrap();
        let (entry, seats) = (format!("entry_{round}"), [seat.as_str()]);
        let asked = clients.iter().cycle().take(6).map(|client| offer(client, &id, &entry, &seats));
        let answers = futures_util::future::join_all(asked).await;
        for answer in &answers {
            assert_eq!((answer.status, &answer.body), (answers[0].status, &answers[0].body), "{seat}");
        }
        assert_eq!(answers[0].status, 201, "{}", answers[0].body);
    }
}

#[tokio::test]
async fn a_lapsed_offer_goes_back_to_the_queue_not_to_the_street() {
    let world = World::start(2).await;
    let client = world.visitor();
    let held = hold(&client, &["A1"]).await;
    set_queue(&client, true, 1).await;
    client.delete(&format!("/api/holds/{held}")).await;
    let (first, _) = escrow(&world).await.unwrap();
    assert_eq!(offer_for(1, &client, &first, "entry_1", &["A1"]).await.status, 201);
    let (second, kept) = until("the lapsed offer's seats to be in another escrow", async || {
        // A street buyer tries all the time.
        assert_ne!(world.visitor_of(1).post(&holds(SHOW), &json!({ "seats": ["A1"] })).await.status, 201);
        escrow(&world).await
    })
    .await;
    assert!(second != first && kept == ["A1"]);
}

/// The rule is Postgres' too: without Redis and before any sweeper, a lapsed hold is the queue's.
#[tokio::test]
async fn without_a_gate_a_lapsed_hold_is_the_queues_as_well() {
    let world = World::with(1, |config| {
        config.redis.url = "redis://127.0.0.1:1".to_owned();
        config.hold_seconds = 1;
        config.sweep_interval_ms = 3_600_000;
    })
    .await;
    let client = world.visitor();
    let held = hold(&client, &["A1"]).await;
    set_queue(&client, true, 1).await;
    until("the deadline to pass", async || {
        (client.get(&format!("/api/holds/{held}")).await.body["status"] == "expired").then_some(())
    })
    .await;
    let street = async || world.visitor().post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
    assert_eq!(street().await.code(), "seats_unavailable");
    assert_eq!(client.get(&seats(SHOW)).await.body["seats"], json!({ "A1": "held" }));
    set_queue(&client, false, 2).await;
    assert_eq!(street().await.status, 201);
}

#[tokio::test]
async fn what_the_queue_does_not_take_in_time_goes_on_open_sale() {
    let world = World::with(1, |config| config.escrow_seconds = 1).await;
    let client = world.visitor();
    let held = hold(&client, &["A1"]).await;
    set_queue(&client, true, 1).await;
    client.delete(&format!("/api/holds/{held}")).await;
    until("the seat to be on open sale", async || {
        let answer = world.visitor().post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
        (answer.status == 201).then_some(())
    })
    .await;
    let closed: Value = json!(escrow(&world).await.is_none());
    assert_eq!(closed, json!(true));
}

#[tokio::test]
async fn a_cancelled_booking_goes_to_the_queue_and_an_offered_hold_can_be_given_back() {
    let world = World::start(1).await;
    let buyer = world.visitor();
    let held = hold(&buyer, &["B1"]).await;
    let booked = buyer.post_keyed(&format!("/api/holds/{held}/confirm"), "k", &payment("ok")).await;
    set_queue(&buyer, true, 1).await;
    assert_eq!(buyer.delete(&format!("/api/bookings/{}", booked.text("id"))).await.status, 200);
    let (id, _) = escrow(&world).await.unwrap();
    let offered = offer(&buyer, &id, "entry_1", &["B1"]).await;
    let give_back = format!("/internal/holds/{}", offered.text("hold_id"));
    assert_eq!(buyer.delete(&give_back).await.status, 204);
    assert_eq!(buyer.delete(&give_back).await.status, 204);
    assert_eq!(buyer.delete("/internal/holds/unknown").await.code(), "hold_not_found");
    let (next, _) = escrow(&world).await.unwrap();
    assert_ne!(next, id);
}
