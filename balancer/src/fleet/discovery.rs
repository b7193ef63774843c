//! Where the endpoints of a pool are looked up again and again: in DNS, or in a file that somebody else keeps.
//!
//! No error takes an endpoint away: a look-up that fails, or finds nobody, leaves the pool as it was and says why. Who is
//! found is checked before it serves; who is no longer found is no longer picked, and ends what it is working on.
//! It must not know whether anybody is well.

mod dns;
mod file;
mod found;
pub mod journal;
mod records;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::ServiceReadyNotifier;
use pingora::services::background::BackgroundService;
use tokio::task::JoinSet;

use self::found::{Change, Failure, Found};
use self::journal::{Journal, News};
use super::Fleet;
use crate::config;
use crate::operate::metrics::Metrics;

/// How long the listener waits for the first look-ups. Where they have not ended by then, the pool is empty, and answers
/// 503, until they have.
const FIRST_LOOKUP_MAX: Duration = Duration::from_secs(5);

/// The service that keeps looking.
pub struct Discovery(Arc<Lookups>);

struct Lookups {
    fleet: Arc<Fleet>,
    metrics: Arc<Metrics>,
    journal: Arc<Journal>,
}

impl Discovery {
    /// Looks for the endpoints of this fleet.
    pub fn new(fleet: Arc<Fleet>, metrics: Arc<Metrics>, journal: Arc<Journal>) -> Self {
        Self(Arc::new(Lookups { fleet, metrics, journal }))
    }
}

#[async_trait]
impl BackgroundService for Discovery {
    async fn start_with_ready_notifier(&self, mut shutdown: ShutdownWatch, ready: ServiceReadyNotifier) {
        let mut changes = self.0.fleet.changes();
        let mut followers = Followers::default();
        followers.follow(&self.0);
        let names: Vec<String> = followers.0.keys().cloned().collect();
        if tokio::time::timeout(FIRST_LOOKUP_MAX, self.0.journal.looked_up(&names)).await.is_err() {
            tracing::warn!("not every pool's endpoints could be looked up in time, starting without");
        }
        ready.notify_ready();
        loop {
            tokio::select! {
                // The fleet lives as long as this service, so what ends the wait is a change.
                _ = changes.changed() => followers.follow(&self.0),
                // The sender going away means the same as a signal: the server is ending.
                _ = shutdown.changed() => return,
            }
        }
    }
}

/// Look-ups that go on, by the name of their pool.
#[derive(Default)]
struct Followers(HashMap<String, Follower>);

struct Follower {
    source: config::Discovery,
    /// Dropped, it ends.
    _lookups: JoinSet<()>,
}

impl Followers {
    /// Each pool of the current snapshot is looked up where its configuration says.
    fn follow(&mut self, lookups: &Arc<Lookups>) {
        let mut kept = HashMap::new();
        for pool in &lookups.fleet.snapshot().pools {
            let (name, source) = (&pool.settings.name, &pool.settings.discovery);
            if *source == config::Discovery::Static {
                continue;
            }
            let same = self.0.remove(name).filter(|follower| follower.source == *source);
            let follower = same.unwrap_or_else(|| Follower::start(lookups, name, source));
            kept.insert(name.clone(), follower);
        }
        self.0 = kept;
        lookups.journal.keep(|name| self.0.contains_key(name));
    }
}

impl Follower {
    fn start(lookups: &Arc<Lookups>, pool: &str, source: &config::Discovery) -> Self {
        let mut running = JoinSet::new();
        running.spawn(keep_looking(lookups.clone(), pool.to_owned(), source.clone()));
        Self { source: source.clone(), _lookups: running }
    }
}

async fn keep_looking(lookups: Arc<Lookups>, pool: String, source: config::Discovery) {
    loop {
        let (looked, pause) = look_up(&source).await;
        lookups.take_over(&pool, &source, looked);
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.9..1.1))).await;
    }
}

/// Who is there now, and when to look again.
async fn look_up(source: &config::Discovery) -> (Result<Found, Failure>, Duration) {
    match source {
        config::Discovery::Static => std::future::pending().await,
        config::Discovery::Dns(dns) => dns::look_up(dns).await,
        config::Discovery::File(path) => (file::look_up(path).await, file::PAUSE),
    }
}

impl Lookups {
    fn take_over(&self, pool: &str, source: &config::Discovery, looked: Result<Found, Failure>) {
        let (result, error) = match looked {
            Ok(found) => match self.fleet.found(pool, source, found.endpoints()) {
                Some(before) => {
                    tell_change(pool, &Change::between(&before, found.endpoints()));
                    ("changed", None)
                }
                None => ("unchanged", None),
            },
            Err(failure) => ("failed", Some(failure.to_string())),
        };
        self.metrics.discovery_updates.with_label_values(&[pool, result]).inc();
        let news = self.journal.record(pool, error.clone().map_or(Ok(()), Err), Instant::now());
        match news {
            Some(News::Failing) => tracing::warn!(pool, error, "endpoints not found, the known ones stay"),
            Some(News::Recovered) => tracing::info!(pool, "endpoints found again"),
            None => {}
        }
    }
}

fn tell_change(pool: &str, change: &Change) {
    let Change { came, gone, reweighted } = change;
    tracing::info!(pool, ?came, ?gone, ?reweighted, "endpoints changed");
}
