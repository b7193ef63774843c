//! The admin listener: `/metrics`, `/livez`, `/readyz`, `/status`. Read only.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, Response, StatusCode, header};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use serde::Serialize;

use super::drain::Drain;
use super::metrics::Metrics;
use super::status::{self, Status};
use crate::cache::Cache;
use crate::fleet::Fleet;
use crate::fleet::endpoint::State;

/// What the pages are made from.
pub struct Admin {
    /// The endpoints.
    pub fleet: Arc<Fleet>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The way down.
    pub drain: Arc<Drain>,
    /// The stored answers.
    pub cache: Cache,
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let request = session.req_header();
        if request.method != Method::GET && request.method != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri.path() {
            "/metrics" => self.metrics_page(),
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(),
            "/status" => json(&Status {
                pools: status::pools(&self.fleet),
                draining: self.drain.draining(),
                requests_in_flight: self.drain.in_flight(),
            }),
            _ => text(StatusCode::NOT_FOUND, "pages here: /metrics /livez /readyz /status\n"),
        }
    }
}

impl Admin {
    fn metrics_page(&self) -> Response<Vec<u8>> {
        self.metrics.requests_in_flight.set(signed(self.drain.in_flight()));
        self.metrics.cache_bytes.set(signed(self.cache.bytes()));
        self.metrics.cache_entries.set(signed(self.cache.entries()));
        match self.metrics.text() {
            Ok(page) => respond(StatusCode::OK, "text/plain; version=0.0.4", page),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
        }
    }

    /// Ready once the first round of checks is over, whoever passed it, until the way down begins.
    fn ready(&self) -> Response<Vec<u8>> {
        if self.drain.draining() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        let snapshot = self.fleet.snapshot();
        let mut endpoints = snapshot.pools.iter().flat_map(|pool| &pool.endpoints);
        if endpoints.any(|endpoint| endpoint.state() == State::Unproven) {
            return text(StatusCode::SERVICE_UNAVAILABLE, "checking endpoints\n");
        }
        text(StatusCode::OK, "ok\n")
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn json(value: &impl Serialize) -> Response<Vec<u8>> {
    match serde_json::to_vec(value) {
        Ok(body) => respond(StatusCode::OK, "application/json", body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: &str) -> Response<Vec<u8>> {
    respond(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = body.len();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CONTENT_LENGTH, header::HeaderValue::from(length));
    response
}
