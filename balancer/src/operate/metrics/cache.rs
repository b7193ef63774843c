//! What the cache did and for how much: by outcome, and for answers from the store how old they were.

use prometheus::{Histogram, HistogramOpts, IntCounter, Registry};

use super::{counter, counters};
use crate::cache::status::Outcome;

/// Upper bounds of the age buckets, in seconds.
const AGES: &[f64] = &[1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// Counts of the cache, but for those of requests.
pub struct CacheMetrics {
    /// Body bytes sent on routes with a cache, by outcome.
    bytes: [IntCounter; Outcome::ALL.len()],
    /// Age of answers from the store.
    hit_age: Histogram,
    /// Answers that made room for others.
    evictions: IntCounter,
}

impl CacheMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Body bytes sent on routes with a cache.";
        let bytes = counters(registry, "cache_sent_bytes_total", help, &["result"])?;
        let ages = HistogramOpts::new("cache_hit_age_seconds", "Age of answers from the store.");
        let hit_age = Histogram::with_opts(ages.buckets(AGES.to_vec()))?;
        registry.register(Box::new(hit_age.clone()))?;
        Ok(Self {
            bytes: Outcome::ALL.map(|outcome| bytes.with_label_values(&[outcome.name()])),
            hit_age,
            evictions: counter(
                registry,
                "cache_evictions_total",
                "Stored answers that made room for others.",
            )?,
        })
    }

    /// An answer is over.
    pub fn count(&self, outcome: Outcome, bytes: usize, age_seconds: u64) {
        self.bytes[outcome.index()].inc_by(bytes as u64);
        if outcome.from_store() {
            self.hit_age.observe(age_seconds as f64);
        }
    }

    /// So many were evicted since the start.
    pub fn set_evictions(&self, evictions: u64) {
        self.evictions.inc_by(evictions.saturating_sub(self.evictions.get()));
    }
}
