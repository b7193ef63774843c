//! What the background loops say of themselves.

use testkit::loops;

use crate::world::World;

#[tokio::test]
async fn every_loop_does_its_work_again_and_again_and_says_so() {
    let world = World::start(1).await;
    let often = [
        "abandoned_attempts",
        "captures",
        "events",
        "expiry",
        "live_feed",
        "live_versions",
        "mirrors",
        "mirrors_alive",
        "outbox_measure",
        "outbox_relay",
        "presence",
        "refunds",
        "unsettled_measure",
        "voids",
    ];
    loops::all_succeed(&world.visitor(), &often, &["idempotency_keys", "older_bookings"]).await;
}
