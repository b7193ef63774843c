//! What callers of Redis see of it: how long it takes, and how often it fails them.

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Opts, histogram_opts};

use super::Error;

/// Seconds: from a script on a quiet machine to beyond the default `redis.timeout_ms`.
const CALL_BUCKETS_SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// What is asked of Redis in one round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Command,
    Pipeline,
    Script,
}

impl Operation {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Pipeline => "pipeline",
            Self::Script => "script",
        }
    }
}

/// Its labels are looked up once, for all calls.
pub(crate) struct Calls {
    /// From the call to its answer, or until it was given up, by operation.
    pub(crate) durations: HistogramVec,
    /// Calls that failed, by reason: `away`, which includes those that were not even sent; `refused`.
    pub(crate) failures: IntCounterVec,
    command: Histogram,
    pipeline: Histogram,
    script: Histogram,
    away: IntCounter,
    refused: IntCounter,
}

impl Calls {
    pub(super) fn new() -> prometheus::Result<Self> {
        let durations = HistogramVec::new(
            histogram_opts!(
                "marquee_redis_call_duration_seconds",
                "Time from a call of Redis to its answer, or until it was given up, by operation: command, pipeline or script.",
                CALL_BUCKETS_SECONDS.to_vec()
            ),
            &["operation"],
        )?;
        let failures = IntCounterVec::new(
            Opts::new(
                "marquee_redis_calls_failed_total",
                "Calls of Redis that failed, by reason: away, sent or not; or refused.",
            ),
            &["reason"],
        )?;
        let of = |operation: Operation| durations.with_label_values(&[operation.as_str()]);
        Ok(Self {
            command: of(Operation::Command),
            pipeline: of(Operation::Pipeline),
            script: of(Operation::Script),
            away: failures.with_label_values(&["away"]),
            refused: failures.with_label_values(&["refused"]),
            durations,
            failures,
        })
    }

    /// Where the time of such a call is written down.
    pub(super) fn took(&self, operation: Operation) -> &Histogram {
        match operation {
            Operation::Command => &self.command,
            Operation::Pipeline => &self.pipeline,
            Operation::Script => &self.script,
        }
    }

    /// Counts a call that ended so.
    pub(super) fn failed(&self, error: Error) -> Error {
        match error {
            Error::Away => self.away.inc(),
            Error::Refused(_) => self.refused.inc(),
        }
        error
    }
}
