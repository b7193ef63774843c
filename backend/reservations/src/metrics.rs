//! All metrics of reservations.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};
use service::metrics::loops::Loops;
use service::metrics::register;
use service::outbox::Waiting;
use service::stream::Behind;

use crate::PROGRAM;

/// Seconds: chosen around the promise that an expiry is announced within one second.
const EXPIRY_LAG_BUCKETS_SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0];

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
    /// Sales that only UNIQUE has refused: their seats were sold, and everything above had let them pass. Should stay zero.
    pub double_sales_refused: IntCounter,
    /// Holds that lapsed and were announced.
    pub holds_expired: IntCounter,
    /// From a hold's deadline to the commit that announces its end.
    pub expiry_lag: Histogram,
    /// From a hold's deadline, by the database's clock, to the moment at which the frame with its seats was handed to all sockets that
    /// watch from here, by ours: once for all frames that are sent together, of the earliest. What goes to the queue is shown as before,
    /// and not in here; nor is what a task too far behind, or without the feed, did not hear of, and shows with a new picture. How old
    /// that is the canary sees.
    pub expiry_shown: Histogram,
    /// Escrows that nobody served in time.
    pub escrows_lapsed: IntCounter,
    /// Seats whose mirror Postgres contradicted twice in a row. Should stay zero.
    pub mirror_drift: IntCounter,
    /// Mirrors loaded from Postgres.
    pub mirror_loads: IntCounter,
    /// Jobs written by one transaction, by kind.
    pub batch_jobs: HistogramVec,
    /// What waits in the outbox.
    pub outbox: Waiting,
    /// When each background loop last did its work.
    pub loops: Loops,
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
        Self {
            holds: by_outcome(
                registry,
                "marquee_reservations_holds_total",
                "Requests for a hold, by outcome.",
                &["placed", "lost", "failed"],
            ),
            gate_claims: counter("marquee_reservations_gate_claims_total", "Claims asked of the gate."),
            confirms: by_outcome(
                registry,
                "marquee_reservations_confirms_total",
                "Confirmations, by outcome.",
                &["booked", "declined", "late", "payment_away"],
            ),
            double_sales_refused: counter(
                "marquee_reservations_double_sales_refused_total",
                "Sales of seats that were sold already, refused by Postgres alone; should stay zero.",
            ),
            unsettled_rows: unsettled_rows(registry),
            unsettled_oldest: unsettled_oldest(registry),
            holds_expired: counter(
                "marquee_reservations_holds_expired_total",
                "Holds that lapsed and were announced.",
            ),
            expiry_lag: expiry_lag(
                registry,
                "marquee_reservations_expiry_lag_seconds",
                "Time from a hold's deadline to the commit that announces its end.",
            ),
            expiry_shown: expiry_lag(
                registry,
                "marquee_reservations_expiry_shown_seconds",
                "Time from a hold's deadline until all who watch here were shown that its seats are free.",
            ),
            escrows_lapsed: counter(
                "marquee_reservations_escrows_lapsed_total",
                "Escrows that nobody served in time: their seats went on open sale although people waited.",
            ),
            mirror_drift: counter(
                "marquee_reservations_mirror_drift_total",
                "Seats whose mirror Postgres contradicted twice in a row; should stay zero.",
            ),
            mirror_loads: counter("marquee_reservations_mirror_loads_total", "Mirrors loaded from Postgres."),
            batch_jobs: batch_jobs(registry),
            outbox: Waiting::new(registry, PROGRAM),
            loops: Loops::new(registry),
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

/// A counter whose outcomes are there from the first scrape on: the first of a kind is seen to be one more only where none was seen
/// before.
fn by_outcome(registry: &Registry, name: &str, help: &str, outcomes: &[&str]) -> IntCounterVec {
    let counts = register(registry, IntCounterVec::new(Opts::new(name, help), &["outcome"]));
    for outcome in outcomes {
        counts.with_label_values(&[*outcome]);
    }
    counts
}

fn unsettled_rows(registry: &Registry) -> IntGaugeVec {
    let rows = Opts::new(
        "marquee_reservations_unsettled_rows",
        "Captures, refunds and voids the payment provider has not answered, counted up to 100000.",
    );
    register(registry, IntGaugeVec::new(rows, &["due"]))
}

fn unsettled_oldest(registry: &Registry) -> GaugeVec {
    let oldest = Opts::new(
        "marquee_reservations_unsettled_oldest_seconds",
        "Age of the oldest of those that are counted; 0 when there are none.",
    );
    register(registry, GaugeVec::new(oldest, &["due"]))
}

fn expiry_lag(registry: &Registry, name: &str, help: &str) -> Histogram {
    let lag = HistogramOpts::new(name, help).buckets(EXPIRY_LAG_BUCKETS_SECONDS.to_vec());
    register(registry, Histogram::with_opts(lag))
}

fn batch_jobs(registry: &Registry) -> HistogramVec {
    let jobs =
        HistogramOpts::new("marquee_reservations_batch_jobs", "Jobs written by one transaction, by kind.")
            .buckets(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]);
    register(registry, HistogramVec::new(jobs, &["kind"]))
}
