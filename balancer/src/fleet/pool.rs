//! Endpoints with one policy: the one place that says where a request goes next.
//! It must not count retries.

#[cfg(test)]
mod simulation;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config;
use crate::limit::admission::Admission;
use crate::limit::open::Count;

use super::budget::Budget;
use super::endpoint::Endpoint;
use super::outlier::{self, Outcome, Reason};
use super::policy::{self, Candidates, Policy};
use super::state::{Standing, State};

/// The endpoints one request was already sent to, by index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried(u64);

impl Tried {
    /// With this one too.
    #[must_use]
    pub fn with(self, endpoint: usize) -> Self {
        Self(self.0 | 1 << endpoint)
    }

    /// Whether it was tried.
    pub fn contains(self, endpoint: usize) -> bool {
        self.0 & (1 << endpoint) != 0
    }
}

/// What limits a pool, for all snapshots together.
#[derive(Clone)]
pub struct Door {
    /// Requests: in flight, or waiting for that.
    pub requests: Admission,
    /// Upgraded connections.
    pub sockets: Count,
}

impl Door {
    fn new(settings: &config::Pool) -> Self {
        Self {
            requests: Admission::new(settings.limits.admission, Instant::now()),
            sockets: Count::default(),
        }
    }
}

/// A named group of endpoints that can answer the same requests.
pub struct Pool {
    /// Its configuration; the endpoints in it are those it has, wherever they were found.
    pub settings: config::Pool,
    /// Its endpoints, in the order of the settings.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Second sends it can bear.
    pub budget: Arc<Budget>,
    /// Who may come in, and who waits.
    pub door: Door,
    policy: Box<dyn Policy>,
    /// Held while one endpoint is ejected, so that no two are for the room that there is for one.
    ejecting: Mutex<()>,
}

/// An endpoint has just been ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    /// Why.
    pub reason: Reason,
    /// Its state from now on.
    pub state: State,
    /// For how long.
    pub lasts: Duration,
}

impl Pool {
    /// A pool that goes on from one of the same name: endpoints that stay keep their state, and so does the budget.
    pub fn after(before: Option<&Arc<Self>>, settings: &config::Pool, retry: config::Retry) -> Arc<Self> {
        let Some(before) = before else {
            let (budget, door) = (Arc::new(Budget::new(retry)), Door::new(settings));
            return Arc::new(Self::new(settings.clone(), &[], budget, door));
        };
        // Routes may have changed with the configuration, and with them what is slow.
        before.door.requests.reconfigure(settings.limits.admission, Instant::now());
        let settings = settings.clone().knowing(&before.settings.endpoints);
        if before.settings == settings && before.budget.settings() == retry {
            return before.clone();
        }
        let same_budget = before.budget.settings() == retry;
        let budget = if same_budget { before.budget.clone() } else { Arc::new(Budget::new(retry)) };
        Arc::new(Self::new(settings, &before.endpoints, budget, before.door.clone()))
    }

    /// The same pool with other endpoints.
    pub fn with_endpoints(&self, endpoints: Vec<config::Endpoint>) -> Arc<Self> {
        let settings = config::Pool { endpoints, ..self.settings.clone() };
        Arc::new(Self::new(settings, &self.endpoints, self.budget.clone(), self.door.clone()))
    }

    /// Endpoints that are not `known` have been checked by nobody yet.
    fn new(settings: config::Pool, known: &[Arc<Endpoint>], budget: Arc<Budget>, door: Door) -> Self {
        let of = |one: &config::Endpoint| {
            let same = known.iter().find(|endpoint| endpoint.address == one.address);
            same.cloned().unwrap_or_else(|| Arc::new(Endpoint::new(one.address, !known.is_empty())))
        };
        let endpoints: Vec<Arc<Endpoint>> = settings.endpoints.iter().map(of).collect();
        let weights = settings.endpoints.iter().map(|one| one.weight);
        let shares: Vec<(&str, u32)> = endpoints.iter().map(|one| one.name.as_str()).zip(weights).collect();
        let policy = policy::build(settings.policy, &shares);
        Self { settings, endpoints, budget, door, policy, ejecting: Mutex::default() }
    }

    /// The next endpoint for this key, among the best that are enough; when each of those was tried, the best of the others is
    /// better than nobody.
    pub fn pick(&self, key: u64, tried: Tried, now: Instant) -> Option<usize> {
        let pick = |worst, in_flight_max| {
            self.policy.pick(key, &Untried { pool: self, tried, worst, in_flight_max, now })
        };
        let worse = [Standing::Ejected, Standing::Out, Standing::Draining];
        pick(self.worst_picked(), self.settings.limits.endpoint_in_flight_max)
            .or_else(|| worse.into_iter().find_map(|worst| pick(worst, usize::MAX)))
    }

    /// Whether those that are picked now, and were not tried, have as many requests as they may.
    pub fn full(&self, tried: Tried) -> bool {
        let (worst, most) = (self.worst_picked(), self.settings.limits.endpoint_in_flight_max);
        let endpoints = self.endpoints.iter().enumerate();
        let mut picked =
            endpoints.filter(|(index, one)| one.standing() >= worst && !tried.contains(*index)).peekable();
        picked.peek().is_some() && picked.all(|(_, one)| one.in_flight() >= most)
    }

    /// Requests that may be in flight, as endpoints are right now.
    pub fn in_flight_max(&self) -> usize {
        let (worst, limits) = (self.worst_picked(), &self.settings.limits);
        let picked = self.endpoints.iter().filter(|one| one.standing() >= worst).count();
        // When nobody is picked, requests are still tried somewhere.
        limits.in_flight_max.min(limits.endpoint_in_flight_max * picked.max(1))
    }

    /// How bad a choice is picked among the others. While enough endpoints serve, only those are. When too few do, they would
    /// break under the load of all (Envoy's panic threshold): then ejections are ignored, and when that is not enough, so are
    /// the checks.
    fn worst_picked(&self) -> Standing {
        let at_least = |worst| self.endpoints.iter().filter(|one| one.standing() >= worst).count();
        let wanted = at_least(Standing::Out) * self.settings.health.panic_percent as usize;
        let enough = |worst: &Standing| {
            let count = at_least(*worst);
            count > 0 && count * 100 >= wanted
        };
        [Standing::Serving, Standing::Ejected].into_iter().find(enough).unwrap_or(Standing::Out)
    }

    /// Whether so few endpoints serve that others are asked too.
    pub fn panics(&self) -> bool {
        self.worst_picked() != Standing::Serving
    }

    /// Records how a request has ended that was sent to an endpoint at `sent_at`. When that makes it suspect, and another
    /// endpoint does better, it is ejected; whoever is told so has to readmit it when its time is over.
    pub fn record(&self, index: usize, outcome: Outcome, sent_at: Instant, now: Instant) -> Option<Ejection> {
        let settings = self.settings.outlier.as_ref()?;
        let suspect = &self.endpoints[index];
        let reason = suspect.record(outcome, sent_at, settings, now)?;
        let theirs = suspect.tally(settings, now);
        let mut others = self.endpoints.iter().filter(|one| one.serves() && !Arc::ptr_eq(one, suspect));
        if !others.any(|other| other.tally(settings, now).better_than(theirs)) {
            return None;
        }
        let _alone = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.may_eject_one_more(settings) {
            return None;
        }
        suspect.eject(settings, now).map(|(state, lasts)| Ejection { reason, state, lasts })
    }

    fn may_eject_one_more(&self, settings: &config::Outlier) -> bool {
        let standing = |wanted| self.endpoints.iter().filter(|one| one.standing() == wanted).count();
        let (ejected, serving) = (standing(Standing::Ejected), standing(Standing::Serving));
        serving > 1 && outlier::room(ejected, self.endpoints.len(), settings.ejected_percent_max)
    }

    /// Whether an endpoint can serve right now that has not been tried.
    pub fn another_serves(&self, tried: Tried) -> bool {
        let mut endpoints = self.endpoints.iter().enumerate();
        endpoints.any(|(index, endpoint)| endpoint.serves() && !tried.contains(index))
    }

    /// Endpoints that can serve right now.
    pub fn serving(&self) -> usize {
        self.endpoints.iter().filter(|endpoint| endpoint.serves()).count()
    }

    /// One of its endpoints.
    pub fn endpoint(&self, name: &str) -> Option<&Arc<Endpoint>> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }
}

/// Endpoints as one pick sees them.
struct Untried<'a> {
    pool: &'a Pool,
    tried: Tried,
    worst: Standing,
    in_flight_max: usize,
    now: Instant,
}

impl Candidates for Untried<'_> {
    fn eligible(&self, index: usize) -> bool {
        let endpoint = &self.pool.endpoints[index];
        let untried = !self.tried.contains(index);
        untried && endpoint.standing() >= self.worst && endpoint.in_flight() < self.in_flight_max
    }

    fn in_flight(&self, index: usize) -> usize {
        self.pool.endpoints[index].in_flight()
    }

    fn warmth(&self, index: usize) -> f64 {
        self.pool.endpoints[index].warmth(self.pool.settings.health.slow_start, self.now)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::state::Thresholds;
    use super::*;
    use crate::config::Config;
    use crate::config::source::Source;

    const ONE_ONE: Thresholds = Thresholds { rise: 1, fall: 1 };

    /// A pool of healthy endpoints, with these lines after its table's header.
    pub(super) fn pool_of(endpoints: usize, lines: &str) -> Arc<Pool> {
        let addresses: Vec<String> = (1..=endpoints).map(|number| format!("10.0.0.{number}:80")).collect();
        let text = format!(
            "[[routes]]\nmatch = \"/**\"\npool = \"main\"\n[pools.main]\nendpoints = {addresses:?}\n{lines}"
        );
        let config = Config::from_source(&Source::new(Path::new("test"), text, [])).expect("valid");
        let pool = Pool::after(None, &config.pools[0], config.retry);
        for endpoint in &pool.endpoints {
            endpoint.record_check(true, ONE_ONE, Instant::now());
        }
        pool
    }

    /// Which endpoints keys in a long row are sent to.
    fn picked(pool: &Pool) -> Vec<usize> {
        let keys = (0..1_000_u64).map(|key| key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut picked: Vec<usize> =
            keys.filter_map(|key| pool.pick(key, Tried::default(), Instant::now())).collect();
        picked.sort_unstable();
        picked.dedup();
        picked
    }

    fn refuse(pool: &Pool, endpoints: std::ops::Range<usize>) {
        endpoints.for_each(|index| _ = pool.endpoints[index].record_refusal(Instant::now()));
    }

    fn eject(pool: &Pool, endpoints: std::ops::Range<usize>) {
        let settings = config::Outlier::default();
        endpoints.for_each(|index| _ = pool.endpoints[index].eject(&settings, Instant::now()));
    }

    #[test]
    fn one_of_two_is_no_panic() {
        let pool = pool_of(2, "");
        refuse(&pool, 0..1);
        assert_eq!((picked(&pool), pool.panics()), (vec![1], false));
        refuse(&pool, 1..2);
        assert_eq!((picked(&pool), pool.panics()), (vec![0, 1], true));
    }

    #[test]
    fn when_too_few_serve_all_are_asked() {
        let pool = pool_of(10, "");
        refuse(&pool, 0..7);
        assert_eq!((picked(&pool), pool.panics()), (vec![7, 8, 9], false));
        refuse(&pool, 7..8);
        assert_eq!((picked(&pool).len(), pool.panics()), (10, true));
        let pool = pool_of(10, "[pools.main.health]\npanic_percent = 0\n");
        refuse(&pool, 0..9);
        assert_eq!((picked(&pool), pool.panics()), (vec![9], false));
    }

    #[test]
    fn ejections_are_ignored_before_checks_are() {
        let pool = pool_of(10, "");
        refuse(&pool, 0..4);
        eject(&pool, 4..9);
        assert_eq!((picked(&pool), pool.panics()), (vec![4, 5, 6, 7, 8, 9], true));
    }

    #[test]
    fn whom_somebody_wants_left_alone_is_asked_last() {
        let pool = pool_of(3, "");
        pool.endpoints[0].set_draining(true, Instant::now());
        refuse(&pool, 1..3);
        assert_eq!(picked(&pool), [1, 2]);
        assert_eq!(pool.pick(7, Tried::default().with(1).with(2), Instant::now()), Some(0));
        pool.endpoints.iter().for_each(|endpoint| _ = endpoint.set_draining(true, Instant::now()));
        assert_eq!(picked(&pool), [0, 1, 2]);
    }

    #[test]
    fn the_last_one_that_serves_is_not_ejected() {
        let pool = pool_of(2, "");
        let now = Instant::now();
        let fail = |index| (0..100).filter_map(|_| pool.record(index, Outcome::Failed, now, now)).count();
        assert_eq!((fail(0), fail(1)), (1, 0));
        let pool = pool_of(2, "");
        refuse(&pool, 0..1);
        let fail = |index| (0..100).filter_map(|_| pool.record(index, Outcome::Failed, now, now)).count();
        assert_eq!(fail(1), 0);
    }

    #[test]
    fn who_is_new_among_others_begins_slowly() {
        let pool = pool_of(2, "");
        let address = "10.0.0.3:80".parse().expect("test address");
        let endpoints = [&pool.settings.endpoints[..], &[config::Endpoint { address, weight: 1 }]].concat();
        let pool = pool.with_endpoints(endpoints);
        let now = Instant::now();
        pool.endpoints[2].record_check(true, ONE_ONE, now);
        let cold = |index: usize| pool.endpoints[index].warmth(Duration::from_secs(10), now) < 1.0;
        assert_eq!([0, 1, 2].map(cold), [false, false, true]);
    }
}
