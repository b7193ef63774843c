//! Rate limits as they are configured, each with its buckets. A limit that stays keeps its buckets, whatever else changes: a
//! reload must not give everybody a new burst.

use std::sync::Arc;
use std::time::Instant;

use crate::config::{Config, RateLimit};
use crate::limit::rate::{Buckets, KEYS_MAX};
use crate::limit::shared::Shared;
use crate::secret::Secret;

/// All of them.
#[derive(Default)]
pub struct Rates {
    /// In the order of the configuration.
    pub limits: Vec<Rate>,
    /// By index of the route: those that are for it alone, by index.
    by_route: Vec<Vec<usize>>,
    redis_url: Option<Secret>,
    /// The buckets of all balancers.
    pub shared: Option<Arc<Shared>>,
}

/// One of them.
pub struct Rate {
    /// Its configuration.
    pub settings: RateLimit,
    /// This balancer's own buckets.
    pub buckets: Arc<Buckets>,
}

impl Rates {
    /// Those of a configuration, going on from those before.
    pub fn after(before: &Self, config: &Config) -> Self {
        let limits: Vec<Rate> = config.rate_limits.iter().map(|rate| before.renewed(rate)).collect();
        let redis_url = config.limits.redis_url.clone();
        let shared = if redis_url == before.redis_url {
            before.shared.clone()
        } else {
            // Its URL was looked at when the configuration was read.
            redis_url.as_ref().and_then(|url| Shared::new(url.reveal()).ok()).map(Arc::new)
        };
        let of_route = |pattern: &str| {
            let ours = |(_, rate): &(usize, &Rate)| rate.settings.routes.iter().any(|route| route == pattern);
            limits.iter().enumerate().filter(ours).map(|(index, _)| index).collect()
        };
        let by_route = config.routes.iter().map(|route| of_route(route.pattern.as_str())).collect();
        Self { limits, by_route, redis_url, shared }
    }

    fn renewed(&self, settings: &RateLimit) -> Rate {
        let same = |rate: &&Rate| rate.settings.name == settings.name && rate.settings.key == settings.key;
        let buckets = self.limits.iter().find(same).map(|rate| rate.buckets.clone());
        let buckets = buckets.unwrap_or_else(|| Arc::new(Buckets::new(KEYS_MAX, Instant::now())));
        Rate { settings: settings.clone(), buckets }
    }

    /// Those for every request.
    pub fn for_all(&self) -> impl Iterator<Item = &Rate> {
        self.limits.iter().filter(|rate| rate.settings.routes.is_empty())
    }

    /// Those for this route alone.
    pub fn for_route(&self, route: usize) -> impl Iterator<Item = &Rate> {
        self.by_route.get(route).into_iter().flatten().map(|index| &self.limits[*index])
    }
}
