//! Who can serve: an immutable snapshot of every pool, swapped whole, read without a lock.
//! It must not know requests, cookies or routes; a request comes here as a hash key.

pub mod endpoint;
pub mod health;
pub mod policy;
pub mod pool;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::config;

use self::pool::Pool;

/// The current snapshot.
pub struct Fleet {
    current: ArcSwap<Snapshot>,
}

/// Every pool, by the index routes use.
pub struct Snapshot {
    /// The pools.
    pub pools: Vec<Arc<Pool>>,
}

impl Fleet {
    /// The fleet a configuration describes.
    pub fn new(pools: &[config::Pool]) -> Self {
        let pools = pools.iter().map(|pool| Arc::new(Pool::new(pool))).collect();
        Self { current: ArcSwap::from_pointee(Snapshot { pools }) }
    }

    /// The snapshot to decide one request with.
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// One pool of the current snapshot.
    pub fn pool(&self, index: usize) -> Arc<Pool> {
        self.current.load().pools[index].clone()
    }
}
