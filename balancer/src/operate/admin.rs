//! The admin listener: `/metrics`, `/livez`, `/readyz`, `/status` to look at; `POST /reload` and
//! `POST /endpoints/{pool}/{address}/drain` and `/undrain` to change something, `POST /purge` to take stored answers back.
//!
//! Who reaches it must show the token, when there is one. Without one only this machine reaches it, and a page of some
//! site in a browser on this machine must not be able to act through it.

mod purge;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use pingora::apps::http_app::ServeHttp;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use serde::Serialize;
use serde_json::json;

use super::drain::Drain;
use super::metrics::Metrics;
use super::reload::Reload;
use super::status::{self, Counts, Status, page};
use crate::cache::Cache;
use crate::cache::purge::Purger;
use crate::fleet::Fleet;
use crate::fleet::discovery::journal::Journal;
use crate::secret::Secret;

/// What the pages are made from.
pub struct Admin {
    /// What a client must show; nothing when only this machine reaches the listener.
    pub token: Option<Secret>,
    /// The configuration and the endpoints.
    pub fleet: Arc<Fleet>,
    /// How look-ups of endpoints go.
    pub journal: Arc<Journal>,
    /// The way to another configuration.
    pub reload: Arc<Reload>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The way down.
    pub drain: Arc<Drain>,
    /// The stored answers.
    pub cache: Cache,
    /// The way to take them back.
    pub purger: Arc<Purger>,
    /// When the process began.
    pub started_at: Instant,
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let request = session.req_header();
        let path = request.uri.path();
        match (&request.method, path) {
            (&Method::GET | &Method::HEAD, "/livez") => text(StatusCode::OK, "ok\n"),
            (&Method::GET | &Method::HEAD, "/readyz") => self.ready(),
            (&Method::GET | &Method::HEAD, "/status") if wants_page(request) => show(page::PAGE),
            (&Method::GET | &Method::HEAD, path) if let Some(part) = page::part(path) => show(part),
            _ if !self.allowed(request) => refuse(),
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics_page(),
            (&Method::GET | &Method::HEAD, "/status" | "/status.json") => self.status(),
            (&Method::POST, _) if !from_here(request) => {
                problem(StatusCode::FORBIDDEN, "cross_site", "pages of other sites may not do this")
            }
            (&Method::POST, "/reload") => self.reload(),
            (&Method::POST, "/purge") => purge::purge(self, session).await,
            (&Method::POST, path) if path.starts_with("/endpoints/") => self.change_endpoint(path),
            (&Method::GET | &Method::HEAD | &Method::POST, _) => problem(
                StatusCode::NOT_FOUND,
                "not_found",
                "GET /metrics /livez /readyz /status; POST /reload /purge /endpoints/{pool}/{address}/drain|undrain",
            ),
            _ => problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "only GET and POST"),
        }
    }
}

impl Admin {
    /// Whether the client has shown what it must.
    fn allowed(&self, request: &RequestHeader) -> bool {
        let Some(token) = &self.token else { return true };
        let shown = request.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        shown
            .and_then(|shown| shown.strip_prefix(b"Bearer "))
            .is_some_and(|shown| same(shown, token.reveal().as_bytes()))
    }

    fn metrics_page(&self) -> Response<Vec<u8>> {
        self.metrics.requests_in_flight.set(signed(self.drain.in_flight()));
        self.metrics.cache_bytes.set(signed(self.cache.bytes()));
        self.metrics.cache_entries.set(signed(self.cache.entries()));
        self.metrics.cache.set_evictions(self.cache.evictions());
        self.metrics.draining.set(i64::from(self.drain.draining()));
        self.metrics.show(&self.fleet.snapshot());
        match self.metrics.text() {
            Ok(page) => respond(StatusCode::OK, "text/plain; version=0.0.4", page),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
        }
    }

    fn status(&self) -> Response<Vec<u8>> {
        let status = Status {
            pools: status::pools(&self.fleet.snapshot(), &self.journal, &self.metrics),
            draining: self.drain.draining(),
            requests_in_flight: self.drain.in_flight(),
            counts: Counts::now(&self.metrics, self.cache, self.started_at.elapsed()),
            reload: self.reload.last(),
        };
        json(StatusCode::OK, &status)
    }

    /// Ready once the first round of checks is over, whoever passed it, until the way down begins.
    fn ready(&self) -> Response<Vec<u8>> {
        if self.drain.draining() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        if !self.fleet.checked() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "checking endpoints\n");
        }
        text(StatusCode::OK, "ok\n")
    }

    fn reload(&self) -> Response<Vec<u8>> {
        match self.reload.now() {
            Ok(()) => json(StatusCode::OK, &self.reload.last()),
            Err(error) => {
                problem(StatusCode::UNPROCESSABLE_ENTITY, "configuration_invalid", &error.to_string())
            }
        }
    }

    /// `/endpoints/{pool}/{address}/drain` or `/undrain`.
    fn change_endpoint(&self, path: &str) -> Response<Vec<u8>> {
        let parts: Vec<&str> = path.split('/').skip(2).collect();
        let [pool, address, change @ ("drain" | "undrain")] = parts[..] else {
            return problem(StatusCode::NOT_FOUND, "not_found", "/endpoints/{pool}/{address}/drain|undrain");
        };
        let snapshot = self.fleet.snapshot();
        let Some(endpoint) = snapshot.pool(pool).and_then(|pool| pool.endpoint(address)) else {
            let detail = format!("there is no endpoint {address} in a pool {pool}; see /status");
            return problem(StatusCode::NOT_FOUND, "endpoint_unknown", &detail);
        };
        if let Some(state) = endpoint.set_draining(change == "drain", Instant::now()) {
            self.metrics.endpoint_changed(pool, address, state);
            tracing::info!(pool, endpoint = address, state = state.name(), "endpoint changed by hand");
        }
        json(
            StatusCode::OK,
            &json!({ "pool": pool, "address": address, "state": endpoint.state().name(), "in_flight": endpoint.in_flight() }),
        )
    }
}

/// Whether a request that changes something was not made by a page of another site: browsers tell by `Origin`, and
/// a name that was made to point to this machine is not one of this machine.
fn from_here(request: &RequestHeader) -> bool {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let Some(origin) = request.headers.get(header::ORIGIN) else { return true };
    let name = host.parse::<Uri>().ok();
    let name = name.as_ref().and_then(Uri::host).unwrap_or_default().trim_matches(['[', ']']);
    let ours = name == "localhost" || name.parse::<IpAddr>().is_ok();
    ours && origin.to_str().is_ok_and(|origin| origin.split_once("://").is_some_and(|(_, of)| of == host))
}

/// Takes as long whatever is wrong, so that nobody finds a token byte by byte.
fn same(shown: &[u8], token: &[u8]) -> bool {
    let differing = shown.iter().zip(token).fold(0, |differing, (a, b)| differing | (a ^ b));
    shown.len() == token.len() && differing == 0
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn refuse() -> Response<Vec<u8>> {
    let detail = "send the token of `listen.admin_token` as `Authorization: Bearer …`";
    let mut refusal = problem(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refusal
}

fn wants_page(request: &RequestHeader) -> bool {
    page::wanted(request.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()))
}

fn show(file: page::File) -> Response<Vec<u8>> {
    let mut response = respond(StatusCode::OK, file.content_type, file.text.as_bytes().to_vec());
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, page::POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response<Vec<u8>> {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail, "code": code,
    });
    respond(status, "application/problem+json", body.to_string().into_bytes())
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Vec<u8>> {
    match serde_json::to_vec(value) {
        Ok(body) => respond(status, "application/json", body),
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
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}
