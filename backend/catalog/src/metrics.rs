//! All metrics of the catalog.

use prometheus::{IntCounterVec, Opts, Registry};
use service::metrics::register;

/// Registered once per process.
#[derive(Debug)]
pub(crate) struct Metrics {
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
        Self {
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
