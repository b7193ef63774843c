//! All metrics of the canary.

use std::time::Duration;

use anyhow::Result;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

use crate::page::registry;

/// Seconds: chosen around the promise that a view is no older than two.
const AGES_SECONDS: &[f64] = &[0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0];

/// One of each.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) registry: Registry,
    staleness: Histogram,
    views: IntGauge,
    failures: IntCounter,
}

impl Metrics {
    pub(super) fn new() -> Result<Self> {
        let staleness = HistogramOpts::new(
            "marquee_canary_view_staleness_seconds",
            "Age of a live view at each look: since when it has shown a seat otherwise than Postgres has it.",
        );
        let metrics = Self {
            staleness: Histogram::with_opts(staleness.buckets(AGES_SECONDS.to_vec()))?,
            views: IntGauge::new("marquee_canary_views", "Live views that are connected.")?,
            failures: IntCounter::new(
                "marquee_canary_failures_total",
                "Times the canary could not compare: without Postgres, or without shows.",
            )?,
            registry: registry("canary")?,
        };
        metrics.registry.register(Box::new(metrics.staleness.clone()))?;
        metrics.registry.register(Box::new(metrics.views.clone()))?;
        metrics.registry.register(Box::new(metrics.failures.clone()))?;
        Ok(metrics)
    }

    /// A view was found to be so old.
    pub(super) fn looked(&self, age: Duration) {
        self.staleness.observe(age.as_secs_f64());
    }

    /// So many views are connected.
    pub(super) fn watching(&self, views: usize) {
        self.views.set(i64::try_from(views).unwrap_or(i64::MAX));
    }

    /// It could not compare.
    #[expect(clippy::print_stderr, reason = "the only log that it has")]
    pub(super) fn failed(&self, error: &anyhow::Error) {
        self.failures.inc();
        self.views.set(0);
        eprintln!("canary: {error:#}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::page::answer;

    #[test]
    fn ages_are_told_by_how_many_are_within_the_promise() {
        let metrics = Metrics::new().expect("the names are good");
        for millis in [0, 100, 1_900, 2_100] {
            metrics.looked(Duration::from_millis(millis));
        }
        let told = answer(&metrics.registry, "GET /metrics HTTP/1.1");
        for line in [
            r#"marquee_canary_view_staleness_seconds_bucket{le="0"} 1"#,
            r#"marquee_canary_view_staleness_seconds_bucket{le="2"} 3"#,
            "marquee_canary_view_staleness_seconds_count 4",
        ] {
            assert!(told.lines().any(|told| told == line), "{line} is not in {told}");
        }
    }
}
