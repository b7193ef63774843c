//! Who can serve: an immutable snapshot of the configuration and every pool, swapped whole, read without a lock.
//! A request keeps the snapshot it began with. It must not know requests or cookies; a request comes here as a hash key.

pub mod budget;
pub mod discovery;
pub mod endpoint;
pub mod health;
pub mod marks;
pub mod outlier;
pub mod policy;
pub mod pool;
pub mod rates;
pub mod state;
pub mod traffic;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::config::{self, Config};
use crate::operate::metrics::route::RouteCounts;

use self::pool::Pool;
use self::rates::Rates;

/// The current snapshot.
pub struct Fleet {
    current: ArcSwap<Snapshot>,
    /// Held while the next snapshot is made from the current one.
    writing: Mutex<()>,
    changes: watch::Sender<()>,
    /// Everybody who was there at the start has been checked once.
    checked: AtomicBool,
}

/// What one request is decided with.
pub struct Snapshot {
    /// What the balancer is told.
    pub config: Arc<Config>,
    /// Every pool, by the index routes use.
    pub pools: Vec<Arc<Pool>>,
    /// How often clients may ask.
    pub rates: Arc<Rates>,
    /// What is counted of every route, by its index.
    pub counts: Arc<[RouteCounts]>,
}

impl Fleet {
    /// The fleet a configuration describes.
    pub fn new(config: Config) -> Self {
        Self {
            current: ArcSwap::from_pointee(Snapshot::new(Arc::new(config), &[], &Rates::default())),
            writing: Mutex::default(),
            changes: watch::Sender::default(),
            checked: AtomicBool::default(),
        }
    }

    /// The snapshot to decide one request with.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Takes over another configuration; pools and endpoints that stay keep their state.
    pub fn configure(&self, config: Config) {
        let _writing = self.write();
        let old = self.snapshot();
        self.publish(Snapshot::new(Arc::new(config), &old.pools, &old.rates));
    }

    /// Takes over the endpoints that were found for a pool; those that stay keep their state. Returns those it had when
    /// that is a change. Nothing happens when the pool is looked for elsewhere by now.
    pub fn found(
        &self,
        pool: &str,
        source: &config::Discovery,
        endpoints: &[config::Endpoint],
    ) -> Option<Vec<config::Endpoint>> {
        let _writing = self.write();
        let old = self.snapshot();
        let known = old.pool(pool).filter(|known| known.settings.discovery == *source)?;
        if known.settings.endpoints == endpoints {
            return None;
        }
        let renewed = known.with_endpoints(endpoints.to_vec());
        let swap = |one: &Arc<Pool>| if Arc::ptr_eq(one, known) { renewed.clone() } else { one.clone() };
        let pools = old.pools.iter().map(swap).collect();
        let (config, rates, counts) = (old.config.clone(), old.rates.clone(), old.counts.clone());
        self.publish(Snapshot { config, pools, rates, counts });
        Some(known.settings.endpoints.clone())
    }

    /// Hears of every new snapshot.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Whether the first round of checks is over.
    pub fn checked(&self) -> bool {
        self.checked.load(Ordering::Relaxed)
    }

    /// The first round of checks is over.
    pub fn set_checked(&self) {
        self.checked.store(true, Ordering::Relaxed);
    }

    fn write(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, snapshot: Snapshot) {
        self.current.store(Arc::new(snapshot));
        self.changes.send_replace(());
    }
}

impl Snapshot {
    fn new(config: Arc<Config>, before: &[Arc<Pool>], rates: &Rates) -> Self {
        let same = |name: &str| before.iter().find(|pool| pool.settings.name == name);
        let pools = config
            .pools
            .iter()
            .map(|settings| Pool::after(same(&settings.name), settings, config.retry))
            .collect();
        let rates = Arc::new(Rates::after(rates, &config));
        let counts = config.routes.iter().map(|_| RouteCounts::default()).collect();
        Self { config, pools, rates, counts }
    }

    /// A pool by its name.
    pub fn pool(&self, name: &str) -> Option<&Arc<Pool>> {
        self.pools.iter().find(|pool| pool.settings.name == name)
    }
}
