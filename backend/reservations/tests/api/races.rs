//! Crowds: whatever the interleaving, one seat has one owner, and what was taken adds up.

use futures_util::future::join_all;
use serde_json::json;

use crate::world::{CAPACITY, SHOW, World, hold, holds, payment, seats};

#[tokio::test]
async fn of_a_crowd_on_two_instances_one_gets_the_seat() {
    let world = World::start(2).await;
    let body = json!({ "seats": ["B3", "B4"] });
    let visitors: Vec<_> = (0..40).map(|at| world.visitor_of(at % 2)).collect();
    let path = holds(SHOW);
    let answers = join_all(visitors.iter().map(|visitor| visitor.post(&path, &body))).await;
    let won = answers.iter().filter(|answer| answer.status == 201).count();
    let lost = answers.iter().filter(|answer| answer.code() == "seats_unavailable").count();
    assert_eq!((won, lost), (1, 39));
}

/// Half of the instances do not see Redis: the gate lets through what Postgres must refuse.
#[tokio::test]
async fn without_a_common_gate_postgres_decides() {
    let mut world = World::start(1).await;
    let mut blind = world.config();
    blind.redis.url = "redis://127.0.0.1:1".into();
    world.add(blind).await;
    let body = json!({ "seats": ["B3", "B4"] });
    let visitors: Vec<_> = (0..30).map(|at| world.visitor_of(at % 2)).collect();
    let path = holds(SHOW);
    let answers = join_all(visitors.iter().map(|visitor| visitor.post(&path, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "seats_unavailable"));
}

/// Nobody sees Redis: what Postgres has in part is not taken in part.
#[tokio::test]
async fn without_a_gate_a_hold_is_all_or_nothing_too() {
    let world = World::with(1, |config| config.redis.url = "redis://127.0.0.1:1".into()).await;
    hold(&world.visitor(), &["A2"]).await;
    let late = world.visitor().post(&holds(SHOW), &json!({ "seats": ["A1", "A2"] })).await;
    assert_eq!((late.code(), &late.body["unavailable"]), ("seats_unavailable", &json!(["A2"])));
    assert_eq!(world.visitor().get(&seats(SHOW)).await.body["seats"], json!({ "A2": "held" }));
    hold(&world.visitor(), &["A1"]).await;
}

/// A hold whose claim somebody else has by now, whatever led to it: its token is old.
#[tokio::test]
async fn a_hold_without_its_claims_cannot_be_booked() {
    let world = World::start(1).await;
    let buyer = world.visitor();
    let held = hold(&buyer, &["A1", "A2"]).await;
    let taken = "UPDATE reservations.claims SET owner = 'another', token = token + 1 WHERE seat_id = 'A2'";
    assert_eq!(world.database().await.execute(taken, &[]).await.unwrap(), 1);
    let late = buyer.post_keyed(&format!("/api/holds/{held}/confirm"), "k", &payment("ok")).await;
    assert_eq!((late.status.as_u16(), late.code()), (410, "hold_expired"));
    assert_eq!(buyer.get("/api/bookings").await.body["bookings"], json!([]));
}

#[tokio::test]
async fn a_sell_out_by_overlapping_parties_sells_every_seat_once() {
    let world = World::start(2).await;
    let sales = join_all((0..60).map(async |at: usize| {
        let visitor = world.visitor_of(at % 2);
        let seat = |column: usize| format!("{}{}", ["A", "B", "C"][at % 3], 1 + column % 6);
        let wish = match at % 3 {
            0 => json!({ "best": 1 + at % 2 }),
            _ => json!({ "seats": [seat(at), seat(at + 1)] }),
        };
        let held = visitor.post(&holds(SHOW), &wish).await;
        if held.status != 201 {
            assert!(held.status == 409 || held.status == 422, "{}", held.body);
            return Vec::new();
        }
        let path = format!("/api/holds/{}/confirm", held.text("id"));
        let booked = visitor.post_keyed(&path, "k", &payment("ok")).await;
        assert_eq!(booked.status, 201, "{}", booked.body);
        booked.body["seats"].as_array().unwrap().clone()
    }))
    .await;
    let mut sold: Vec<String> =
        sales.iter().flatten().map(|seat| seat.as_str().unwrap().to_owned()).collect();
    sold.sort();
    let distinct = {
        let mut seats = sold.clone();
        seats.dedup();
        seats
    };
    assert_eq!(sold, distinct);
    let seen = world.visitor().get(&seats(SHOW)).await.body["seats"].as_object().unwrap().clone();
    assert_eq!(seen.keys().cloned().collect::<Vec<_>>(), sold);
    assert!(seen.values().all(|status| status == "booked") && sold.len() <= CAPACITY);
}
