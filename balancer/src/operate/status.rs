//! What the fleet looks like right now, for people and for `/healthz`.

pub mod page;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::metrics::{Metrics, sums};
use super::reload::LastReload;
use crate::cache::Cache;
use crate::config::{self, Discovery};
use crate::fleet::Snapshot;
use crate::fleet::discovery::journal::Journal;
use crate::fleet::pool::Pool;
use crate::fleet::traffic::{self, Latency};
use crate::limit::admission::Load;

/// The answer to `GET /status`.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Every pool.
    pub pools: Vec<PoolStatus>,
    /// Whether the balancer is going down.
    pub draining: bool,
    /// Requests being worked on.
    pub requests_in_flight: usize,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
    /// How the last attempt to take over another configuration went.
    pub reload: LastReload,
}

/// Counts since the start, for whoever takes the difference of two looks.
#[derive(Debug, Serialize)]
pub struct Counts {
    /// The version that runs.
    version: &'static str,
    /// How long it has run; the clock of all counts here.
    uptime_seconds: f64,
    /// Upgraded connections that are open.
    sockets_open: i64,
    /// Requests that no route matched, by class.
    unrouted: BTreeMap<String, u64>,
    /// What the cache did.
    cache: CacheStatus,
    /// Upper ends of the buckets of [`LatencyStatus`].
    latency_bounds_ms: Vec<f64>,
}

/// What the cache holds and did.
#[derive(Debug, Serialize)]
pub struct CacheStatus {
    results: BTreeMap<String, u64>,
    bytes: usize,
    entries: usize,
}

/// Times to the first byte of an answer: counts from the first bucket that is not empty to the last.
#[derive(Debug, Serialize)]
pub struct LatencyStatus {
    first: usize,
    counts: Vec<u64>,
}

impl LatencyStatus {
    fn of(latency: &Latency) -> Self {
        let (first, counts) = latency.counts();
        Self { first, counts }
    }
}

impl Counts {
    /// As they are after so long.
    pub fn now(metrics: &Metrics, cache: Cache, uptime: Duration) -> Self {
        let results = sums(&metrics.cache_requests, ["", "result"]).remove("");
        let mut requests = sums(&metrics.requests, ["pool", "class"]);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: uptime.as_secs_f64(),
            sockets_open: metrics.upgrades_open.get(),
            unrouted: requests.remove("none").unwrap_or_default(),
            cache: CacheStatus {
                results: results.unwrap_or_default(),
                bytes: cache.bytes(),
                entries: cache.entries(),
            },
            latency_bounds_ms: traffic::bounds_ms().collect(),
        }
    }
}

/// One pool.
#[derive(Debug, Serialize)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// How one of its endpoints is chosen.
    pub policy: &'static str,
    /// Endpoints that can serve.
    pub serving: usize,
    /// So few can that others are asked too.
    pub panic: bool,
    /// How its endpoints are looked up, where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<DiscoveryStatus>,
    /// Requests answered, by class.
    pub requests: BTreeMap<String, u64>,
    /// Tries on another endpoint, by reason.
    pub retries: BTreeMap<String, u64>,
    /// Requests refused so that others are answered, by reason.
    pub shed: BTreeMap<String, u64>,
    /// Places and who waits for one.
    pub limits: LimitsStatus,
    /// All of them.
    pub endpoints: Vec<EndpointStatus>,
}

/// Requests that have a place in their pool, how many may, and those that wait.
#[derive(Debug, Serialize)]
pub struct LimitsStatus {
    places: usize,
    taken: usize,
    waiting: usize,
}

impl LimitsStatus {
    fn of(load: Load) -> Self {
        Self { places: load.limit, taken: load.in_flight, waiting: load.waiting }
    }
}

/// How it goes with looking for a pool's endpoints.
#[derive(Debug, Serialize)]
pub struct DiscoveryStatus {
    /// Where.
    pub source: String,
    /// How long ago they were last found; nothing when they never were.
    pub age_seconds: Option<u64>,
    /// Why the last look-up failed.
    pub error: Option<String>,
}

/// One endpoint.
#[derive(Debug, Serialize)]
pub struct EndpointStatus {
    /// Its address.
    pub address: String,
    /// Its share of the ring.
    pub weight: u32,
    /// `unproven`, `healthy`, `out`, `ejected` or `draining`.
    pub state: &'static str,
    /// Requests sent there and not answered yet.
    pub in_flight: usize,
    /// Upgraded connections that lead there.
    pub sockets: usize,
    /// Requests it answered.
    pub answers: u64,
    /// Answers that were its fault (5xx), and requests it did not answer.
    pub failures: u64,
    /// How long its answers took to begin.
    pub latency: LatencyStatus,
}

/// Every pool and endpoint.
pub fn pools(snapshot: &Snapshot, journal: &Journal, metrics: &Metrics) -> Vec<PoolStatus> {
    let requests = sums(&metrics.requests, ["pool", "class"]);
    let retries = sums(&metrics.retries, ["pool", "reason"]);
    let shed = sums(&metrics.limits.shed, ["pool", "reason"]);
    let of = |sums: &BTreeMap<String, BTreeMap<String, u64>>, pool: &str| {
        sums.get(pool).cloned().unwrap_or_default()
    };
    let describe = |pool: &Arc<Pool>| PoolStatus {
        name: pool.settings.name.clone(),
        policy: pool.settings.policy.name(),
        serving: pool.serving(),
        panic: pool.panics(),
        discovery: discovery(&pool.settings, journal),
        requests: of(&requests, &pool.settings.name),
        retries: of(&retries, &pool.settings.name),
        shed: of(&shed, &pool.settings.name),
        limits: LimitsStatus::of(pool.door.requests.load(pool.in_flight_max())),
        endpoints: pool
            .endpoints
            .iter()
            .zip(&pool.settings.endpoints)
            .map(|(endpoint, settings)| EndpointStatus {
                address: endpoint.name.clone(),
                weight: settings.weight,
                state: endpoint.state().name(),
                in_flight: endpoint.in_flight(),
                sockets: endpoint.sockets(),
                answers: endpoint.traffic.answers(),
                failures: endpoint.traffic.failures(),
                latency: LatencyStatus::of(endpoint.traffic.latency()),
            })
            .collect(),
    };
    snapshot.pools.iter().map(describe).collect()
}

fn discovery(pool: &config::Pool, journal: &Journal) -> Option<DiscoveryStatus> {
    if pool.discovery == Discovery::Static {
        return None;
    }
    let entry = journal.of(&pool.name).unwrap_or_default();
    Some(DiscoveryStatus {
        source: pool.discovery.to_string(),
        age_seconds: entry.found_at.map(|at| at.elapsed().as_secs()),
        error: entry.error,
    })
}

/// Names of the pools in which nobody can serve.
pub fn pools_unavailable(snapshot: &Snapshot) -> Vec<String> {
    let empty = snapshot.pools.iter().filter(|pool| pool.serving() == 0);
    empty.map(|pool| pool.settings.name.clone()).collect()
}
