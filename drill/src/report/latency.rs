//! Percentiles of many times.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::history::Nanos;

/// Three digits of every time are kept.
const DIGITS: u8 = 3;
const MICROSECOND: u64 = 1000;
/// The longest time that is told from a longer one, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// Percentiles, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Latency {
    /// How many times there are.
    pub count: u64,
    /// Half are below.
    pub p50_ms: f64,
    /// Nine of ten are below.
    pub p90_ms: f64,
    /// 99 of a hundred are below.
    pub p99_ms: f64,
    /// 999 of a thousand are below.
    pub p99_9_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// Takes times.
#[derive(Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_max(LONGEST, DIGITS).expect("three digits of an hour can be kept"))
    }
}

impl Times {
    pub(crate) fn add(&mut self, time: Nanos) {
        self.0.saturating_record(time / MICROSECOND);
    }

    pub(crate) fn latency(&self) -> Latency {
        let ms = |micros: u64| micros as f64 / 1000.0;
        let at = |quantile| ms(self.0.value_at_quantile(quantile));
        Latency {
            count: self.0.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p99_9_ms: at(0.999),
            max_ms: ms(self.0.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut times = Times::default();
        for ms in 1..=10_000 {
            times.add(ms * 1_000_000);
        }
        let latency = times.latency();
        let near = |found: f64, right: f64| (found - right).abs() <= right / 1000.0;
        assert_eq!(latency.count, 10_000);
        assert!(near(latency.p50_ms, 5_000.0) && near(latency.p90_ms, 9_000.0), "{latency:?}");
        assert!(near(latency.p99_ms, 9_900.0) && near(latency.p99_9_ms, 9_990.0), "{latency:?}");
        assert!(near(latency.max_ms, 10_000.0), "{latency:?}");
    }

    #[test]
    fn no_times_have_no_percentiles() {
        assert_eq!(Times::default().latency(), Latency::default());
    }
}
