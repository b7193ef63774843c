//! A client that comes from one instance to another, of which one alone has no Redis, never sees a lower version than before.

use domain::status::SeatStatus;
use reservations::store::epochs::first_version;

use crate::live::{sees, snapshot, watch};
use crate::world::{SHOW, World, hold};

/// Often enough for a look of the reconciler, which mends it a moment later, not to come in time each time.
const MOVES: usize = 20;

/// The first instance has Redis, and the second has none.
async fn world() -> World {
    let mut world = World::start(1).await;
    let mut without = world.config();
    without.redis.url = "redis://127.0.0.1:1".into();
    world.add(without).await;
    world
}

/// What a new socket is shown first.
async fn seen(world: &World, at: usize) -> u64 {
    snapshot(&mut watch(world, at).await).await.0
}

#[tokio::test]
async fn who_comes_from_an_instance_without_redis_is_shown_no_older_version() {
    let world = world().await;
    let mut before = seen(&world, 0).await;
    for _ in 0..MOVES {
        for at in [1, 0] {
            let now = seen(&world, at).await;
            assert!(now >= before, "{now} after {before}");
            before = now;
        }
    }
}

/// Both keep a picture for somebody who stays: what Redis counts, only one of them hears.
#[tokio::test]
async fn who_comes_to_an_instance_without_redis_is_shown_no_older_version() {
    let world = world().await;
    let (mut with, mut without) = (watch(&world, 0).await, watch(&world, 1).await);
    let (mut version, _) = snapshot(&mut with).await;
    snapshot(&mut without).await;
    let buyer = world.visitor_of(0);
    for _ in 0..MOVES {
        let held = hold(&buyer, &["A1"]).await;
        version = sees(&mut with, version, "A1", SeatStatus::Held).await;
        let elsewhere = seen(&world, 1).await;
        assert!(elsewhere >= version, "{elsewhere} after {version}");
        assert_eq!(buyer.delete(&format!("/api/holds/{held}")).await.status, 204);
        let back = seen(&world, 0).await;
        assert!(back >= elsewhere, "{back} after {elsewhere}");
    }
}

/// What it shows may be the first version of an epoch in which Redis, which it does not hear, has counted up meanwhile.
#[tokio::test]
async fn who_comes_to_an_instance_without_redis_is_shown_no_epoch_that_redis_may_have() {
    let world = World::with(1, |config| config.redis.url = "redis://127.0.0.1:1".into()).await;
    let mut resident = watch(&world, 0).await;
    snapshot(&mut resident).await;
    // As if another instance had just loaded it.
    let hand = "INSERT INTO reservations.epochs AS e (show_id, epoch, handed) VALUES ($1, 1, 1)
                ON CONFLICT (show_id) DO UPDATE SET handed = e.epoch RETURNING e.epoch";
    for _ in 0..MOVES {
        let handed: i64 = world.database().await.query_one(hand, &[&SHOW]).await.unwrap().get(0);
        let shown = seen(&world, 0).await;
        assert!(shown > first_version(handed), "{shown} is of the epoch {handed}");
    }
}
