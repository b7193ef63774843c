//! What Prometheus is told of the stores.

use service::drain::Drain;
use service::metrics::{stores, text};

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
