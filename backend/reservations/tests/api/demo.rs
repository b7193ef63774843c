//! The demo's past bookings.

use crate::world::{BEGUN, World};

#[tokio::test]
async fn past_shows_get_bookings_once() {
    let world = World::start(1).await;
    let database = world.database().await;
    let counts = async || {
        let count = "SELECT (SELECT count(*) FROM reservations.bookings WHERE show_id = $1),
            (SELECT coalesce(sum(seats), 0)::bigint FROM reservations_published.bookings),
            (SELECT count(*) FROM reservations.booking_seats WHERE live),
            (SELECT count(*) FROM reservations.claims WHERE status = 'booked'),
            (SELECT count(*) FROM reservations.bookings WHERE booked_at > now())";
        let row = database.query_one(count, &[&BEGUN]).await.unwrap();
        std::array::from_fn::<i64, 5, _>(|at| row.get(at))
    };
    reservations::demo::load(&world.config()).await.unwrap();
    let first = counts().await;
    let [bookings, published, seats, claims, future] = first;
    assert!(bookings > 0 && published > 0, "{first:?}");
    assert_eq!((published, claims, future), (seats, seats, 0));
    reservations::demo::load(&world.config()).await.unwrap();
    assert_eq!(counts().await, first);
}
