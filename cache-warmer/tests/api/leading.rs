//! One leader, its list, and the next leader.

use testkit::{loops, wait};

use crate::world::World;

#[tokio::test]
async fn the_list_is_written_and_written_again() {
    let world = World::fresh().await;
    let warmer = world.start().await;
    let first = world.newer(None).await;
    assert!(world.films().await >= 30);
    world.newer(Some(&first)).await;
    wait::until("readiness", async || (warmer.probe.get("/readyz").await.status == 200).then_some(())).await;
    assert!(warmer.metric("marquee_cache_warmer_last_success_timestamp_seconds").await > 0.0);
    assert!(warmer.metric("marquee_cache_warmer_movies").await >= 30.0);
    world.delete(&["list:all", "members", "directory", "meta"]).await;
    world.newer(None).await;
    wait::until("the list", async || (world.films().await >= 30).then_some(())).await;
    warmer.stop().await;
}

#[tokio::test]
async fn one_instance_leads_at_a_time_and_another_takes_over_when_it_goes() {
    let world = World::fresh().await;
    let (one, two) = (world.start().await, world.start().await);
    world.newer(None).await;
    let (leader, other) = wait::until("one leader", async || {
        match (one.rounds("refreshed").await > 0.0, two.rounds("refreshed").await > 0.0) {
            (true, false) => Some((0, 1)),
            (false, true) => Some((1, 0)),
            (true, true) => panic!("two leaders"),
            (false, false) => None,
        }
    })
    .await;
    let mut warmers = [Some(one), Some(two)];
    let leader = warmers[leader].take().expect("it runs");
    let other = warmers[other].take().expect("it runs");
    for _ in 0..5 {
        other.another("stood_by").await;
        leader.another("refreshed").await;
    }
    assert_eq!(other.rounds("refreshed").await.to_bits(), 0.0_f64.to_bits());
    assert_eq!(other.probe.get("/readyz").await.status, 200);
    // The lease lasts far longer than this test: only a leader that gives it back can be followed.
    let held = world.text("lease").await;
    leader.stop().await;
    other.another("refreshed").await;
    assert_ne!(world.text("lease").await, held);
    other.stop().await;
    assert_eq!(world.text("lease").await, None);
}

#[tokio::test]
async fn a_leader_whose_lease_is_somebody_elses_stands_by_and_does_not_give_it_back() {
    let world = World::fresh().await;
    let warmer = world.start().await;
    world.newer(None).await;
    let mut steal = redis::cmd("SET");
    steal.arg(world.key("lease")).arg("thief");
    world.redis.run::<()>(&steal).await.expect("redis answers");
    warmer.another("stood_by").await;
    let before = world.as_of().await;
    warmer.another("stood_by").await;
    assert_eq!(world.as_of().await, before);
    warmer.stop().await;
    assert_eq!(world.text("lease").await.as_deref(), Some("thief"));
}

#[tokio::test]
async fn a_leader_whose_count_takes_long_keeps_its_lease_and_one_that_loses_it_gives_up() {
    let mut world = World::fresh().await;
    world.config.lease_ms = 600;
    let one = world.start().await;
    world.newer(None).await;
    let held = world.text("lease").await;
    let client = world.stores.pool().get().await.expect("the test database answers");
    let lock = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE catalog.demand_state";
    client.batch_execute(lock).await.expect("it is locked");
    let two = world.start().await;
    // Far more rounds than fit into one lease.
    for _ in 0..60 {
        two.another("stood_by").await;
    }
    assert_eq!(two.rounds("refreshed").await.to_bits(), 0.0_f64.to_bits());
    assert_eq!(world.text("lease").await, held);
    two.stop().await;
    let mut steal = redis::cmd("SET");
    steal.arg(world.key("lease")).arg("thief");
    world.redis.run::<()>(&steal).await.expect("redis answers");
    one.another("fenced").await;
    one.another("stood_by").await;
    client.batch_execute("COMMIT").await.expect("it is unlocked");
    world.delete(&["lease"]).await;
    one.another("refreshed").await;
    one.stop().await;
}

#[tokio::test]
async fn who_stands_by_does_its_work_as_well_and_says_so() {
    let world = World::fresh().await;
    for warmer in [world.start().await, world.start().await] {
        loops::all_succeed(&warmer.probe, &["events", "refresh"], &[]).await;
    }
}
