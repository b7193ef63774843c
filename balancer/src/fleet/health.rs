//! Active checks: every endpoint is asked on its own schedule, all at once in the first round.
//! It must not judge: what a check means is the endpoint's state machine.

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

use super::Fleet;
use super::endpoint::Endpoint;
use super::pool::Pool;
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
        self.first_round().await;
        ready.notify_ready();
        let mut schedules = JoinSet::new();
        for (pool, endpoint) in self.everyone() {
            schedules.spawn(keep_checking(pool, endpoint, self.metrics.clone()));
        }
        // The sender going away means the same as a signal: the server is ending.
        let _ = shutdown.changed().await;
    }
}

impl HealthChecks {
    async fn first_round(&self) {
        let mut round = JoinSet::new();
        for (pool, endpoint) in self.everyone() {
            let metrics = self.metrics.clone();
            round.spawn(async move { check(&pool, &endpoint, &metrics).await });
        }
        while round.join_next().await.is_some() {}
    }

    fn everyone(&self) -> Vec<(Arc<Pool>, Arc<Endpoint>)> {
        let snapshot = self.fleet.snapshot();
        let of_pool = |pool: &Arc<Pool>| {
            let pool = pool.clone();
            pool.endpoints.clone().into_iter().map(move |endpoint| (pool.clone(), endpoint))
        };
        snapshot.pools.iter().flat_map(of_pool).collect()
    }
}

async fn keep_checking(pool: Arc<Pool>, endpoint: Arc<Endpoint>, metrics: Arc<Metrics>) {
    loop {
        let interval = pool.settings.health.interval;
        tokio::time::sleep(interval.mul_f64(rand::random_range(0.95..1.05))).await;
        check(&pool, &endpoint, &metrics).await;
    }
}

async fn check(pool: &Pool, endpoint: &Endpoint, metrics: &Metrics) {
    let health = &pool.settings.health;
    let passed = probe(endpoint.address, &health.path, health.timeout).await;
    if let Some(state) = endpoint.record_check(passed) {
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
