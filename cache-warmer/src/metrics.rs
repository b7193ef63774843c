//! All metrics of the cache-warmer.

use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, Opts, Registry, histogram_opts};
use service::metrics::loops::Loops;
use service::metrics::{LATENCY_BUCKETS_SECONDS, register};

/// Registered once per process.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// When each background loop last did its work.
    pub(crate) loops: Loops,
    /// When this process last wrote the list, in seconds since 1970; 0 before it did.
    pub(crate) succeeded_at: Gauge,
    /// As of when the lists are that this process last wrote, by the database's clock; 0 before it did.
    pub(crate) counted_at: Gauge,
    /// How long counting and swapping take.
    pub(crate) duration: Histogram,
    /// How long adding up takes in Postgres.
    pub(crate) folding: Histogram,
    /// Sales, holds, joins and cancellations that were added up.
    pub(crate) facts: IntCounter,
    /// Lists that changed and were written.
    pub(crate) lists_written: IntCounter,
    /// Sales heard of between two counts, by what became of them.
    pub(crate) live: IntCounterVec,
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
        let gauge = |name: &str, help: &str| register(registry, Gauge::new(name, help));
        let whole = |name: &str, help: &str| register(registry, IntGauge::new(name, help));
        let count = |name: &str, help: &str| register(registry, IntCounter::new(name, help));
        let by_outcome = |name: &str, help: &str, outcomes: &[&str]| {
            let counts = register(registry, IntCounterVec::new(Opts::new(name, help), &["outcome"]));
            for outcome in outcomes {
                counts.with_label_values(&[*outcome]);
            }
            counts
        };
        let seconds = |name: &str, help: &str| {
            let buckets = LATENCY_BUCKETS_SECONDS.to_vec();
            register(registry, Histogram::with_opts(histogram_opts!(name, help, buckets)))
        };
        Self {
            loops: Loops::new(registry),
            succeeded_at: gauge(
                "marquee_cache_warmer_last_success_timestamp_seconds",
                "When this process last wrote the popular list, in seconds since 1970.",
            ),
            counted_at: gauge(
                "marquee_cache_warmer_as_of_timestamp_seconds",
                "As of when the lists are that this process last wrote, in seconds since 1970.",
            ),
            duration: seconds(
                "marquee_cache_warmer_refresh_duration_seconds",
                "Time to count the popular list and swap it in.",
            ),
            folding: seconds(
                "marquee_cache_warmer_folding_duration_seconds",
                "Time to add up in Postgres what was written since the last time.",
            ),
            facts: count(
                "marquee_cache_warmer_facts_total",
                "Sales, cancellations, holds and joins that were added up.",
            ),
            lists_written: count(
                "marquee_cache_warmer_lists_written_total",
                "Lists that changed and were written.",
            ),
            live: by_outcome(
                "marquee_cache_warmer_live_total",
                "Sales heard of between two counts, by outcome: added; let_go or failed, which the next count has.",
                &["added", "let_go", "failed"],
            ),
            movies: whole(
                "marquee_cache_warmer_movies",
                "Films on the popular list this process last wrote.",
            ),
            rounds: by_outcome(
                "marquee_cache_warmer_rounds_total",
                "Rounds, by outcome.",
                &["refreshed", "stood_by", "fenced", "failed"],
            ),
            leader: whole("marquee_cache_warmer_leader", "1 while this process writes the list."),
        }
    }
}
