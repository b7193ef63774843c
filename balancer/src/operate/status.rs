//! What the fleet looks like right now, for people and for `/healthz`.

use std::sync::Arc;

use serde::Serialize;

use super::reload::LastReload;
use crate::config::{self, Discovery};
use crate::fleet::Snapshot;
use crate::fleet::discovery::journal::Journal;
use crate::fleet::pool::Pool;

/// The answer to `GET /status`.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Every pool.
    pub pools: Vec<PoolStatus>,
    /// Whether the balancer is going down.
    pub draining: bool,
    /// Requests being worked on.
    pub requests_in_flight: usize,
    /// How the last attempt to take over another configuration went.
    pub reload: LastReload,
}

/// One pool.
#[derive(Debug, Serialize)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// Endpoints that can serve.
    pub serving: usize,
    /// How its endpoints are looked up, where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<DiscoveryStatus>,
    /// All of them.
    pub endpoints: Vec<EndpointStatus>,
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
    /// `unproven`, `healthy`, `out` or `draining`.
    pub state: &'static str,
    /// Requests sent there and not answered yet.
    pub in_flight: usize,
    /// Upgraded connections that lead there.
    pub sockets: usize,
}

/// Every pool and endpoint.
pub fn pools(snapshot: &Snapshot, journal: &Journal) -> Vec<PoolStatus> {
    let describe = |pool: &Arc<Pool>| PoolStatus {
        name: pool.settings.name.clone(),
        serving: pool.serving(),
        discovery: discovery(&pool.settings, journal),
        endpoints: pool
            .endpoints
            .iter()
            .zip(&pool.settings.endpoints)
            .map(|(endpoint, settings)| EndpointStatus {
                address: endpoint.name.clone(),
                weight: settings.weight,
                state: endpoint.state_name(),
                in_flight: endpoint.in_flight(),
                sockets: endpoint.sockets(),
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
