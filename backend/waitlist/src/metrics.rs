//! All metrics of the waitlist.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};
use service::metrics::register;

/// Registered once per process.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Live entries everywhere, by status; every instance counts the same table.
    pub(crate) entries: IntGaugeVec,
    /// Attempts to join, by outcome.
    pub(crate) joins: IntCounterVec,
    /// Offers by what became of them.
    pub(crate) offers: IntCounterVec,
    /// Escrows this process finished with.
    pub(crate) escrows_served: IntCounter,
    /// Rounds of serving an escrow that could not be finished and are tried again.
    pub(crate) serving_failures: IntCounter,
    /// Queue flags that could not be told to reservations and are told again.
    pub(crate) sync_failures: IntCounter,
    /// Waiters told that what they waited for is sold.
    pub(crate) waiters_told: IntCounter,
}

impl Metrics {
    /// Registers them all.
    pub(crate) fn new(registry: &Registry) -> Self {
        let counter = |name: &str, help: &str| register(registry, IntCounter::new(name, help));
        let by = |name: &str, help: &str, label: &str| {
            register(registry, IntCounterVec::new(Opts::new(name, help), &[label]))
        };
        Self {
            entries: register(
                registry,
                IntGaugeVec::new(
                    Opts::new("marquee_waitlist_entries", "Live entries of all shows, by status."),
                    &["status"],
                ),
            ),
            joins: by("marquee_waitlist_joins_total", "Attempts to join a line, by outcome.", "outcome"),
            offers: by(
                "marquee_waitlist_offers_total",
                "Offers: made, gone before they were made, then fulfilled, left or closed.",
                "outcome",
            ),
            escrows_served: counter("marquee_waitlist_escrows_served_total", "Escrows finished with."),
            serving_failures: counter(
                "marquee_waitlist_serving_failures_total",
                "Attempts to serve an escrow that are repeated.",
            ),
            sync_failures: counter(
                "marquee_waitlist_sync_failures_total",
                "Queue flags that reservations could not be told at once.",
            ),
            waiters_told: counter(
                "marquee_waitlist_waiters_told_total",
                "Waiters told that what they waited for is sold.",
            ),
        }
    }
}
