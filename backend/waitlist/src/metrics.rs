//! All metrics of the waitlist.

use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use service::metrics::loops::Loops;
use service::metrics::register;
use service::outbox::Waiting;
use service::stream::Behind;

const JOINED: &str = "joined";
const REFUSED: &str = "refused";
/// From a seat that lapses at once to an evening in line.
const WAIT_BUCKETS_SECONDS: [f64; 13] =
    [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 86_400.0];

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The hold was placed.
    Made,
    /// The seats were gone before that.
    Gone,
    /// The hold was placed, and its owner had left meanwhile: it is given back.
    Void,
    /// Its owner bought.
    Fulfilled,
    /// Its owner left, or gave the hold back.
    Left,
    /// It lapsed.
    Lapsed,
}

impl Outcome {
    const ALL: [Self; 6] = [Self::Made, Self::Gone, Self::Void, Self::Fulfilled, Self::Left, Self::Lapsed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Gone => "gone",
            Self::Void => "void",
            Self::Fulfilled => "fulfilled",
            Self::Left => "left",
            Self::Lapsed => "lapsed",
        }
    }
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mailed {
    /// It was handed over.
    Sent,
    /// It will be tried again.
    Postponed,
    /// It never can be.
    Refused,
    /// Nobody needed it any more.
    Dropped,
}

impl Mailed {
    const ALL: [Self; 4] = [Self::Sent, Self::Postponed, Self::Refused, Self::Dropped];

    fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Postponed => "postponed",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }
}

/// Registered once per process.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Live entries everywhere, by status; every instance counts the same table.
    pub(crate) entries: IntGaugeVec,
    /// Attempts to join, by outcome.
    joins: IntCounterVec,
    /// Offers by what became of them.
    offers: IntCounterVec,
    /// How long people waited who were offered something.
    pub(crate) wait: Histogram,
    /// Entries within a gathering, everywhere.
    pub(crate) gatherings: IntGauge,
    /// The age of the oldest seats in escrow, everywhere.
    pub(crate) escrow_oldest: Gauge,
    /// Escrows this process took up.
    pub(crate) escrows_served: IntCounter,
    /// Rounds of serving an escrow that could not be finished and are tried again.
    pub(crate) serving_failures: IntCounter,
    /// Queue flags that could not be told to reservations and are told again.
    pub(crate) sync_failures: IntCounter,
    /// What waits in the outbox.
    pub(crate) outbox: Waiting,
    /// When each background loop last did its work.
    pub(crate) loops: Loops,
    /// How far we are behind reservations' events.
    pub(crate) behind: Behind,
    /// Waiters told that what they waited for is sold.
    pub(crate) waiters_told: IntCounter,
    /// Attempts to send mail, by what became of them.
    mails: IntCounterVec,
    /// Mails that wait to be sent; every instance that sends counts the same table.
    pub(crate) mails_waiting: IntGauge,
    /// Waiters told where they stand now.
    pub(crate) positions_told: IntCounter,
}

impl Metrics {
    /// Registers them all, and shows every outcome from the first scrape on.
    pub(crate) fn new(registry: &Registry) -> Self {
        let metrics = Self::register(registry);
        for outcome in [JOINED, REFUSED] {
            metrics.joins.with_label_values(&[outcome]);
        }
        for outcome in Outcome::ALL {
            metrics.offers.with_label_values(&[outcome.as_str()]);
        }
        for outcome in Mailed::ALL {
            metrics.mails.with_label_values(&[outcome.as_str()]);
        }
        metrics
    }

    /// Somebody tried to join.
    pub(crate) fn joined(&self, success: bool) {
        self.joins.with_label_values(&[if success { JOINED } else { REFUSED }]).inc();
    }

    /// Something became of an offer.
    pub(crate) fn offer(&self, outcome: Outcome) {
        self.offers.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Something became of some mails.
    pub(crate) fn mails(&self, outcome: Mailed, count: u64) {
        self.mails.with_label_values(&[outcome.as_str()]).inc_by(count);
    }

    fn register(registry: &Registry) -> Self {
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
                "Offers: made, or gone or void before that; then fulfilled, left or lapsed.",
                "outcome",
            ),
            wait: wait(registry),
            gatherings: register(
                registry,
                IntGauge::new(
                    "marquee_waitlist_gatherings",
                    "Entries that seats may be kept for at this moment.",
                ),
            ),
            escrow_oldest: register(
                registry,
                Gauge::new(
                    "marquee_waitlist_escrow_oldest_seconds",
                    "How long seats are in escrow that came free first of those; 0 when there are none.",
                ),
            ),
            escrows_served: counter("marquee_waitlist_escrows_served_total", "Escrows taken up."),
            serving_failures: counter(
                "marquee_waitlist_serving_failures_total",
                "Attempts to serve an escrow that are repeated.",
            ),
            sync_failures: counter(
                "marquee_waitlist_sync_failures_total",
                "Queue flags that reservations could not be told at once.",
            ),
            outbox: Waiting::new(registry, "waitlist"),
            loops: Loops::new(registry),
            behind: Behind::new(registry, "waitlist"),
            mails: by("marquee_waitlist_mails_total", "Attempts to send mail, by outcome.", "outcome"),
            mails_waiting: register(
                registry,
                IntGauge::new("marquee_waitlist_mails_waiting", "Mails that wait to be sent."),
            ),
            positions_told: counter(
                "marquee_waitlist_positions_told_total",
                "Waiters told where they stand now.",
            ),
            waiters_told: counter(
                "marquee_waitlist_waiters_told_total",
                "Waiters told that what they waited for is sold.",
            ),
        }
    }
}

fn wait(registry: &Registry) -> Histogram {
    let wait = HistogramOpts::new(
        "marquee_waitlist_wait_seconds",
        "Time from joining a line to the offer, of those who were made one.",
    );
    register(registry, Histogram::with_opts(wait.buckets(WAIT_BUCKETS_SECONDS.to_vec())))
}
