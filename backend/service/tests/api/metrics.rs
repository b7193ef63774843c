//! What Prometheus is told of the stores.

use service::drain::Drain;
use service::metrics::{stores, text};
use service::postgres::{self, PostgresConfig};

use crate::world::World;

#[tokio::test]
async fn connections_are_counted_by_what_they_do_when_prometheus_asks() {
    let world = World::fresh().await;
    let redis = world.redis(&Drain::default()).await;
    stores::watch(&world.registry, &world.pool, &redis);
    let told = || String::from_utf8(text(&world.registry).unwrap()).unwrap();
    let expect = |lines: &[&str]| {
        let told = told();
        for line in lines {
            assert!(told.lines().any(|told| told == *line), "{line} is not in {told}");
        }
    };

    let (first, second) = (world.database().await, world.database().await);
    expect(&[
        r#"marquee_postgres_connections{state="in_use"} 2"#,
        r#"marquee_postgres_connections{state="idle"} 0"#,
        "marquee_postgres_waiting 0",
        "marquee_redis_available 1",
        &format!("marquee_postgres_connections_max {}", world.pool.status().max_size),
    ]);
    drop(first);
    expect(&[
        r#"marquee_postgres_connections{state="in_use"} 1"#,
        r#"marquee_postgres_connections{state="idle"} 1"#,
    ]);
    drop(second);
}

#[tokio::test]
async fn who_waits_for_a_connection_is_measured_whether_or_not_it_gets_one() {
    let mut world = World::fresh().await;
    let scarce = PostgresConfig { connections_max: 2, wait_ms: 1_000, ..world.stores.postgres() };
    world.pool = postgres::pool("test", &scarce).unwrap();
    let drain = Drain::default();
    stores::watch(&world.registry, &world.pool, &world.redis(&drain).await);
    let waited = || world.metric("marquee_postgres_wait_seconds_count");
    assert_eq!(waited(), Some(0.0));

    let all = (world.database().await, world.database().await);
    assert_eq!(waited(), Some(2.0));
    assert!(world.pool.get().await.is_err(), "there is no third");
    assert_eq!(waited(), Some(3.0));
    assert!(
        world.metric("marquee_postgres_wait_seconds_sum") >= Some(1.0),
        "who got none has waited longest"
    );
    drop(all);
    drain.stop();
}
