//! Endpoints with one policy: the one place that says where a request goes next.
//! It must not count retries.

use std::sync::Arc;
use std::time::Instant;

use crate::config;
use crate::limit::admission::Admission;
use crate::limit::open::Count;

use super::budget::Budget;
use super::endpoint::Endpoint;
use super::policy::{self, Candidates, Policy};

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
            same.cloned().unwrap_or_else(|| Arc::new(Endpoint::new(one.address)))
        };
        let endpoints: Vec<Arc<Endpoint>> = settings.endpoints.iter().map(of).collect();
        let weights = settings.endpoints.iter().map(|one| one.weight);
        let shares: Vec<(&str, u32)> = endpoints.iter().map(|one| one.name.as_str()).zip(weights).collect();
        let policy = policy::build(settings.policy, &shares);
        Self { settings, endpoints, budget, door, policy }
    }

    /// The next endpoint for this key. When none that serves is left, one that does not is better than nobody, and then
    /// even one that is to be left alone.
    pub fn pick(&self, key: u64, tried: Tried) -> Option<usize> {
        let pick = |wanted: &dyn Fn(&Endpoint) -> bool| {
            self.policy.pick(key, &Untried { endpoints: &self.endpoints, tried, wanted })
        };
        pick(&|endpoint| self.has_room(endpoint))
            .or_else(|| pick(&|endpoint| !endpoint.draining()))
            .or_else(|| pick(&|_| true))
    }

    /// Whether this endpoint serves and may have one more request.
    fn has_room(&self, endpoint: &Endpoint) -> bool {
        endpoint.serves() && endpoint.in_flight() < self.settings.limits.endpoint_in_flight_max
    }

    /// Whether those that serve, and were not tried, have as many requests as they may.
    pub fn full(&self, tried: Tried) -> bool {
        let mut endpoints = self.endpoints.iter().enumerate();
        self.another_serves(tried)
            && endpoints.all(|(index, endpoint)| tried.contains(index) || !self.has_room(endpoint))
    }

    /// Requests that may be in flight, as endpoints are right now.
    pub fn in_flight_max(&self) -> usize {
        let limits = &self.settings.limits;
        // When nobody serves, requests are still tried somewhere.
        limits.in_flight_max.min(limits.endpoint_in_flight_max * self.serving().max(1))
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
    endpoints: &'a [Arc<Endpoint>],
    tried: Tried,
    wanted: &'a dyn Fn(&Endpoint) -> bool,
}

impl Candidates for Untried<'_> {
    fn eligible(&self, index: usize) -> bool {
        !self.tried.contains(index) && (self.wanted)(&self.endpoints[index])
    }

    fn in_flight(&self, index: usize) -> usize {
        self.endpoints[index].in_flight()
    }

    /// Nobody starts slowly yet.
    fn warmth(&self, _: usize) -> f64 {
        1.0
    }
}
