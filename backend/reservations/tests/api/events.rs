//! Events out: what every change of a seat tells, in which order, also when an old program wrote it.

use domain::event::{Fact, Told};
use domain::id::SeatId;
use redis::streams::StreamRangeReply;
use serde_json::{Value, json};
use service::stream;
use testkit::wait::until;

use crate::world::{SHOW, World, hold, payment};

/// All that was told of [`SHOW`], once there are so many.
async fn told(world: &World, count: usize) -> Vec<Told> {
    let config = world.stores.redis();
    let redis = world.stores.redis_connection().await;
    let key = stream::key(&config.prefix, "reservations", stream::partition(SHOW));
    let events = until("all to be told", async || {
        let mut range = redis::cmd("XRANGE");
        let range: StreamRangeReply =
            range.arg(&key).arg("-").arg("+").query_async(&mut redis.clone()).await.unwrap();
        (range.ids.len() >= count).then_some(range.ids)
    })
    .await;
    events.iter().map(|entry| serde_json::from_str(&entry.get::<String>("event").unwrap()).unwrap()).collect()
}

/// The types, in order.
fn kinds(told: &[Told]) -> Vec<Value> {
    told.iter().map(|told| json!(told.event)["type"].clone()).collect()
}

fn seats(names: &[&str]) -> Vec<SeatId> {
    names.iter().map(|name| SeatId::parse(name).unwrap()).collect()
}

#[tokio::test]
async fn every_change_of_a_seat_is_told_in_its_order() {
    let world = World::start(2).await;
    let (buyer, other) = (world.visitor(), world.visitor_of(1));
    let given_back = hold(&buyer, &["A1", "A2"]).await;
    buyer.delete(&format!("/api/holds/{given_back}")).await;
    let sold = hold(&other, &["A2"]).await;
    let booking = other.post_keyed(&format!("/api/holds/{sold}/confirm"), "k", &payment("ok")).await;
    other.delete(&format!("/api/bookings/{}", booking.text("id"))).await;
    let told = told(&world, 5).await;
    let expected = ["SeatsHeld", "SeatsReleased", "SeatsHeld", "BookingConfirmed", "BookingCancelled"];
    assert_eq!(kinds(&told), expected);
    assert!(told.is_sorted_by_key(|told| told.at));
    let Fact::SeatsHeld(first) = &told[0].event.fact else { panic!("{told:?}") };
    assert_eq!((first.hold_id.as_str(), &first.seats), (given_back.as_str(), &seats(&["A1", "A2"])));
    assert_eq!(told[0].event.show_id.as_str(), SHOW);
    let Fact::BookingConfirmed(sale) = &told[3].event.fact else { panic!("{told:?}") };
    assert_eq!((sale.hold_id.as_str(), sale.booking_id.as_str()), (sold.as_str(), booking.text("id")));
}

#[tokio::test]
async fn a_lapse_is_told_and_names_its_hold() {
    let world = World::with(1, |config| config.hold_seconds = 1).await;
    let lapsing = hold(&world.visitor(), &["A1"]).await;
    let told = told(&world, 2).await;
    assert_eq!(kinds(&told), ["SeatsHeld", "HoldExpired"]);
    let Fact::HoldExpired(ended) = &told[1].event.fact else { panic!("{told:?}") };
    assert_eq!((ended.hold_id.as_str(), &ended.seats), (lapsing.as_str(), &seats(&["A1"])));
}

/// An old program knows one column, and its own words.
#[tokio::test]
async fn what_an_old_program_wrote_is_told_in_the_new_form() {
    let world = World::start(1).await;
    let old = "INSERT INTO reservations.outbox (event) VALUES ($1)";
    let ended = json!({ "hold_id": "h", "session_id": "s", "seats": ["A1"], "entry_id": null });
    let sold =
        json!({ "booking_id": "b", "hold_id": "h", "session_id": "s", "seats": ["A1"], "entry_id": "e" });
    let until = "2026-01-01T00:00:00Z";
    let written = [
        ("hold_expired", "HoldExpired", ended.clone()),
        ("hold_released", "SeatsReleased", ended),
        ("seats_booked", "BookingConfirmed", sold),
        ("booking_cancelled", "BookingCancelled", json!({ "booking_id": "b", "seats": ["A1"] })),
        (
            "seats_escrowed",
            "SeatsEscrowed",
            json!({ "escrow_id": "x", "seats": ["A1"], "expires_at": until }),
        ),
        (
            "seats_offered",
            "SeatsOffered",
            json!({ "entry_id": "e", "hold_id": "h", "session_id": "s", "seats": ["A1"], "expires_at": until }),
        ),
    ];
    for (kind, _, data) in &written {
        let mut event = data.clone();
        event["type"] = json!(kind);
        event["show_id"] = json!(SHOW);
        world.database().await.execute(old, &[&event]).await.unwrap();
    }
    let told = told(&world, written.len()).await;
    for (told, (_, kind, data)) in told.iter().zip(&written) {
        let event = json!({ "type": kind, "version": 1, "show_id": SHOW, "data": data });
        assert_eq!(json!(told.event), event);
    }
}

/// And it relays whatever it finds, by these words.
#[tokio::test]
async fn an_old_relay_finds_the_columns_it_asks_for() {
    let world = World::with(0, |_| {}).await;
    let database = world.database().await;
    let insert =
        "INSERT INTO reservations.outbox (event) VALUES ('{\"type\": \"SeatsHeld\", \"version\": 1}')";
    database.execute(insert, &[]).await.unwrap();
    let take = "WITH due AS (SELECT id FROM reservations.outbox ORDER BY id LIMIT 500)
        DELETE FROM reservations.outbox AS o USING due WHERE o.id = due.id RETURNING o.id, o.event::text";
    assert_eq!(database.query(take, &[]).await.unwrap().len(), 1);
}
