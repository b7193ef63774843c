//! One endpoint, whatever snapshots it is part of: its state, and what that is decided from.
//! It must not probe, time or judge: it is told what probes, connects and requests found, and by which settings to read it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::config;

use super::outlier::{Detector, Ejections, Outcome, Reason, Tally};
use super::state::{Checked, Standing, State, Thresholds};
use super::traffic::Traffic;

/// The share that whoever comes back begins with.
const WARMTH_MIN: f64 = 0.1;

/// An address and its state.
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// The address as text, for labels and logs.
    pub name: String,
    /// It came when others were there already.
    newcomer: bool,
    born: Instant,
    kept: Mutex<Kept>,
    /// What the state says, for the path of a request.
    standing: AtomicU8,
    /// Whether somebody wants it to be left alone, for those who wait for that.
    left_alone: watch::Sender<bool>,
    /// What it has done so far.
    pub traffic: Traffic,
    /// When it came back, in milliseconds since it was born; 0 when it never was away.
    returned_at: AtomicU64,
    detector: Detector,
    in_flight: AtomicUsize,
    sockets: AtomicUsize,
}

struct Kept {
    state: State,
    ejections: Ejections,
    /// It is part of no snapshot any more: what becomes of it now is nobody's business.
    gone: bool,
}

impl Endpoint {
    /// An endpoint nobody has checked. A newcomer among others that serve already begins in slow start.
    pub fn new(address: SocketAddr, newcomer: bool) -> Self {
        let born = Instant::now();
        Self {
            address,
            name: address.to_string(),
            newcomer,
            born,
            kept: Mutex::new(Kept { state: State::UNPROVEN, ejections: Ejections::default(), gone: false }),
            standing: AtomicU8::new(State::UNPROVEN.standing() as u8),
            traffic: Traffic::default(),
            left_alone: watch::Sender::new(false),
            returned_at: AtomicU64::new(0),
            detector: Detector::new(born),
            in_flight: AtomicUsize::new(0),
            sockets: AtomicUsize::new(0),
        }
    }

    /// The state right now.
    pub fn state(&self) -> State {
        self.kept().state
    }

    /// How good a choice it is right now.
    pub fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Relaxed) {
            0 => Standing::Draining,
            1 => Standing::Out,
            2 => Standing::Ejected,
            _ => Standing::Serving,
        }
    }

    /// Whether nothing speaks against it.
    pub fn serves(&self) -> bool {
        self.standing() == Standing::Serving
    }

    /// How much of its share it can carry: from a tenth, when it comes back, to all of it after `slow_start`.
    pub fn warmth(&self, slow_start: Duration, now: Instant) -> f64 {
        let returned_at = self.returned_at.load(Ordering::Relaxed);
        if returned_at == 0 {
            return 1.0;
        }
        let back = self.age_ms(now).saturating_sub(returned_at);
        (back as f64 / slow_start.as_millis().max(1) as f64).clamp(WARMTH_MIN, 1.0)
    }

    /// Becomes true when it is to be left alone.
    pub fn left_alone(&self) -> watch::Receiver<bool> {
        self.left_alone.subscribe()
    }

    /// Requests it is working on, as seen from here. Upgraded connections are counted apart: most of them are idle, and
    /// would look like load.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Upgraded connections that lead to it.
    pub fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    /// Counts a request as its own until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Busy { endpoint: self.clone(), socket: false }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn age_ms(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.born).as_millis() as u64
    }
}

/// What changes its state. Each returns the new state when that has another name.
impl Endpoint {
    /// Records one check.
    pub fn record_check(&self, passed: bool, thresholds: Thresholds, now: Instant) -> Option<State> {
        self.change(now, |kept| {
            kept.state = kept.state.with_checked(kept.state.checked.after_check(passed, thresholds));
        })
    }

    /// A refused connect is proof enough: out at once, until a check passes.
    pub fn record_refusal(&self, now: Instant) -> Option<State> {
        self.change(now, |kept| kept.state = kept.state.with_checked(Checked::Out { successes: 0 }))
    }

    /// Leaves it alone from now on, or no longer; what it is working on ends there.
    pub fn set_draining(&self, draining: bool, now: Instant) -> Option<State> {
        self.left_alone.send_replace(draining);
        self.change(now, |kept| kept.state.draining = draining)
    }

    /// Takes it out of rotation, and says for how long; whoever is told has to [`Endpoint::readmit`] it then.
    pub fn eject(&self, settings: &config::Outlier, now: Instant) -> Option<(State, Duration)> {
        let mut lasts = Duration::ZERO;
        let ejected = self.change(now, |kept| {
            if kept.state.serves() {
                (kept.ejections, lasts) = kept.ejections.with_another(settings, now);
                kept.state.ejected = true;
            }
        });
        ejected.map(|state| (state, lasts))
    }

    /// Its time may be over.
    pub fn readmit(&self, now: Instant) -> Option<State> {
        self.change(now, |kept| kept.state.ejected &= !kept.ejections.over(now))
    }

    /// It is no longer part of its pool; whatever it still works on, no new state of it is told.
    pub fn retire(&self) {
        self.kept().gone = true;
    }

    fn change(&self, now: Instant, change: impl FnOnce(&mut Kept)) -> Option<State> {
        let mut kept = self.kept();
        let before = kept.state;
        change(&mut kept);
        let after = kept.state;
        if after.serves() && !before.serves() {
            self.begin_anew(before, now);
        }
        self.standing.store(after.standing() as u8, Ordering::Relaxed);
        (before.name() != after.name() && !kept.gone).then_some(after)
    }

    /// It serves from now on. When the process starts, everybody does, and nobody needs to be spared.
    fn begin_anew(&self, before: State, now: Instant) {
        self.detector.begin_anew(before.ejected);
        if self.newcomer || before.checked != Checked::Unproven {
            self.returned_at.store(self.age_ms(now).max(1), Ordering::Relaxed);
        }
    }
}

/// What traffic says of it.
impl Endpoint {
    /// Records how a request that was sent to it at `sent_at` has ended, and says why it is suspect, when it is.
    pub fn record(
        &self,
        outcome: Outcome,
        sent_at: Instant,
        settings: &config::Outlier,
        now: Instant,
    ) -> Option<Reason> {
        // What was sent before it came back says nothing about it as it is now.
        let stale = self.age_ms(sent_at) < self.returned_at.load(Ordering::Relaxed);
        if stale || !self.serves() { None } else { self.detector.record(outcome, settings, now) }
    }

    /// What is known of its requests.
    pub fn tally(&self, settings: &config::Outlier, now: Instant) -> Tally {
        self.detector.tally(settings, now)
    }
}

/// One request an endpoint is working on, or one socket that leads to it.
pub struct Busy {
    endpoint: Arc<Endpoint>,
    socket: bool,
}

impl Busy {
    /// From now on it is a socket.
    pub fn upgraded(&mut self) {
        if !std::mem::replace(&mut self.socket, true) {
            self.endpoint.sockets.fetch_add(1, Ordering::Relaxed);
            self.endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl std::ops::Deref for Busy {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let counter = if self.socket { &self.endpoint.sockets } else { &self.endpoint.in_flight };
        counter.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_ONE: Thresholds = Thresholds { rise: 1, fall: 1 };
    const SLOW_START: Duration = Duration::from_secs(10);

    fn healthy(newcomer: bool) -> (Endpoint, Instant) {
        let endpoint = Endpoint::new("127.0.0.1:1".parse().expect("test address"), newcomer);
        let now = Instant::now();
        assert!(endpoint.record_check(true, ONE_ONE, now).is_some_and(State::serves));
        (endpoint, now)
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_refusal_counts_at_once_and_is_told_once() {
        let (endpoint, now) = healthy(false);
        assert_eq!(endpoint.record_refusal(now).map(State::name), Some("out"));
        assert_eq!(endpoint.record_refusal(now), None);
        assert!(!endpoint.serves());
    }

    #[test]
    fn an_ejection_ends_by_time_and_by_no_check_that_passes() {
        let settings = config::Outlier::default();
        let (endpoint, now) = healthy(false);
        let (state, lasts) = endpoint.eject(&settings, now).expect("ejected");
        assert_eq!((state.name(), lasts), ("ejected", settings.ejection));
        assert_eq!(endpoint.eject(&settings, now), None, "it is ejected already");
        assert_eq!(endpoint.record_check(true, ONE_ONE, now), None);
        assert_eq!(endpoint.readmit(now + seconds(4)), None);
        assert_eq!(endpoint.readmit(now + lasts).map(State::name), Some("healthy"));
    }

    #[test]
    fn one_that_is_gone_has_nothing_more_to_tell() {
        let settings = config::Outlier::default();
        let (endpoint, now) = healthy(false);
        let (_, lasts) = endpoint.eject(&settings, now).expect("ejected");
        endpoint.retire();
        assert_eq!(endpoint.readmit(now + lasts), None);
        assert_eq!(endpoint.record_refusal(now + lasts), None);
        assert_eq!(endpoint.state().name(), "out");
    }

    #[test]
    fn whoever_died_comes_back_with_its_first_good_check() {
        let settings = config::Outlier::default();
        let (endpoint, now) = healthy(false);
        endpoint.eject(&settings, now);
        assert_eq!(endpoint.record_check(false, ONE_ONE, now).map(State::name), Some("out"));
        assert_eq!(endpoint.record_check(true, ONE_ONE, now).map(State::name), Some("healthy"));
    }

    #[test]
    fn everybody_is_warm_at_the_start_and_who_comes_later_warms_up() {
        let (first, now) = healthy(false);
        assert!((first.warmth(SLOW_START, now) - 1.0).abs() < f64::EPSILON);
        let (later, now) = healthy(true);
        let warmths = [0, 1, 5, 10, 100].map(|after| later.warmth(SLOW_START, now + seconds(after)));
        for (warmth, expected) in warmths.into_iter().zip([0.1, 0.1, 0.5, 1.0, 1.0]) {
            assert!((warmth - expected).abs() < 0.001, "{warmths:?}");
        }
        assert!((later.warmth(Duration::ZERO, now + seconds(1)) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn whatever_kept_it_away_it_comes_back_slowly() {
        type Away = fn(&Endpoint, Instant);
        let ways: [(Away, Away); 3] = [
            (|e, now| _ = e.record_refusal(now), |e, now| _ = e.record_check(true, ONE_ONE, now)),
            (|e, now| _ = e.set_draining(true, now), |e, now| _ = e.set_draining(false, now)),
            (|e, now| _ = e.eject(&config::Outlier::default(), now), |e, now| _ = e.readmit(now)),
        ];
        for (go, come) in ways {
            let (endpoint, now) = healthy(false);
            go(&endpoint, now);
            come(&endpoint, now + seconds(300));
            assert!(endpoint.serves());
            let warmth = endpoint.warmth(SLOW_START, now + seconds(305));
            assert!((warmth - 0.5).abs() < 0.001, "{warmth}");
        }
    }

    #[test]
    fn what_was_sent_before_it_came_back_is_not_held_against_it() {
        let settings = config::Outlier::default();
        let (endpoint, sent_at) = healthy(false);
        endpoint.record_refusal(sent_at);
        let now = sent_at + seconds(5);
        endpoint.record_check(true, ONE_ONE, now);
        let record = |sent_at| {
            (0..10).filter_map(|_| endpoint.record(Outcome::Failed, sent_at, &settings, now)).count()
        };
        assert_eq!(record(sent_at), 0);
        assert_eq!(record(now), 6);
    }
}
