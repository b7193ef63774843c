//! Active checks: every endpoint is asked on its own schedule, all at once in the first round.
//! It must not judge: what a check means is the endpoint's state machine.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use pingora::server::ShutdownWatch;
use pingora::services::ServiceReadyNotifier;
use pingora::services::background::BackgroundService;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::endpoint::{Endpoint, State, Thresholds};
use super::pool::Pool;
use super::{Fleet, Snapshot};
use crate::operate::metrics::Metrics;

/// The service that keeps every endpoint's state true.
pub struct HealthChecks {
    /// Whom to check.
    pub fleet: Arc<Fleet>,
    /// Where transitions are counted.
    pub metrics: Arc<Metrics>,
}

#[async_trait]
impl BackgroundService for HealthChecks {
    /// Says ready after one whole round, so the listener opens on known endpoints; every check has a deadline.
    async fn start_with_ready_notifier(&self, mut shutdown: ShutdownWatch, ready: ServiceReadyNotifier) {
        let mut changes = self.fleet.changes();
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
            let same = self.0.remove(&whom).filter(|schedule| schedule.fits(&pool, &endpoint));
            kept.insert(whom, same.unwrap_or_else(|| Schedule::start(pool, endpoint, metrics.clone())));
        }
        let gone = self.0.keys().filter(|whom| !kept.contains_key(*whom));
        gone.for_each(|(pool, endpoint)| metrics.endpoint_gone(pool, endpoint));
        self.0 = kept;
    }
}

impl Schedule {
    fn start(pool: Arc<Pool>, endpoint: Arc<Endpoint>, metrics: Arc<Metrics>) -> Self {
        let mut checks = JoinSet::new();
        checks.spawn(keep_checking(pool.clone(), endpoint.clone(), metrics));
        Self { pool, endpoint, _checks: checks }
    }

    /// Whether it may go on although the pool has changed: begun anew at every change of a list that keeps changing, a
    /// check would never be due.
    fn fits(&self, pool: &Pool, endpoint: &Arc<Endpoint>) -> bool {
        Arc::ptr_eq(&self.endpoint, endpoint) && self.pool.settings.health == pool.settings.health
    }
}

/// One that nobody has checked yet is checked at once.
async fn keep_checking(pool: Arc<Pool>, endpoint: Arc<Endpoint>, metrics: Arc<Metrics>) {
    loop {
        if endpoint.state() != State::Unproven {
            let interval = pool.settings.health.interval;
            tokio::time::sleep(interval.mul_f64(rand::random_range(0.95..1.05))).await;
        }
        check(&pool, &endpoint, &metrics).await;
    }
}

async fn check(pool: &Pool, endpoint: &Endpoint, metrics: &Metrics) {
    let health = &pool.settings.health;
    let passed = probe(endpoint.address, &health.path, health.timeout).await;
    let thresholds = Thresholds { rise: health.rise, fall: health.fall };
    if let Some(state) = endpoint.record_check(passed, thresholds) {
        metrics.endpoint_changed(&pool.settings.name, &endpoint.name, state);
        tracing::info!(
            pool = pool.settings.name,
            endpoint = endpoint.name,
            state = state.name(),
            "endpoint changed"
        );
    }
}

/// Whether `GET path` answers 200 before the deadline, on a connection of its own.
async fn probe(address: SocketAddr, path: &PathAndQuery, deadline: Duration) -> bool {
    let answer = tokio::time::timeout(deadline, status(address, path)).await;
    matches!(answer, Ok(Some(StatusCode::OK)))
}

async fn status(address: SocketAddr, path: &PathAndQuery) -> Option<StatusCode> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = Request::get(path.clone())
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    // Dropping the set ends the connection, also when the deadline drops this future.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    sender.send_request(request).await.ok().map(|response| response.status())
}
