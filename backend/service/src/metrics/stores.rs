//! Postgres and Redis as this process sees them: what they measure of themselves, and what is looked at when Prometheus asks.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use super::register;
use crate::postgres::Pool;
use crate::redis::Redis;

/// Registers what is to be known of both.
///
/// # Panics
/// When it is called twice for one registry.
pub fn watch(registry: &Registry, pool: &Pool, redis: &Redis) {
    register(registry, Ok(pool.wait().clone()));
    register(registry, Ok(redis.calls().durations.clone()));
    register(registry, Ok(redis.calls().failures.clone()));
    let stores =
        Stores::new(pool.clone(), redis.clone()).expect("metric names are constants of the right form");
    registry.register(Box::new(stores)).expect("the stores are registered once");
}

struct Stores {
    pool: Pool,
    redis: Redis,
    connections: IntGaugeVec,
    connections_max: IntGauge,
    waiting: IntGauge,
    answers: IntGauge,
    available: IntGauge,
}

impl Stores {
    fn new(pool: Pool, redis: Redis) -> prometheus::Result<Self> {
        Ok(Self {
            pool,
            redis,
            connections: IntGaugeVec::new(
                Opts::new(
                    "marquee_postgres_connections",
                    "Connections to Postgres, by state: in_use or idle.",
                ),
                &["state"],
            )?,
            connections_max: IntGauge::new(
                "marquee_postgres_connections_max",
                "Connections to Postgres that this process may have.",
            )?,
            waiting: IntGauge::new(
                "marquee_postgres_waiting",
                "Those who wait for a connection to Postgres.",
            )?,
            answers: IntGauge::new(
                "marquee_postgres_available",
                "1 when Postgres answered the last time it was asked.",
            )?,
            available: IntGauge::new(
                "marquee_redis_available",
                "1 when Redis answered the last time it was asked.",
            )?,
        })
    }

    fn look(&self) {
        let status = self.pool.status();
        let in_use = status.size.saturating_sub(status.available);
        self.connections.with_label_values(&["in_use"]).set(signed(in_use));
        self.connections.with_label_values(&["idle"]).set(signed(status.available));
        self.connections_max.set(signed(status.max_size));
        self.waiting.set(signed(status.waiting));
        self.answers.set(i64::from(self.pool.ready().is_ok()));
        self.available.set(i64::from(self.redis.available()));
    }
}

impl Collector for Stores {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = [&self.connections_max, &self.waiting, &self.answers, &self.available];
        gauges.iter().flat_map(|gauge| gauge.desc()).chain(self.connections.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.look();
        let gauges = [&self.connections_max, &self.waiting, &self.answers, &self.available];
        gauges.iter().flat_map(|gauge| gauge.collect()).chain(self.connections.collect()).collect()
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
