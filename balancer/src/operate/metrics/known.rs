//! What is looked at when somebody asks for it, and what may ever be counted, at 0 before it happens: a first failure would else be
//! no increase to whoever watches.

use super::Metrics;
use super::route::Labels;
use crate::cache::status::Outcome;
use crate::fleet::Snapshot;
use crate::fleet::outlier;
use crate::fleet::pool::Pool;
use crate::limit::shed;

/// Why a request is tried on another endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryReason {
    /// There was no connection.
    Connect,
    /// The connection broke, or no answer came.
    Broken,
    /// The endpoint said that it cannot.
    Unable,
}

impl RetryReason {
    const ALL: [Self; 3] = [Self::Connect, Self::Broken, Self::Unable];

    /// As the metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Broken => "broken",
            Self::Unable => "unable",
        }
    }
}

impl Metrics {
    /// Shows the fleet as it is, and all that can happen to it.
    pub fn show(&self, snapshot: &Snapshot) {
        for (route, counts) in std::iter::zip(&snapshot.config.routes, snapshot.counts.iter()) {
            let pool = &snapshot.pools[route.pool].settings.name;
            counts.show(self, Labels { route: route.pattern.as_str(), pool });
        }
        for pool in &snapshot.pools {
            self.show_pool(pool);
        }
        self.pools_panic(snapshot.pools.iter().map(|pool| (pool.settings.name.as_str(), pool.panics())));
        for outcome in Outcome::ALL {
            self.cache_requests.with_label_values(&[outcome.name()]);
        }
    }

    fn show_pool(&self, pool: &Pool) {
        let name = pool.settings.name.as_str();
        self.limits.pool_load(name, pool.door.requests.load(pool.in_flight_max()));
        for reason in shed::Reason::ALL {
            self.limits.shed.with_label_values(&[name, reason.name()]);
        }
        for reason in RetryReason::ALL {
            self.retries.with_label_values(&[name, reason.name()]);
        }
        self.retries_refused.with_label_values(&[name]);
        self.limits.queue_wait.with_label_values(&[name]);
        self.upstream_seconds.with_label_values(&[name]);
        for endpoint in &pool.endpoints {
            let in_flight = i64::try_from(endpoint.in_flight()).unwrap_or(i64::MAX);
            self.endpoint_in_flight.with_label_values(&[name, &endpoint.name]).set(in_flight);
            for reason in outlier::Reason::ALL {
                self.ejections.with_label_values(&[name, &endpoint.name, reason.name()]);
            }
        }
    }
}
