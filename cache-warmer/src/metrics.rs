//! All metrics of the cache-warmer.

use std::time::SystemTime;

use prometheus::{Gauge, Histogram, IntCounterVec, IntGauge, Opts, Registry, histogram_opts};
use service::metrics::{LATENCY_BUCKETS_SECONDS, register};

/// Registered once per process.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// When this process last wrote the list, in seconds since 1970; 0 before it did.
    pub(crate) succeeded_at: Gauge,
    /// How long counting and swapping take.
    pub(crate) duration: Histogram,
    /// Films on the list this process last wrote.
    pub(crate) movies: IntGauge,
    /// Rounds by outcome.
    pub(crate) rounds: IntCounterVec,
    /// Whether this process is the one that writes.
    pub(crate) leader: IntGauge,
}

impl Metrics {
    /// Registers them all.
    pub(crate) fn new(registry: &Registry) -> Self {
        let metrics = Self {
            succeeded_at: register(
                registry,
                Gauge::new(
                    "marquee_cache_warmer_last_success_timestamp_seconds",
                    "When this process last wrote the popular list, in seconds since 1970.",
                ),
            ),
            duration: register(
                registry,
                Histogram::with_opts(histogram_opts!(
                    "marquee_cache_warmer_refresh_duration_seconds",
                    "Time to count the popular list and swap it in.",
                    LATENCY_BUCKETS_SECONDS.to_vec()
                )),
            ),
            movies: register(
                registry,
                IntGauge::new(
                    "marquee_cache_warmer_movies",
                    "Films on the popular list this process last wrote.",
                ),
            ),
            rounds: register(
                registry,
                IntCounterVec::new(
                    Opts::new("marquee_cache_warmer_rounds_total", "Rounds, by outcome."),
                    &["outcome"],
                ),
            ),
            leader: register(
                registry,
                IntGauge::new("marquee_cache_warmer_leader", "1 while this process writes the list."),
            ),
        };
        for outcome in ["refreshed", "stood_by", "failed"] {
            metrics.rounds.with_label_values(&[outcome]);
        }
        metrics
    }
}

/// The process's clock; metrics are the only place that reads it.
pub(crate) fn now_seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
