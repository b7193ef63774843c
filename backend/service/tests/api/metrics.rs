//! What Prometheus is told of the stores.

use redis::{Cmd, Pipeline, Script};
use service::drain::Drain;
use service::metrics::{stores, text};
use service::postgres::{self, PostgresConfig};
use service::redis::{Error, Redis, RedisConfig};

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
        "marquee_postgres_available 1",
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

#[tokio::test]
async fn calls_of_redis_are_measured_by_what_they_are_and_counted_when_they_fail() {
    let world = World::fresh().await;
    let drain = Drain::default();
    let redis = world.redis(&drain).await;
    stores::watch(&world.registry, &world.pool, &redis);
    let measured = |operation: &str| {
        world.metric(&format!("marquee_redis_call_duration_seconds_count{{operation=\"{operation}\"}}"))
    };
    for operation in ["command", "pipeline", "script"] {
        assert_eq!(measured(operation), Some(0.0), "{operation} is there before the first call");
    }

    redis.run::<()>(Cmd::new().arg("PING")).await.unwrap();
    redis.run_all::<()>(Pipeline::new().ping()).await.unwrap();
    redis.script::<()>(&Script::new("return 1").prepare_invoke()).await.unwrap();
    for operation in ["command", "pipeline", "script"] {
        assert_eq!(measured(operation), Some(1.0), "{operation}");
    }
    assert_eq!(world.metric(r#"marquee_redis_calls_failed_total{reason="refused"}"#), Some(0.0));

    let wrong = redis.run::<()>(Cmd::new().arg("NO-SUCH-COMMAND")).await;
    assert!(matches!(wrong, Err(Error::Refused(_))), "{wrong:?}");
    assert_eq!(world.metric(r#"marquee_redis_calls_failed_total{reason="refused"}"#), Some(1.0));
    assert_eq!(measured("command"), Some(2.0));
    drain.stop();
}

#[tokio::test]
async fn a_call_that_is_not_even_sent_has_failed_and_taken_no_time() {
    let world = World::fresh().await;
    let drain = Drain::default();
    let nobody = RedisConfig { url: "redis://127.0.0.1:1/".into(), ..world.stores.redis() };
    let redis = Redis::start(&nobody, &drain).await.unwrap();
    stores::watch(&world.registry, &world.pool, &redis);
    assert!(matches!(redis.run::<()>(Cmd::new().arg("PING")).await, Err(Error::Away)));
    assert_eq!(world.metric(r#"marquee_redis_calls_failed_total{reason="away"}"#), Some(1.0));
    let measured = r#"marquee_redis_call_duration_seconds_count{operation="command"}"#;
    assert_eq!(world.metric(measured), Some(0.0));
    drain.stop();
}
