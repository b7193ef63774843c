//! What the fleet looks like right now, for people and for `/healthz`.

use serde::Serialize;

use crate::fleet::Fleet;

/// The answer to `GET /status`.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Every pool.
    pub pools: Vec<PoolStatus>,
    /// Whether the balancer is going down.
    pub draining: bool,
    /// Requests being worked on.
    pub requests_in_flight: usize,
}

/// One pool.
#[derive(Debug, Serialize)]
pub struct PoolStatus {
    /// Its name.
    pub name: String,
    /// Endpoints that can serve.
    pub serving: usize,
    /// All of them.
    pub endpoints: Vec<EndpointStatus>,
}

/// One endpoint.
#[derive(Debug, Serialize)]
pub struct EndpointStatus {
    /// Its address.
    pub address: String,
    /// Its share of the ring.
    pub weight: u32,
    /// `unproven`, `healthy` or `out`.
    pub state: &'static str,
    /// Requests sent there and not answered yet.
    pub in_flight: usize,
}

/// Every pool and endpoint.
pub fn pools(fleet: &Fleet) -> Vec<PoolStatus> {
    let snapshot = fleet.snapshot();
    let describe = |pool: &std::sync::Arc<crate::fleet::pool::Pool>| PoolStatus {
        name: pool.settings.name.clone(),
        serving: pool.serving(),
        endpoints: pool
            .endpoints
            .iter()
            .map(|endpoint| EndpointStatus {
                address: endpoint.name.clone(),
                weight: endpoint.weight,
                state: endpoint.state().name(),
                in_flight: endpoint.in_flight(),
            })
            .collect(),
    };
    snapshot.pools.iter().map(describe).collect()
}

/// Names of the pools in which nobody can serve.
pub fn pools_unavailable(fleet: &Fleet) -> Vec<String> {
    let snapshot = fleet.snapshot();
    let empty = snapshot.pools.iter().filter(|pool| pool.serving() == 0);
    empty.map(|pool| pool.settings.name.clone()).collect()
}
