//! What an endpoint has done so far: counts that only grow, for whoever takes the difference of two looks.
//! A request costs a few relaxed additions; nothing is decided by them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets in which the time doubles, from 64 microseconds to over two minutes.
const DOUBLINGS: usize = 21;
/// Times under this power of two, in microseconds, share the first bucket.
const FIRST_POWER: u32 = 6;
/// Equal parts of each doubling: a time is known to a fifth or better.
const PARTS: usize = 4;
/// Buckets of a [`Latency`].
pub const BUCKETS: usize = DOUBLINGS * PARTS;

/// Answers, failures and times of one endpoint.
#[derive(Debug, Default)]
pub struct Traffic {
    answers: AtomicU64,
    failures: AtomicU64,
    latency: Latency,
}

impl Traffic {
    /// The endpoint's first byte came after so long; `failed` is an answer that is a fault of its own (5xx).
    pub fn answered(&self, after: Duration, failed: bool) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.latency.record(after);
    }

    /// It could not be reached, or broke off before it answered.
    pub fn broke_off(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests it answered.
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Answers that were faults, and requests that it did not answer.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Times to the first byte.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }
}

/// A histogram of times that is written without a lock.
#[derive(Debug)]
pub struct Latency {
    counts: [AtomicU64; BUCKETS],
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BUCKETS] }
    }
}

impl Latency {
    fn record(&self, time: Duration) {
        self.counts[bucket(time)].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts from the first that is not zero to the last, and the index of the first.
    pub fn counts(&self) -> (usize, Vec<u64>) {
        let counts: Vec<u64> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let first = counts.iter().position(|count| *count > 0).unwrap_or(0);
        let end = counts.iter().rposition(|count| *count > 0).map_or(first, |last| last + 1);
        (first, counts[first..end].to_vec())
    }
}

fn bucket(time: Duration) -> usize {
    let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1 << FIRST_POWER);
    let power = microseconds.ilog2();
    let part = (microseconds >> (power - PARTS.ilog2())) as usize % PARTS;
    ((power - FIRST_POWER) as usize * PARTS + part).min(BUCKETS - 1)
}

/// The upper end of every bucket, in milliseconds.
pub fn bounds_ms() -> impl Iterator<Item = f64> {
    (0..BUCKETS).map(|index| {
        let doubling = 1_u64 << (FIRST_POWER as usize + index / PARTS);
        doubling as f64 * (1.0 + (index % PARTS + 1) as f64 / PARTS as f64) / 1e3
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_under_the_bound_of_its_bucket_and_over_the_one_before() {
        let bounds: Vec<f64> = bounds_ms().collect();
        for microseconds in (1..2_000).chain((2_000..100_000_000).step_by(9_973)) {
            let (index, ms) = (bucket(Duration::from_micros(microseconds)), microseconds as f64 / 1e3);
            assert!(ms < bounds[index], "{ms} ms in bucket {index}");
            assert!(index == 0 || ms >= bounds[index - 1], "{ms} ms in bucket {index}");
        }
        assert_eq!(bucket(Duration::from_hours(24)), BUCKETS - 1);
        assert!(bounds.windows(2).all(|pair| pair[1] / pair[0] <= 1.25));
    }

    #[test]
    fn only_what_was_counted_is_shown() {
        let traffic = Traffic::default();
        assert_eq!(traffic.latency().counts(), (0, vec![]));
        traffic.answered(Duration::from_micros(100), false);
        traffic.answered(Duration::from_micros(130), true);
        traffic.broke_off();
        assert_eq!((traffic.answers(), traffic.failures()), (2, 2));
        assert_eq!(traffic.latency().counts(), (2, vec![1, 0, 1]));
    }
}
