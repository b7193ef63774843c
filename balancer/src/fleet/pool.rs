//! Endpoints with one policy: the one place that says where a request goes next.
//! It must not count or limit retries.

use std::sync::Arc;

use crate::config;

use super::endpoint::{Endpoint, Thresholds};
use super::policy::{self, Policy};

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

/// A named group of endpoints that can answer the same requests.
pub struct Pool {
    /// Its configuration.
    pub settings: config::Pool,
    /// Its endpoints, in the order of the configuration.
    pub endpoints: Vec<Arc<Endpoint>>,
    policy: Box<dyn Policy>,
}

impl Pool {
    /// A pool whose endpoints nobody has checked yet.
    pub fn new(settings: &config::Pool) -> Self {
        let thresholds = Thresholds { rise: settings.health.rise, fall: settings.health.fall };
        let endpoints: Vec<Arc<Endpoint>> = settings
            .endpoints
            .iter()
            .map(|(address, weight)| Arc::new(Endpoint::new(*address, *weight, thresholds)))
            .collect();
        let policy = policy::build(settings.policy, &endpoints);
        Self { settings: settings.clone(), endpoints, policy }
    }

    /// The next endpoint for this key. When none that serves is left, one that does not is better than nobody.
    pub fn pick(&self, key: u64, tried: Tried) -> Option<usize> {
        self.policy
            .pick(key, &|index| self.endpoints[index].serves() && !tried.contains(index))
            .or_else(|| self.policy.pick(key, &|index| !tried.contains(index)))
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
}
