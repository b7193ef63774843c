//! From hold to booking and back: one key, one effect, one answer.

use futures_util::future::join_all;
use serde_json::json;
use testkit::wait::until;

use crate::world::{SHOW, World, hold, holds, payment, seats};

#[tokio::test]
async fn a_confirmed_hold_is_a_booking_that_can_be_cancelled() {
    let world = World::start(2).await;
    let (buyer, other) = (world.visitor_of(0), world.visitor_of(1));
    let hold_id = hold(&buyer, &["C1", "C2"]).await;
    let booked = buyer.post_keyed(&format!("/api/holds/{hold_id}/confirm"), "k", &payment("ok")).await;
    assert_eq!(booked.status, 201);
    assert_eq!((booked.text("status"), booked.text("hold_id")), ("booked", hold_id.as_str()));
    assert_eq!(other.get(&seats(SHOW)).await.body["seats"], json!({ "C1": "booked", "C2": "booked" }));
    assert_eq!(buyer.get(&format!("/api/holds/{hold_id}")).await.body["status"], "booked");
    assert_eq!(buyer.delete(&format!("/api/holds/{hold_id}")).await.code(), "already_booked");

    let path = format!("/api/bookings/{}", booked.text("id"));
    assert_eq!(buyer.get("/api/bookings").await.body["bookings"], json!([booked.body]));
    assert_eq!(other.get("/api/bookings").await.body["bookings"], json!([]));
    assert_eq!(other.get(&path).await.code(), "booking_not_found");
    assert_eq!(other.delete(&path).await.status, 404);

    let cancelled = buyer.delete(&path).await;
    assert_eq!((cancelled.status.as_u16(), cancelled.text("status")), (200, "cancelled"));
    assert_eq!(buyer.delete(&path).await.body, cancelled.body, "cancelled once");
    assert_eq!(other.get(&seats(SHOW)).await.body["seats"], json!({}));
    hold(&other, &["C1"]).await;
}

#[tokio::test]
async fn a_key_has_one_effect_and_one_answer() {
    let world = World::start(1).await;
    let buyer = world.visitor();
    let path = format!("/api/holds/{}/confirm", hold(&buyer, &["A1"]).await);
    let body = payment("ok");
    let answers = join_all((0..8).map(|_| buyer.post_keyed(&path, "same", &body))).await;
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.body), (201, &answers[0].body));
    }
    let other_body = buyer.post_keyed(&path, "same", &payment("declined")).await;
    assert_eq!((other_body.status.as_u16(), other_body.code()), (422, "idempotency_key_reused"));
    let other_key = buyer.post_keyed(&path, "other", &body).await;
    assert_eq!((other_key.status.as_u16(), other_key.code()), (409, "already_booked"));
    let count: i64 = world
        .database()
        .await
        .query_one("SELECT count(*) FROM reservations.bookings", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_refused_payment_leaves_the_hold_and_an_unanswered_one_leaves_the_key() {
    let world = World::start(1).await;
    let buyer = world.visitor();
    let path = format!("/api/holds/{}/confirm", hold(&buyer, &["A1"]).await);
    let declined = buyer.post_keyed(&path, "k1", &payment("declined")).await;
    assert_eq!((declined.status.as_u16(), declined.code()), (402, "payment_declined"));
    let again = buyer.post_keyed(&path, "k1", &payment("declined")).await;
    assert_eq!(again.body, declined.body, "the first answer is kept, its request id included");
    let unanswered = buyer.post_keyed(&path, "k2", &payment("timeout")).await;
    assert_eq!((unanswered.status.as_u16(), unanswered.code()), (503, "payment_unavailable"));
    assert!(unanswered.headers.contains_key("retry-after"));
    assert_eq!(buyer.post_keyed(&path, "k2", &payment("ok")).await.status, 201, "another card, the same key");
}

/// Everything that stands before the index has failed here: by hand, for nothing else makes it fail.
#[tokio::test]
async fn a_seat_that_would_be_sold_twice_is_refused_by_postgres_and_counted() {
    let world = World::start(1).await;
    let (first, second) = (world.visitor(), world.visitor());
    let path = format!("/api/holds/{}/confirm", hold(&first, &["A1"]).await);
    assert_eq!(first.post_keyed(&path, "k", &payment("ok")).await.status, 201);
    let forget = "UPDATE reservations.claims SET status = 'free', owner = NULL WHERE seat_id = 'A1'";
    assert_eq!(world.database().await.execute(forget, &[]).await.unwrap(), 1);

    let held = until("the mirror to be mended", async || {
        let held = second.post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
        (held.status == 201).then_some(held)
    })
    .await;
    let path = format!("/api/holds/{}/confirm", held.text("id"));
    assert_eq!(second.post_keyed(&path, "k", &payment("ok")).await.status, 500);
    let metrics = second.get("/metrics").await.body.to_string();
    let told = "marquee_reservations_double_sales_refused_total 1";
    assert!(metrics.split("\\n").any(|line| line == told), "{metrics}");
}
