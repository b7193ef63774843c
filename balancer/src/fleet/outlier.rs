//! Passive outlier detection: what traffic says of an endpoint whose checks pass (after Envoy's, with one more question).
//! Pure: the time is told. It must not decide for a pool alone: it is asked who is suspect, who does better, and for how long.
//!
//! Two things make an endpoint suspect: failures in a row, and a share of failures among enough requests. It is ejected only
//! while another endpoint does better. When all of them fail, what they need is away (a database, say), and to send fewer of
//! them more would only add to it.
//!
//! An ejection ends by time, never by a check that passes: the checks passed all along. Each one is twice as long as the one
//! before, and one is forgotten for every longest ejection that the endpoint then stays in.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config;

/// The window slides by one of these parts.
const SLOTS: usize = 10;
/// One slot is one word, so that it is counted and cleared at once: when it is, failures, requests.
const REQUEST: u64 = 1;
const FAILURE: u64 = 1 << 20;
const TICK: u64 = 1 << 40;
/// What a slot counts to; the rest of its bits are for threads that count at the same moment.
const COUNT_MAX: u64 = 1_000_000;

/// How a request to an endpoint ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer, also one that refuses the client.
    Answered,
    /// With a 500, which may be the request's fault as well: it counts in the share, not in a row.
    Error,
    /// With no answer in time, a broken connection, or a 502, 503 or 504: the endpoint is not able to.
    Failed,
}

/// Why an endpoint is suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Failures in a row.
    Consecutive,
    /// Failures among all requests of the window.
    Share,
}

impl Reason {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Consecutive, Self::Share];

    /// One word for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consecutive => "consecutive_failures",
            Self::Share => "failure_share",
        }
    }
}

/// Counts how the requests to one endpoint end. A request that ends well costs one atomic addition.
#[derive(Debug)]
pub struct Detector {
    born: Instant,
    streak: AtomicU32,
    slots: [AtomicU64; SLOTS],
}

/// What a detector knows at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Failures since the last answer.
    pub streak: u32,
    /// Failures in the window.
    pub failures: u64,
    /// Requests in the window.
    pub requests: u64,
}

impl Detector {
    /// Nothing known at this time, which is the first one.
    pub fn new(now: Instant) -> Self {
        Self { born: now, streak: AtomicU32::new(0), slots: [const { AtomicU64::new(0) }; SLOTS] }
    }

    /// One request has ended. Returns why the endpoint is suspect, for as long as it is, with every failure.
    pub fn record(&self, outcome: Outcome, settings: &config::Outlier, now: Instant) -> Option<Reason> {
        let failed = outcome != Outcome::Answered;
        self.count(REQUEST + if failed { FAILURE } else { 0 }, self.tick(settings, now));
        match outcome {
            // Read first: while all is well, nobody writes here.
            Outcome::Answered if self.streak.load(Ordering::Relaxed) == 0 => return None,
            Outcome::Answered => self.streak.store(0, Ordering::Relaxed),
            Outcome::Error => {}
            Outcome::Failed => _ = self.streak.fetch_add(1, Ordering::Relaxed),
        }
        if failed { self.tally(settings, now).suspect(settings) } else { None }
    }

    /// What is known now.
    pub fn tally(&self, settings: &config::Outlier, now: Instant) -> Tally {
        let tick = self.tick(settings, now);
        let mut tally = Tally { streak: self.streak.load(Ordering::Relaxed), failures: 0, requests: 0 };
        for slot in &self.slots {
            let word = slot.load(Ordering::Relaxed);
            if tick.saturating_sub(word / TICK) < SLOTS as u64 {
                tally.failures += word % TICK / FAILURE;
                tally.requests += word % FAILURE;
            }
        }
        tally
    }

    /// Whoever comes back begins anew. One that was ejected is not held for better than another before it has answered: when
    /// all fail, they would be ejected in turns.
    pub fn begin_anew(&self, ejected: bool) {
        self.streak.store(u32::from(ejected), Ordering::Relaxed);
        self.slots.iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
    }

    /// Slots since the beginning; the first one is 1, so that an untouched slot is a past one.
    fn tick(&self, settings: &config::Outlier, now: Instant) -> u64 {
        let slot_ms = (settings.window.as_millis() as u64 / SLOTS as u64).max(1);
        1 + now.saturating_duration_since(self.born).as_millis() as u64 / slot_ms
    }

    fn count(&self, what: u64, tick: u64) {
        let slot = &self.slots[(tick % SLOTS as u64) as usize];
        loop {
            let word = slot.load(Ordering::Relaxed);
            if word / TICK == tick {
                if word % FAILURE < COUNT_MAX {
                    slot.fetch_add(what, Ordering::Relaxed);
                }
                return;
            }
            // The first one of a new slot clears what is a window old.
            let fresh = tick * TICK + what;
            if slot.compare_exchange(word, fresh, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }
}

impl Tally {
    fn suspect(self, settings: &config::Outlier) -> Option<Reason> {
        let many = self.requests >= u64::from(settings.requests_min);
        if self.streak >= settings.consecutive_failures {
            Some(Reason::Consecutive)
        } else if many && self.failures * 100 >= u64::from(settings.failure_percent) * self.requests {
            Some(Reason::Share)
        } else {
            None
        }
    }

    /// Whether it fares better than one that is suspect: its last request went well, and less than half as many of its
    /// requests fail. One without requests is presumed to.
    pub fn better_than(self, suspect: Self) -> bool {
        let (own, theirs) =
            (self.failures * suspect.requests.max(1), suspect.failures * self.requests.max(1));
        self.streak == 0 && own * 2 < theirs
    }
}

/// Whether a pool with so many ejected may eject one more. Of two, one always may; the last one never.
pub fn room(ejected: usize, endpoints: usize, percent_max: u32) -> bool {
    let most = (endpoints * percent_max as usize / 100).max(1);
    ejected < most && ejected + 1 < endpoints
}

/// The ejections of one endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ejections {
    /// How many are not forgotten yet.
    count: u32,
    /// When the last one ends or has ended.
    until: Option<Instant>,
}

impl Ejections {
    /// With one more, that begins now; and how long it lasts.
    #[must_use]
    pub fn with_another(self, settings: &config::Outlier, now: Instant) -> (Self, Duration) {
        let count = self.remembered(settings, now);
        let lasts = settings.ejection.saturating_mul(1 << count).min(settings.ejection_max);
        // Beyond the longest there is nothing to double, and nothing to remember.
        let count = if lasts < settings.ejection_max { count + 1 } else { count };
        (Self { count, until: Some(now + lasts) }, lasts)
    }

    /// Whether the last one has ended.
    pub fn over(self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    fn remembered(self, settings: &config::Outlier, now: Instant) -> u32 {
        let stayed = self.until.map_or(Duration::ZERO, |until| now.saturating_duration_since(until));
        let forgotten = stayed.as_millis() / settings.ejection_max.as_millis().max(1);
        self.count.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> config::Outlier {
        config::Outlier::default()
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// A detector that was told of these at one moment, and the last verdict.
    fn after(outcomes: &[Outcome]) -> (Detector, Instant, Option<Reason>) {
        let now = Instant::now();
        let detector = Detector::new(now);
        let verdict = outcomes.iter().fold(None, |_, outcome| detector.record(*outcome, &settings(), now));
        (detector, now, verdict)
    }

    #[test]
    fn only_failures_in_a_row_are_suspect_at_once() {
        assert_eq!(after(&[Outcome::Failed; 4]).2, None);
        assert_eq!(after(&[Outcome::Failed; 5]).2, Some(Reason::Consecutive));
        let (detector, now, _) = after(&[Outcome::Failed; 4]);
        detector.record(Outcome::Answered, &settings(), now);
        assert_eq!(detector.record(Outcome::Failed, &settings(), now), None);
        assert_eq!(detector.tally(&settings(), now), Tally { streak: 1, failures: 5, requests: 6 });
    }

    #[test]
    fn a_500_may_be_the_request_s_fault() {
        assert_eq!(after(&[Outcome::Error; 19]).2, None);
        assert_eq!(after(&[Outcome::Error; 20]).2, Some(Reason::Share));
    }

    #[test]
    fn a_share_counts_from_enough_requests_on() {
        let (detector, now, _) = after(&[Outcome::Answered; 16]);
        (0..3).for_each(|_| assert_eq!(detector.record(Outcome::Failed, &settings(), now), None));
        assert_eq!(detector.record(Outcome::Failed, &settings(), now), Some(Reason::Share));
        (0..4).for_each(|_| assert_eq!(detector.record(Outcome::Answered, &settings(), now), None));
        assert_eq!(detector.record(Outcome::Error, &settings(), now), Some(Reason::Share));
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let (detector, now, _) = after(&[Outcome::Error; 19]);
        assert_eq!(detector.tally(&settings(), now + seconds(9)).requests, 19);
        assert_eq!(detector.tally(&settings(), now + seconds(10)).requests, 0);
        assert_eq!(detector.record(Outcome::Error, &settings(), now + seconds(10)), None);
        assert_eq!(
            detector.tally(&settings(), now + seconds(10)),
            Tally { streak: 0, failures: 1, requests: 1 }
        );
    }

    #[test]
    fn a_full_slot_does_not_spill_into_the_next_count() {
        let now = Instant::now();
        let detector = Detector::new(now);
        (0..COUNT_MAX + 100_000).for_each(|_| _ = detector.record(Outcome::Error, &settings(), now));
        assert_eq!(
            detector.tally(&settings(), now),
            Tally { streak: 0, failures: COUNT_MAX, requests: COUNT_MAX }
        );
    }

    #[test]
    fn threads_lose_no_count() {
        let now = Instant::now();
        let detector = Detector::new(now);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..1_000).for_each(|_| _ = detector.record(Outcome::Failed, &settings(), now));
                });
            }
        });
        assert_eq!(
            detector.tally(&settings(), now),
            Tally { streak: 4_000, failures: 4_000, requests: 4_000 }
        );
    }

    #[test]
    fn who_fails_as_often_or_failed_last_is_no_better() {
        let suspect = Tally { streak: 5, failures: 5, requests: 100 };
        let fares = |streak, failures, requests| Tally { streak, failures, requests }.better_than(suspect);
        assert!(fares(0, 0, 0) && fares(0, 0, 100) && fares(0, 2, 100) && fares(0, 9, 1_000));
        assert!(!fares(1, 0, 100), "its last request failed too");
        assert!(!fares(0, 3, 100) && !fares(0, 1, 10), "its share is no less than half");
    }

    #[test]
    fn a_pool_always_has_room_for_one_of_two_and_never_for_the_last() {
        assert!(room(0, 2, 10));
        assert!(!room(0, 1, 100) && !room(1, 2, 100) && !room(4, 5, 100));
        assert!(room(2, 6, 50) && !room(3, 6, 50));
        assert!(room(0, 10, 0) && !room(1, 10, 0), "one may always be ejected");
    }

    #[test]
    fn every_ejection_is_twice_as_long_up_to_a_maximum() {
        let (mut now, mut ejections, mut lasted) = (Instant::now(), Ejections::default(), Vec::new());
        for _ in 0..6 {
            let (next, lasts) = ejections.with_another(&settings(), now);
            (ejections, now) = (next, now + lasts + seconds(1));
            lasted.push(lasts.as_secs());
        }
        assert_eq!(lasted, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn good_behaviour_is_remembered_too() {
        let now = Instant::now();
        let (once, _) = Ejections::default().with_another(&settings(), now);
        let (twice, _) = once.with_another(&settings(), now + seconds(5));
        let back = now + seconds(15);
        let next = |stays| twice.with_another(&settings(), back + seconds(stays)).1.as_secs();
        assert_eq!((next(59), next(60), next(120), next(100_000)), (20, 10, 5, 5));
    }
}
