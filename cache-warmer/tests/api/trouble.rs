//! What becomes of the list while a store is away.

use testkit::wait;

use crate::world::World;

#[tokio::test]
async fn a_count_that_fails_leaves_the_old_list_and_the_next_one_that_works_replaces_it() {
    let world = World::fresh().await;
    let warmer = world.start().await;
    world.newer(None).await;
    let films = world.films().await;
    let client = world.stores.pool().get().await.expect("the test database answers");
    client.batch_execute("ALTER TABLE catalog.shows RENAME TO gone").await.expect("it is renamed");
    warmer.another("failed").await;
    let before = world.as_of().await;
    warmer.another("failed").await;
    assert_eq!((world.as_of().await, world.films().await), (before.clone(), films));
    assert_eq!(warmer.probe.get("/readyz").await.status, 503);
    client.batch_execute("ALTER TABLE catalog.gone RENAME TO shows").await.expect("it is renamed");
    world.newer(before.as_deref()).await;
    wait::until("readiness", async || (warmer.probe.get("/readyz").await.status == 200).then_some(())).await;
    assert_eq!(world.films().await, films);
    warmer.stop().await;
}

#[tokio::test]
async fn without_postgres_nothing_is_swapped_in() {
    let mut world = World::fresh().await;
    let warmer = world.start().await;
    world.newer(None).await;
    warmer.stop().await;
    let (as_of, films) = (world.as_of().await, world.films().await);
    world.config.postgres.url = "postgres://127.0.0.1:1/none".into();
    let blind = world.start().await;
    blind.another("failed").await;
    blind.another("failed").await;
    assert_eq!((world.as_of().await, world.films().await), (as_of, films));
    blind.stop().await;
}

#[tokio::test]
async fn without_redis_it_keeps_trying_and_still_stops_when_told() {
    let mut world = World::fresh().await;
    world.config.redis.url = "redis://127.0.0.1:1".into();
    let warmer = world.start().await;
    warmer.another("failed").await;
    warmer.another("failed").await;
    assert_eq!(warmer.probe.get("/livez").await.status, 200);
    assert_eq!(warmer.probe.get("/readyz").await.status, 503);
    warmer.stop().await;
}
