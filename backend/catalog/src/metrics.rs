//! All metrics of the catalog.

use prometheus::{Gauge, IntCounterVec, Opts, Registry};
use service::metrics::loops::Loops;
use service::metrics::register;

/// Registered once per process.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// When each background loop last did its work.
    pub(crate) loops: Loops,
    /// As of when the list is that this instance shows at the moment; 0 before it could show one.
    pub(crate) popular_as_of: Gauge,
    /// Popular lists answered, by where they came from.
    pub(crate) popular_reads: IntCounterVec,
    /// Attempts to fetch another service's OpenAPI document, by outcome.
    pub(crate) openapi_fetches: IntCounterVec,
}

impl Metrics {
    /// Registers them all.
    pub(crate) fn new(registry: &Registry) -> Self {
        let by = |name: &str, help: &str, label: &str| {
            register(registry, IntCounterVec::new(Opts::new(name, help), &[label]))
        };
        let popular_as_of = Gauge::new(
            "marquee_catalog_popular_as_of_timestamp_seconds",
            "As of when the popular list is that this instance shows, in seconds since 1970; 0 before it could show one.",
        );
        Self {
            loops: Loops::new(registry),
            popular_as_of: register(registry, popular_as_of),
            popular_reads: by(
                "marquee_catalog_popular_reads_total",
                "Popular lists answered, by source: redis; memory, or postgres, while redis has none; postgres for reasons.",
                "source",
            ),
            openapi_fetches: by(
                "marquee_catalog_openapi_fetches_total",
                "Fetches of other services' documents, by outcome.",
                "outcome",
            ),
        }
    }
}
