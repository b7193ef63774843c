//! Holding seats: all or none, seen everywhere, released at will.

use futures_util::future::join_all;
use serde_json::json;
use testkit::wait::until;

use crate::world::{CAPACITY, SHOW, World, hold, holds, seats};

#[tokio::test]
async fn a_hold_is_placed_seen_on_the_other_instance_and_released() {
    let world = World::start(2).await;
    let (buyer, other) = (world.visitor_of(0), world.visitor_of(1));

    let answer = buyer.post(&holds(SHOW), &json!({ "seats": ["A2", "A1"] })).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.headers["location"], format!("/api/holds/{}", answer.text("id")));
    assert_eq!(answer.body["seats"], json!(["A1", "A2"]));
    assert_eq!(answer.body["status"], "on_hold");
    assert_eq!(answer.body["price"], json!({ "amount": 2500, "currency": "USD" }));

    let seen = other.get(&seats(SHOW)).await;
    assert_eq!(seen.body["seats"], json!({ "A1": "held", "A2": "held" }));
    assert_eq!(seen.body["capacity"], CAPACITY);

    let path = format!("/api/holds/{}", answer.text("id"));
    assert_eq!(other.get(&path).await.code(), "hold_not_found", "somebody else's");
    assert_eq!(other.delete(&path).await.status, 404);
    assert_eq!(buyer.delete(&path).await.status, 204);
    assert_eq!(buyer.delete(&path).await.status, 204, "released is released");
    assert_eq!(buyer.get(&path).await.body["status"], "released");

    let freed = other.get(&seats(SHOW)).await;
    assert_eq!(freed.body["seats"], json!({}));
    assert!(freed.body["version"].as_u64() > seen.body["version"].as_u64());
}

#[tokio::test]
async fn a_conflict_takes_nothing_names_what_is_lost_and_offers_as_much_elsewhere() {
    let world = World::start(2).await;
    hold(&world.visitor(), &["B2"]).await;

    let late = world.visitor_of(1).post(&holds(SHOW), &json!({ "seats": ["B1", "B2"] })).await;
    assert_eq!((late.status.as_u16(), late.code()), (409, "seats_unavailable"));
    assert_eq!(late.body["unavailable"], json!(["B2"]));
    let alternatives = late.body["alternatives"].as_array().unwrap();
    assert!(
        !alternatives.is_empty() && alternatives.iter().all(|seats| seats.as_array().unwrap().len() == 2)
    );

    let seen = world.visitor().get(&seats(SHOW)).await;
    assert_eq!(seen.body["seats"], json!({ "B2": "held" }), "B1 was not half-held");
}

#[tokio::test]
async fn the_best_seats_are_adjacent_and_run_out() {
    let world = World::start(1).await;
    for _ in 0..3 {
        let answer = world.visitor().post(&holds(SHOW), &json!({ "best": 5 })).await;
        assert_eq!(answer.status, 201);
        let seats = answer.body["seats"].as_array().unwrap();
        let row = |seat: &serde_json::Value| seat.as_str().unwrap()[..1].to_owned();
        assert!(seats.len() == 5 && seats.iter().all(|seat| row(seat) == row(&seats[0])), "{seats:?}");
    }
    let answer = world.visitor().post(&holds(SHOW), &json!({ "best": 5 })).await;
    assert_eq!(answer.code(), "seats_unavailable");
}

#[tokio::test]
async fn a_repeated_key_repeats_the_hold_on_any_instance() {
    let world = World::start(2).await;
    let buyer = world.visitor_of(0);
    let first = buyer.post_keyed(&holds(SHOW), "k1", &json!({ "seats": ["A1"] })).await;
    let again = buyer.post_keyed(&holds(SHOW), "k1", &json!({ "seats": ["A1"] })).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.body, again.body);

    let best = buyer.post_keyed(&holds(SHOW), "k2", &json!({ "best": 2 })).await;
    let again = buyer.post_keyed(&holds(SHOW), "k2", &json!({ "best": 2 })).await;
    assert_eq!(best.body, again.body);

    let other = buyer.post_keyed(&holds(SHOW), "k1", &json!({ "seats": ["A3"] })).await;
    assert_eq!((other.status.as_u16(), other.code()), (422, "idempotency_key_reused"));
    let seen = buyer.get(&seats(SHOW)).await;
    assert_eq!(seen.body["seats"].as_object().unwrap().len(), 3, "A3 stays free");
}

#[tokio::test]
async fn a_session_has_a_bounded_number_of_holds() {
    let world = World::with(1, |config| config.holds_per_session_max = 2).await;
    let buyer = world.visitor();
    hold(&buyer, &["A1"]).await;
    let second = hold(&buyer, &["A2"]).await;
    for _ in 0..2 {
        let third = buyer.post(&holds(SHOW), &json!({ "seats": ["A3"] })).await;
        assert_eq!((third.status.as_u16(), third.code()), (429, "too_many_holds"));
        assert!(third.headers.contains_key("retry-after"));
    }
    assert_eq!(
        buyer.get(&seats(SHOW)).await.body["seats"].as_object().unwrap().len(),
        2,
        "the gate's claim is undone"
    );
    buyer.delete(&format!("/api/holds/{second}")).await;
    hold(&buyer, &["A3"]).await;
}

#[tokio::test]
async fn duplicates_that_arrive_together_get_the_same_hold_with_and_without_redis() {
    for redis in [true, false] {
        let world = World::with(2, |config| {
            if !redis {
                config.redis.url = "redis://127.0.0.1:1".into();
            }
            config.holds_per_session_max = 1;
        })
        .await;
        let buyer = world.visitor();
        buyer.get("/api/bookings").await;
        let (path, wish) = (holds(SHOW), json!({ "seats": ["A1", "A2"] }));
        let answers = join_all((0..6).map(|_| buyer.post_keyed(&path, "same", &wish))).await;
        for answer in &answers {
            assert_eq!((answer.status.as_u16(), &answer.body), (201, &answers[0].body), "redis: {redis}");
        }
    }
}

#[tokio::test]
async fn a_key_reused_for_more_seats_is_refused_and_the_first_hold_stays_as_it_is() {
    let world = World::start(1).await;
    let buyer = world.visitor();
    assert_eq!(buyer.post_keyed(&holds(SHOW), "k", &json!({ "seats": ["A1"] })).await.status, 201);
    let more = buyer.post_keyed(&holds(SHOW), "k", &json!({ "seats": ["A1", "A2"] })).await;
    assert_eq!((more.status.as_u16(), more.code()), (422, "idempotency_key_reused"));
    assert_eq!(buyer.get(&seats(SHOW)).await.body["seats"], json!({ "A1": "held" }));
}

#[tokio::test]
async fn a_key_keeps_its_answer_whatever_became_of_its_seats() {
    let world = World::start(2).await;
    let (buyer, other) = (world.visitor_of(0), world.visitor_of(1));
    buyer.get("/api/bookings").await;
    let wish = json!({ "seats": ["A1"] });
    let first = buyer.post_keyed(&holds(SHOW), "k", &wish).await;
    assert_eq!(first.status, 201);
    hold(&other, &["B1"]).await;
    let reused = buyer.post_keyed(&holds(SHOW), "k", &json!({ "seats": ["B1"] })).await;
    assert_eq!(
        (reused.status.as_u16(), reused.code()),
        (422, "idempotency_key_reused"),
        "B1 is somebody else's"
    );

    buyer.delete(&format!("/api/holds/{}", first.text("id"))).await;
    hold(&other, &["A1"]).await;
    let again = buyer.post_keyed(&holds(SHOW), "k", &wish).await;
    assert_eq!(
        (again.status.as_u16(), &again.body),
        (201, &first.body),
        "released, and sold to somebody else"
    );
    assert_eq!(buyer.get(&format!("/api/holds/{}", first.text("id"))).await.body["status"], "released");
}

#[tokio::test]
async fn a_key_of_the_best_seats_keeps_them_when_nothing_is_left() {
    let world = World::start(1).await;
    let buyer = world.visitor();
    let wish = json!({ "best": 6 });
    let first = buyer.post_keyed(&holds(SHOW), "k", &wish).await;
    for _ in 0..2 {
        assert_eq!(world.visitor().post(&holds(SHOW), &wish).await.status, 201);
    }
    let again = buyer.post_keyed(&holds(SHOW), "k", &wish).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &first.body));
    assert_eq!(buyer.post_keyed(&holds(SHOW), "other", &wish).await.code(), "seats_unavailable");
}

/// Who was told that it took too long finds nothing placed behind their back.
#[tokio::test]
async fn a_hold_that_was_answered_too_late_is_not_placed() {
    let world = World::with(1, |config| config.http.request_timeout_ms = 300).await;
    let buyer = world.visitor();
    buyer.get(&seats(SHOW)).await;
    let mut blocker = world.database().await;
    let blocking = blocker.transaction().await.unwrap();
    blocking.batch_execute("LOCK TABLE reservations.holds IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let late = buyer.post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
    assert_eq!(late.status, 503);
    blocking.rollback().await.unwrap();
    let taken = until("the seat to be free for others", async || {
        let answer = world.visitor().post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
        (answer.status == 201).then_some(answer)
    })
    .await;
    let count = "SELECT count(*) FROM reservations.holds";
    assert_eq!(
        world.database().await.query_one(count, &[]).await.unwrap().get::<_, i64>(0),
        1,
        "{}",
        taken.body
    );
}
