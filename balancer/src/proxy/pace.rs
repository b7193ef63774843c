//! The least pace of a client. Whoever sends or takes a byte now and then keeps every timeout from running out; so what counts is
//! what came in the time that was spent waiting for it. Pure: it takes the time from its caller.

use std::time::Duration;

use tokio::time::Instant;

/// The least that must come of a body, and when that is looked at first.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    /// Bytes in a second.
    pub bytes_per_second_min: usize,
    /// The time in which nothing is asked.
    pub grace: Duration,
}

impl Body {
    /// Whether so many bytes are enough after this time.
    pub fn kept(self, bytes: usize, elapsed: Duration) -> bool {
        let asked = elapsed.saturating_sub(self.grace).as_secs_f64() * self.bytes_per_second_min as f64;
        bytes as f64 >= asked
    }
}

/// The least that a client must take while a write waits for it.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Bytes in a second.
    pub bytes_per_second_min: usize,
    /// How long is waited in all before that is looked at.
    pub window: Duration,
}

/// How a client takes what is written to it. Time in which no write waits does not count against it.
#[derive(Debug, Default)]
pub struct Taken {
    waiting_since: Option<Instant>,
    waited: Duration,
    bytes: usize,
}

impl Taken {
    /// A write has to wait; returns when it will have been too long, if nothing is taken until then.
    pub fn waits(&mut self, pace: Reading, now: Instant) -> Instant {
        let since = *self.waiting_since.get_or_insert(now);
        since + pace.window.saturating_sub(self.waited)
    }

    /// Whether a write waits.
    pub fn is_waited_for(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// So much was taken.
    pub fn takes(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The waiting has an end, or is looked at before it has; whether the pace was kept.
    pub fn waited(&mut self, pace: Reading, now: Instant) -> bool {
        if let Some(since) = self.waiting_since.take() {
            self.waited += now.saturating_duration_since(since);
        }
        if self.waited < pace.window {
            return true;
        }
        let asked = self.waited.as_secs_f64() * pace.bytes_per_second_min as f64;
        let kept = self.bytes as f64 >= asked;
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_body_has_its_grace_and_then_its_pace() {
        let pace = Body { bytes_per_second_min: 100, grace: 5 * SECOND };
        assert!(pace.kept(0, 5 * SECOND));
        assert!(!pace.kept(1, 6 * SECOND));
        assert!(pace.kept(100, 6 * SECOND));
        assert!(!pace.kept(14, 14 * SECOND), "a byte a second was enough");
        let none = Body { bytes_per_second_min: 0, grace: SECOND };
        assert!(none.kept(0, 3_600 * SECOND));
    }

    /// A client that takes so many bytes every second, for a minute: when it is cut.
    fn cut_after(bytes: usize) -> Option<u32> {
        let pace = Reading { bytes_per_second_min: 1_000, window: 10 * SECOND };
        let (mut taken, start) = (Taken::default(), Instant::now());
        (1..=60).find(|second| {
            taken.waits(pace, start + (*second - 1) * SECOND);
            taken.takes(bytes);
            !taken.waited(pace, start + *second * SECOND)
        })
    }

    #[test]
    fn who_takes_too_little_is_cut_after_the_window() {
        assert_eq!(cut_after(0), Some(10));
        assert_eq!(cut_after(1), Some(10));
        assert_eq!(cut_after(999), Some(10));
        assert_eq!(cut_after(1_000), None);
    }

    #[test]
    fn who_takes_nothing_is_cut_when_its_time_is_over() {
        let pace = Reading { bytes_per_second_min: 1, window: 10 * SECOND };
        let (mut taken, start) = (Taken::default(), Instant::now());
        let end = taken.waits(pace, start);
        assert_eq!(end, start + 10 * SECOND);
        assert_eq!(taken.waits(pace, start + SECOND), end, "asking again does not begin again");
        assert!(!taken.waited(pace, end));
    }

    #[test]
    fn what_was_taken_at_once_counts_for_one_window_only() {
        let pace = Reading { bytes_per_second_min: 1_000, window: 10 * SECOND };
        let (mut taken, start) = (Taken::default(), Instant::now());
        taken.takes(1_000_000);
        taken.waits(pace, start);
        assert!(taken.waited(pace, start + 10 * SECOND));
        taken.waits(pace, start + 10 * SECOND);
        assert!(!taken.waited(pace, start + 20 * SECOND));
    }

    #[test]
    fn time_in_which_nothing_is_written_does_not_count() {
        let pace = Reading { bytes_per_second_min: 1_000, window: 10 * SECOND };
        let (mut taken, mut now) = (Taken::default(), Instant::now());
        for _ in 0..100 {
            now += 60 * SECOND;
            taken.waits(pace, now);
            now += Duration::from_millis(1);
            assert!(taken.waited(pace, now));
        }
    }
}
