//! What is remembered: answers that the services mark public, bounded in bytes and entries, in memory.
//! When in doubt it does not store. It must not know who asks: nothing of one client is in what another gets.

pub mod freshness;
pub mod key;
pub mod lease;
pub mod purge;
pub mod status;
pub mod store;
pub mod subscription;
pub mod tags;
pub mod validity;

use std::time::Duration;

use pingora::cache::lock::{CacheKeyLockImpl, CacheLock};
use pingora::cache::predictor::Predictor;
use pingora::cache::{CacheOptionOverrides, RespCacheable};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;

use self::lease::Lease;
use self::store::Store;
use self::tags::Tags;
use crate::config;

/// A fetch that takes longer than this no longer holds others back.
const FETCH_AGE_MAX: Duration = Duration::from_secs(5);

/// Shards of the memory of what cannot be stored, and keys in each.
const UNCACHEABLE_SHARDS: usize = 16;
const UNCACHEABLE_KEYS_PER_SHARD: usize = 1_024;

/// The one cache of the process. Pingora asks for `'static` parts, so they live until its end.
#[derive(Clone, Copy)]
pub struct Cache {
    store: &'static Store,
    lock: &'static CacheKeyLockImpl,
    /// What turned out not to be storable does not wait for the lock again.
    uncacheable: &'static Predictor<UNCACHEABLE_SHARDS>,
    /// Purges.
    pub tags: &'static Tags,
    settings: config::Cache,
}

impl Cache {
    /// An empty cache.
    pub fn new(settings: config::Cache, purge: &config::Purge) -> Self {
        let lease = Lease::new(purge.lease, &purge.publishers);
        Self {
            tags: Box::leak(Box::new(Tags::new(lease))),
            store: Box::leak(Box::new(Store::new(settings.bytes_max, settings.entries_max))),
            lock: Box::leak(CacheLock::new_boxed(FETCH_AGE_MAX)),
            uncacheable: Box::leak(Box::new(Predictor::new(UNCACHEABLE_KEYS_PER_SHARD, None))),
            settings,
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// Answers held.
    pub fn entries(&self) -> usize {
        self.store.entries()
    }

    /// Turns the cache on for this request when its answer could be shared.
    pub fn enable(&self, session: &mut Session) {
        if !freshness::request_may_use_cache(session.req_header()) {
            return;
        }
        let mut overrides = CacheOptionOverrides::default();
        overrides.wait_timeout = Some(self.settings.lock_wait);
        session.cache.enable(self.store, None, Some(self.uncacheable), Some(self.lock), Some(overrides));
        session.cache.set_max_file_size_bytes(self.settings.object_bytes_max);
    }

    /// Whether, and for how long, this answer may be stored.
    pub fn admit(&self, request: &RequestHeader, response: &ResponseHeader) -> RespCacheable {
        freshness::admit(request, response, &self.settings)
    }
}
