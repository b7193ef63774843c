//! Active checks: every endpoint is asked on its own schedule, all at once in the first round.
//! It must not judge: what a check means is the endpoint's state, and whom traffic ejects is the pool's.

mod probe;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::ServiceReadyNotifier;
use pingora::services::background::BackgroundService;
use tokio::task::JoinSet;

use super::endpoint::Endpoint;
use super::marks::Marks;
use super::pool::{Ejection, Pool};
use super::state::{Checked, State, Thresholds};
use super::{Fleet, Snapshot};
use crate::operate::metrics::Metrics;

/// The service that keeps every endpoint's state true.
pub struct HealthChecks {
    /// Whom to check.
    pub fleet: Arc<Fleet>,
    /// Where transitions are counted.
    pub metrics: Arc<Metrics>,
    /// Whom the process before this one has left alone.
    pub inherited: Marks,
}

#[async_trait]
impl BackgroundService for HealthChecks {
    /// Says ready after one whole round, so the listener opens on known endpoints; every check has a deadline.
    async fn start_with_ready_notifier(&self, mut shutdown: ShutdownWatch, ready: ServiceReadyNotifier) {
        let mut changes = self.fleet.changes();
        self.inherited.follow(&Marks::default(), &self.fleet, &self.metrics);
        self.first_round().await;
        self.fleet.set_checked();
        ready.notify_ready();
        let mut schedules = Schedules::default();
        loop {
            schedules.follow(&self.fleet.snapshot(), &self.metrics);
            tokio::select! {
                // The fleet lives as long as this service, so what ends the wait is a change.
                _ = changes.changed() => {}
                // The sender going away means the same as a signal: the server is ending.
                _ = shutdown.changed() => return,
            }
        }
    }
}

impl HealthChecks {
    async fn first_round(&self) {
        let mut round = JoinSet::new();
        for (pool, endpoint) in everyone(&self.fleet.snapshot()) {
            let metrics = self.metrics.clone();
            round.spawn(async move { check(&pool, &endpoint, &metrics).await });
        }
        while round.join_next().await.is_some() {}
    }
}

fn everyone(snapshot: &Snapshot) -> impl Iterator<Item = (Arc<Pool>, Arc<Endpoint>)> {
    let of_pool =
        |pool: &Arc<Pool>| pool.endpoints.iter().map(|e| (pool.clone(), e.clone())).collect::<Vec<_>>();
    snapshot.pools.iter().flat_map(of_pool)
}

/// The checks that go on, one for each endpoint of the current snapshot.
#[derive(Default)]
struct Schedules(HashMap<Whom, Schedule>);

/// The names of a pool and of one of its endpoints.
type Whom = (String, String);

struct Schedule {
    pool: Arc<Pool>,
    endpoint: Arc<Endpoint>,
    /// Dropped, it ends.
    _checks: JoinSet<()>,
}

impl Schedules {
    /// Endpoints that went away are no longer checked; those that came, and those of a pool that changed, are.
    fn follow(&mut self, snapshot: &Snapshot, metrics: &Arc<Metrics>) {
        let mut kept = HashMap::new();
        for (pool, endpoint) in everyone(snapshot) {
            let whom = (pool.settings.name.clone(), endpoint.name.clone());
            let before = self.0.remove(&whom);
            before
                .iter()
                .filter(|before| !before.is_of(&endpoint))
                .for_each(|before| before.endpoint.retire());
            let same = before.filter(|schedule| schedule.fits(&pool, &endpoint));
            kept.insert(whom, same.unwrap_or_else(|| Schedule::start(pool, endpoint, metrics.clone())));
        }
        for ((pool, endpoint), schedule) in &self.0 {
            schedule.endpoint.retire();
            metrics.endpoint_gone(pool, endpoint);
        }
        self.0 = kept;
    }
}

impl Schedule {
    fn start(pool: Arc<Pool>, endpoint: Arc<Endpoint>, metrics: Arc<Metrics>) -> Self {
        let mut checks = JoinSet::new();
        checks.spawn(keep_checking(pool.clone(), endpoint.clone(), metrics));
        Self { pool, endpoint, _checks: checks }
    }

    fn is_of(&self, endpoint: &Arc<Endpoint>) -> bool {
        Arc::ptr_eq(&self.endpoint, endpoint)
    }

    /// Whether it may go on although the pool has changed: begun anew at every change of a list that keeps changing, a
    /// check would never be due.
    fn fits(&self, pool: &Pool, endpoint: &Arc<Endpoint>) -> bool {
        self.is_of(endpoint) && self.pool.settings.health == pool.settings.health
    }
}

/// One that nobody has checked yet is checked at once.
async fn keep_checking(pool: Arc<Pool>, endpoint: Arc<Endpoint>, metrics: Arc<Metrics>) {
    loop {
        if endpoint.state().checked != Checked::Unproven {
            let interval = pool.settings.health.interval;
            tokio::time::sleep(interval.mul_f64(rand::random_range(0.95..1.05))).await;
        }
        check(&pool, &endpoint, &metrics).await;
    }
}

async fn check(pool: &Pool, endpoint: &Endpoint, metrics: &Metrics) {
    let health = &pool.settings.health;
    let passed = probe::passes(endpoint.address, &health.check, health.timeout).await;
    let thresholds = Thresholds { rise: health.rise, fall: health.fall };
    if let Some(state) = endpoint.record_check(passed, thresholds, Instant::now()) {
        changed(pool, endpoint, state, metrics);
    }
}

fn changed(pool: &Pool, endpoint: &Endpoint, state: State, metrics: &Metrics) {
    let (pool, endpoint) = (&pool.settings.name, &endpoint.name);
    metrics.endpoint_changed(pool, endpoint, state);
    tracing::info!(pool, endpoint, state = state.name(), "endpoint changed");
}

/// Tells of an ejection, and ends it when its time is over.
pub fn ejected(pool: &Arc<Pool>, index: usize, ejection: Ejection, metrics: &Arc<Metrics>) {
    let Ejection { reason, state, lasts } = ejection;
    let (pool, endpoint, metrics) = (pool.clone(), pool.endpoints[index].clone(), metrics.clone());
    let name = &pool.settings.name;
    metrics.ejections.with_label_values(&[name, &endpoint.name, reason.name()]).inc();
    metrics.endpoint_changed(name, &endpoint.name, state);
    let (reason, seconds) = (reason.name(), lasts.as_secs());
    tracing::warn!(pool = name, endpoint = endpoint.name, reason, seconds, "endpoint ejected");
    tokio::spawn(async move {
        tokio::time::sleep(lasts).await;
        if let Some(state) = endpoint.readmit(Instant::now()) {
            changed(&pool, &endpoint, state, &metrics);
        }
    });
}
