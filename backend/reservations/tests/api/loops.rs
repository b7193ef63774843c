//! What the background loops say of themselves.

use testkit::loops;
use testkit::wait::until;

use crate::live::{snapshot, watch};
use crate::world::{SHOW, World};

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

#[tokio::test]
async fn mirrors_that_cannot_be_read_are_not_looked_at() {
    let world = World::start(1).await;
    let mut socket = watch(&world, 0).await;
    snapshot(&mut socket).await;
    let mirror = format!("{}:show:{{{SHOW}}}", world.stores.redis().prefix);
    let mut redis = world.stores.redis_connection().await;
    let () = redis::cmd("SET").arg(&mirror).arg("no hash").query_async(&mut redis).await.unwrap();
    let visitor = world.visitor();
    until("a while without a look", async || {
        let before = loops::last_successes(&visitor).await;
        loops::succeed(&visitor, &["captures"]).await;
        loops::succeed(&visitor, &["captures"]).await;
        (loops::last_successes(&visitor).await["mirrors"] <= before["mirrors"]).then_some(())
    })
    .await;
    let () = redis::cmd("DEL").arg(&mirror).query_async(&mut redis).await.unwrap();
    loops::succeed(&visitor, &["mirrors"]).await;
}
