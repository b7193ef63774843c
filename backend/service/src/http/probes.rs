//! What machines ask: `/metrics`, `/livez`, `/readyz`. The balancer never routes these.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use prometheus::Registry;

use crate::drain::Drain;
use crate::metrics;
use crate::postgres::Pool;
use crate::problem::Problem;

/// Says why the process cannot serve, if it cannot.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> Result<(), String> + Send + Sync>);

impl Readiness {
    /// Ready while `check` is content. It is asked often and must not wait.
    pub fn when(check: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// Ready while Postgres answers.
    pub fn of_postgres(pool: &Pool) -> Self {
        let pool = pool.clone();
        Self::when(move || pool.ready())
    }
}

pub(super) fn routes(registry: Registry, readiness: Readiness, drain: Drain) -> Router {
    Router::new()
        .route("/metrics", get(async move || scrape(&registry)))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(async move || ready(&readiness, &drain)))
}

fn scrape(registry: &Registry) -> Response {
    match metrics::text(registry) {
        Ok(text) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "cannot encode metrics");
            Problem::internal().into_response()
        }
    }
}

fn ready(readiness: &Readiness, drain: &Drain) -> Response {
    if drain.leaving() {
        return Problem::unavailable("draining").into_response();
    }
    match (readiness.0)() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => Problem::unavailable(why).into_response(),
    }
}
