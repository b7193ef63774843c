//! The HTTP listener: hyper runs the connections, axum routes on it; limits, probes and drain are set once, here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use http::StatusCode;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus::Registry;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::Validate;
use crate::drain::Drain;
use crate::metrics::HttpMetrics;
use crate::problem::Problem;
use crate::request::{self, Surrounding};

mod probes;

pub use probes::Readiness;

/// The limits of a listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Connections served at once; more wait in the kernel's backlog.
    pub connections_max: usize,
    /// The largest request body.
    pub body_bytes_max: usize,
    /// How long a client may take for the head of a request.
    pub header_timeout_ms: u64,
    /// How long an answer may take before it becomes 503.
    pub request_timeout_ms: u64,
    /// Between "not ready" and closing the listener, so that the balancer looks elsewhere first.
    pub drain_seconds: u64,
}

impl HttpConfig {
    /// How long an answer may take.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connections_max: 15_000,
            body_bytes_max: 16 * 1024,
            header_timeout_ms: 75_000,
            request_timeout_ms: 10_000,
            drain_seconds: 2,
        }
    }
}

impl Validate for HttpConfig {
    fn validate(&self) -> Result<(), String> {
        let named = [
            ("connections_max", self.connections_max as u64),
            ("body_bytes_max", self.body_bytes_max as u64),
            ("header_timeout_ms", self.header_timeout_ms),
            ("request_timeout_ms", self.request_timeout_ms),
        ];
        match named.into_iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(format!("`http.{key}` must be at least 1")),
            None => Ok(()),
        }
    }
}

/// How long connections may take to finish their last request when the process goes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// After a failed accept (no file descriptor left, mostly), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Binds `address`; the error names it.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| {
        anyhow::anyhow!("cannot listen on {address}: {error}; set `listen` to a free address")
    })
}

/// Serves `routes` with the probes beside them, until drained.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    config: &HttpConfig,
    registry: &Registry,
    readiness: Readiness,
    drain: &Drain,
) -> anyhow::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "listening");
    let app = surrounded(routes, config, registry).merge(probes::routes(
        registry.clone(),
        readiness,
        drain.clone(),
    ));
    tokio::select! {
        result = drain.on_signal(Duration::from_secs(config.drain_seconds)) => result?,
        () = accept_until(listener, app, config, drain) => {}
    }
    Ok(())
}

/// The middleware around every route of ours.
fn surrounded(routes: Router, config: &HttpConfig, registry: &Registry) -> Router {
    let surrounding = Surrounding { metrics: HttpMetrics::new(registry), timeout: config.request_timeout() };
    routes
        .fallback(async || Problem::not_found("not_found", "there is nothing at this address"))
        .method_not_allowed_fallback(async || {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this address does not answer that method",
            )
        })
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(DefaultBodyLimit::max(config.body_bytes_max))
        .layer(from_fn_with_state(surrounding, request::surround))
}

async fn accept_until(listener: TcpListener, app: Router, config: &HttpConfig, drain: &Drain) {
    let places = Arc::new(Semaphore::new(config.connections_max));
    loop {
        let place = tokio::select! {
            () = drain.stopped() => return,
            place = Arc::clone(&places).acquire_owned() => place.expect("the semaphore is never closed"),
        };
        let accepted = tokio::select! {
            () = drain.stopped() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                drain.spawn(connection(stream, place, app.clone(), config.clone(), drain.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection, from its first byte until it is closed, upgraded or drained.
async fn connection(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    app: Router,
    config: HttpConfig,
    drain: Drain,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay refused");
    }
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = drain.stopped() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(CLOSE_TIMEOUT, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
    drop(place);
}
