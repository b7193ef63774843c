//! When each background loop last did what it is there for.
//!
//! Whoever only waits for work, and does nothing while there is none, is no loop: it has no success that could be missed. Those who look
//! whether a store is there have `marquee_redis_available` and `marquee_postgres_available` instead.

use std::time::{Duration, SystemTime};

use prometheus::{Gauge, GaugeVec, Opts, Registry};

use super::register;

/// The loops of a process.
#[derive(Debug, Clone)]
pub struct Loops {
    succeeded_at: GaugeVec,
    interval: GaugeVec,
}

impl Loops {
    /// Registers both; each loop is in them once it begins.
    pub fn new(registry: &Registry) -> Self {
        let succeeded_at = Opts::new(
            "marquee_loop_last_success_timestamp_seconds",
            "When a background loop last did its work, in seconds since 1970; its beginning counts as a success.",
        );
        let interval = Opts::new(
            "marquee_loop_interval_seconds",
            "How often a background loop is to do its work when all is well.",
        );
        Self {
            succeeded_at: register(registry, GaugeVec::new(succeeded_at, &["loop"])),
            interval: register(registry, GaugeVec::new(interval, &["loop"])),
        }
    }

    /// A loop begins that is to do its work every `interval`. It stays here however it ends: one that panicked is missed, too.
    pub fn begin(&self, name: &'static str, interval: Duration) -> LastSuccess {
        self.interval.with_label_values(&[name]).set(interval.as_secs_f64());
        let last_success = LastSuccess(self.succeeded_at.with_label_values(&[name]));
        last_success.note();
        last_success
    }
}

/// When one loop last did its work.
#[derive(Debug, Clone)]
pub struct LastSuccess(Gauge);

impl LastSuccess {
    /// It did.
    pub fn note(&self) {
        self.0.set(now_seconds());
    }

    /// It tried, and this came of it.
    pub fn note_if(&self, success: bool) {
        if success {
            self.note();
        }
    }
}

/// Seconds since 1970, by the process's clock; only metrics read it.
pub fn now_seconds() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_begins_has_succeeded_and_one_that_fails_has_not_since() {
        let loops = Loops::new(&Registry::new());
        let last_success = loops.begin("sweep", Duration::from_millis(500));
        let interval = loops.interval.with_label_values(&["sweep"]).get();
        assert!((interval - 0.5).abs() < f64::EPSILON, "{interval}");
        let at = || last_success.0.get();
        assert!((now_seconds() - at()).abs() < 60.0, "{}", at());
        last_success.0.set(7.0);
        last_success.note_if(false);
        assert!(at() < 8.0, "it failed");
        last_success.note_if(true);
        assert!(at() > 8.0, "it succeeded");
    }
}
