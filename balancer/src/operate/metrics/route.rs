//! The counts of one route: found once by their labels, which takes longer than counting.

use std::sync::OnceLock;

use http::StatusCode;
use prometheus::{Histogram, IntCounter};

use super::Metrics;

/// What answers are counted as; the first is for whoever left before any.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// What names a route's counts.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// The pattern of the route.
    pub route: &'a str,
    /// The name of its pool.
    pub pool: &'a str,
}

/// The counts of one route, each once it was needed.
#[derive(Default)]
pub struct RouteCounts {
    classes: [OnceLock<IntCounter>; CLASSES.len()],
    seconds: OnceLock<Histogram>,
    upstream_seconds: OnceLock<Histogram>,
}

impl RouteCounts {
    /// Shows at 0 what was not counted yet.
    pub fn show(&self, metrics: &Metrics, of: Labels<'_>) {
        for class in CLASSES {
            metrics.requests.with_label_values(&[of.route, of.pool, class]);
        }
    }

    /// Counts how long an endpoint took to begin its answer.
    pub fn answered(&self, metrics: &Metrics, of: Labels<'_>, seconds: f64) {
        self.upstream_seconds
            .get_or_init(|| metrics.upstream_seconds.with_label_values(&[of.pool]))
            .observe(seconds);
    }

    /// Counts a request that ended with this status, after so long when its time says something.
    pub fn count(&self, metrics: &Metrics, of: Labels<'_>, status: Option<StatusCode>, seconds: Option<f64>) {
        let class = status.map_or(0, |status| usize::from(status.as_u16() / 100).min(CLASSES.len() - 1));
        let counter = self.classes[class]
            .get_or_init(|| metrics.requests.with_label_values(&[of.route, of.pool, CLASSES[class]]));
        counter.inc();
        if let Some(seconds) = seconds {
            self.seconds
                .get_or_init(|| metrics.request_seconds.with_label_values(&[of.route]))
                .observe(seconds);
        }
    }
}
