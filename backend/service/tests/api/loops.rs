//! What loops say of themselves.

use service::drain::Drain;
use service::outbox::{self, Bell};
use service::redis::{Redis, RedisConfig};
use testkit::wait::until;

use crate::world::World;

/// When a loop last did its work.
fn last_success(world: &World, name: &str) -> Option<f64> {
    world.metric(&format!("marquee_loop_last_success_timestamp_seconds{{loop=\"{name}\"}}"))
}

async fn succeeds(world: &World, name: &str) {
    let before = until("it to begin", async || last_success(world, name)).await;
    until(name, async || (last_success(world, name)? > before).then_some(())).await;
}

#[tokio::test]
async fn a_relay_that_has_no_redis_does_not_do_its_work_and_does_it_when_it_has() {
    let world = World::fresh().await;
    let drain = Drain::default();
    let relay = |redis, drain: &Drain| {
        let (pool, waiting, loops) = (world.pool.clone(), world.waiting.clone(), world.loops.clone());
        outbox::relay("shop", pool, redis, Bell::default(), waiting, loops, drain.clone())
    };
    let nobody = RedisConfig { url: "redis://127.0.0.1:1".into(), ..world.stores.redis() };
    drain.spawn(relay(Redis::start(&nobody, &drain).await.unwrap(), &drain));
    let began = until("it to begin", async || last_success(&world, "outbox_relay")).await;
    succeeds(&world, "outbox_measure").await;
    succeeds(&world, "outbox_measure").await;
    assert_eq!(last_success(&world, "outbox_relay"), Some(began), "it looked many times meanwhile");
    drain.stop();
    drain.finish().await;

    let drain = Drain::default();
    drain.spawn(relay(world.redis(&drain).await, &drain));
    succeeds(&world, "outbox_relay").await;
    succeeds(&world, "outbox_relay").await;
    drain.stop();
}
