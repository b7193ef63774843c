//! All metrics of reservations.

use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use service::metrics::register;
use service::outbox::Waiting;
use service::stream::Behind;

use crate::PROGRAM;

/// One of each.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Requests for a hold by outcome: `placed` (repetitions included), `lost`, `failed`.
    pub holds: IntCounterVec,
    /// Claims asked of the gate, be they by name or for the best seats. A request needs one; more where a mirror was missing,
    /// or all candidates went while they were chosen.
    pub gate_claims: IntCounter,
    /// Confirmations by outcome: `booked`, `declined`, `late`, `payment_away`.
    pub confirms: IntCounterVec,
    /// What is still to be asked of the payment provider, by kind: `capture`, `refund`, `void`. Every process sees the same. A
    /// capture stands here for a moment after every booking.
    pub unsettled_rows: IntGaugeVec,
    /// The age of the oldest of each kind.
    pub unsettled_oldest: GaugeVec,
    /// Holds that lapsed and were announced.
    pub holds_expired: IntCounter,
    /// Seats whose mirror Postgres contradicted twice in a row. Should stay zero.
    pub mirror_drift: IntCounter,
    /// Mirrors loaded from Postgres.
    pub mirror_loads: IntCounter,
    /// Jobs written by one transaction, by kind.
    pub batch_jobs: HistogramVec,
    /// What waits in the outbox.
    pub outbox: Waiting,
    /// How far the live sockets' events are behind.
    pub behind: Behind,
    /// Live sockets open.
    pub sockets: IntGauge,
    /// Live sockets whose clients were too slow for what they watched.
    pub sockets_cut: IntCounter,
    /// Shows with a watcher here.
    pub shows_watched: IntGauge,
}

impl Metrics {
    /// Registers all.
    pub fn new(registry: &Registry) -> Self {
        let counter = |name, help| register(registry, IntCounter::new(name, help));
        let gauge = |name, help| register(registry, IntGauge::new(name, help));
        let by_outcome =
            |name, help| register(registry, IntCounterVec::new(Opts::new(name, help), &["outcome"]));
        Self {
            holds: by_outcome("marquee_reservations_holds_total", "Requests for a hold, by outcome."),
            gate_claims: counter("marquee_reservations_gate_claims_total", "Claims asked of the gate."),
            confirms: by_outcome("marquee_reservations_confirms_total", "Confirmations, by outcome."),
            unsettled_rows: register(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "marquee_reservations_unsettled_rows",
                        "Captures, refunds and voids the payment provider has not answered, counted up to 100000.",
                    ),
                    &["due"],
                ),
            ),
            unsettled_oldest: register(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "marquee_reservations_unsettled_oldest_seconds",
                        "Age of the oldest of those that are counted; 0 when there are none.",
                    ),
                    &["due"],
                ),
            ),
            holds_expired: counter(
                "marquee_reservations_holds_expired_total",
                "Holds that lapsed and were announced.",
            ),
            mirror_drift: counter(
                "marquee_reservations_mirror_drift_total",
                "Seats whose mirror Postgres contradicted twice in a row; should stay zero.",
            ),
            mirror_loads: counter("marquee_reservations_mirror_loads_total", "Mirrors loaded from Postgres."),
            batch_jobs: register(
                registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "marquee_reservations_batch_jobs",
                        "Jobs written by one transaction, by kind.",
                    )
                    .buckets(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]),
                    &["kind"],
                ),
            ),
            outbox: Waiting::new(registry, PROGRAM),
            behind: Behind::new(registry, PROGRAM),
            sockets: gauge("marquee_reservations_sockets", "Live sockets open."),
            sockets_cut: counter(
                "marquee_reservations_sockets_cut_total",
                "Live sockets closed because their clients read too slowly.",
            ),
            shows_watched: gauge("marquee_reservations_shows_watched", "Shows with a watcher here."),
        }
    }
}
