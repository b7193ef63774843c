//! The TOML as written: keys, defaults, nothing decided. Unknown keys are errors everywhere.
//! It must not interpret: what a value means is for [`super::Config`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor, value::MapAccessDeserializer};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where the balancer listens.
    #[serde(default)]
    pub listen: Listen,
    /// Worker threads of the public listener; one per core when left out.
    pub threads: Option<usize>,
    /// What is let in, and how much of it.
    #[serde(default)]
    pub edge: Edge,
    /// The cookie that keeps a client on one endpoint.
    #[serde(default)]
    pub affinity: Affinity,
    /// How often a request may be tried again.
    #[serde(default)]
    pub retry: Retry,
    /// Limits of the response cache.
    #[serde(default)]
    pub cache: Cache,
    /// One JSON line per request.
    #[serde(default)]
    pub access_log: AccessLog,
    /// Path patterns to pools.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Named groups of endpoints.
    #[serde(default)]
    pub pools: BTreeMap<String, Pool>,
}

/// `[listen]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Address of the public listener.
    pub public: String,
    /// Address of the admin listener.
    pub admin: String,
}

impl Default for Listen {
    fn default() -> Self {
        Self { public: "127.0.0.1:8080".into(), admin: "127.0.0.1:8081".into() }
    }
}

/// `[edge]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Edge {
    /// Networks whose forwarding headers and request ids are believed.
    pub trusted: Vec<String>,
    /// Path patterns that are never routed, whatever the routes say.
    pub never: Vec<String>,
    /// Request line and headers together, in bytes.
    pub header_bytes_max: usize,
    /// Header fields of one request.
    pub header_fields_max: usize,
    /// Request body in bytes, unless the route says otherwise.
    pub body_bytes_max: usize,
    /// The whole header must have arrived after this many seconds.
    pub header_seconds: u64,
    /// Longest pause inside a request body, in seconds.
    pub body_idle_seconds: u64,
    /// Longest time a client may block one write of ours, in seconds.
    pub write_seconds: u64,
    /// How long an idle client connection stays open, in seconds.
    pub keepalive_seconds: u64,
    /// After SIGTERM requests are let in for this many seconds, so that whoever balances in front sees that this one
    /// is not ready.
    pub drain_notice_seconds: u64,
    /// After that, requests in flight get this many seconds to end.
    pub drain_seconds: u64,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            trusted: Vec::new(),
            never: Vec::new(),
            header_bytes_max: 16 * 1024,
            header_fields_max: 64,
            body_bytes_max: 64 * 1024,
            header_seconds: 10,
            body_idle_seconds: 15,
            write_seconds: 30,
            keepalive_seconds: 75,
            drain_notice_seconds: 2,
            drain_seconds: 10,
        }
    }
}

/// `[affinity]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Affinity {
    /// Name of the cookie.
    pub cookie: String,
    /// Adds `Secure`; for when TLS ends in front of the balancer.
    pub secure: bool,
}

impl Default for Affinity {
    fn default() -> Self {
        Self { cookie: "affinity".into(), secure: false }
    }
}

/// `[retry]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Endpoints one request may be tried on, the first included.
    pub attempts_max: usize,
    /// Requests sent twice may be this share of all requests of a pool.
    pub budget_percent: u32,
    /// Requests that may be sent twice before the share counts.
    pub budget_burst: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts_max: 4, budget_percent: 20, budget_burst: 512 }
    }
}

/// `[cache]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Everything stored together, in bytes.
    pub bytes_max: usize,
    /// Stored answers.
    pub entries_max: usize,
    /// One stored body, in bytes.
    pub object_bytes_max: usize,
    /// How long a request waits for another one that is already fetching the same answer.
    pub lock_wait_ms: u64,
    /// How long past its freshness an answer may stand in for an upstream that fails.
    pub stale_if_error_seconds: u32,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            bytes_max: 64 * 1024 * 1024,
            entries_max: 10_000,
            object_bytes_max: 1024 * 1024,
            lock_wait_ms: 2_000,
            stale_if_error_seconds: 60,
        }
    }
}

/// `[access_log]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// Off means no line at all.
    pub enabled: bool,
    /// A file to append to; `-` is stdout.
    pub path: String,
    /// Lines that may wait for the writer; beyond it lines are dropped and counted.
    pub queue_lines_max: usize,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { enabled: true, path: "-".into(), queue_lines_max: 8_192 }
    }
}

/// `[[routes]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The path pattern.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Name of the pool that answers.
    pub pool: String,
    /// Whether answers marked public may be stored.
    #[serde(default)]
    pub cache: bool,
    /// Request body in bytes; `edge.body_bytes_max` when left out.
    pub body_bytes_max: Option<usize>,
    /// Longest silence of the upstream; the pool's `read_ms` when left out.
    pub read_ms: Option<u64>,
}

/// `[pools.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Who can serve.
    pub endpoints: Vec<Endpoint>,
    /// How one of them is chosen.
    #[serde(default)]
    pub policy: Policy,
    /// TCP connect, in milliseconds.
    #[serde(default = "connect_ms")]
    pub connect_ms: u64,
    /// Longest silence of the upstream (first byte, and between bytes), in milliseconds.
    #[serde(default = "read_ms")]
    pub read_ms: u64,
    /// Longest time one write to the upstream may block, in milliseconds.
    #[serde(default = "write_ms")]
    pub write_ms: u64,
    /// How long an idle upstream connection is kept; shorter than the service keeps it.
    #[serde(default = "idle_seconds")]
    pub idle_seconds: u64,
    /// Idle upstream connections kept per endpoint.
    #[serde(default = "idle_connections_max")]
    pub idle_connections_max: usize,
    /// The active check.
    #[serde(default)]
    pub health: Health,
}

fn connect_ms() -> u64 {
    1_000
}
fn read_ms() -> u64 {
    15_000
}
fn write_ms() -> u64 {
    10_000
}
fn idle_seconds() -> u64 {
    20
}
fn idle_connections_max() -> usize {
    128
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Consistent hash of the client's affinity cookie.
    #[default]
    RingHash,
}

/// `"127.0.0.1:7101"`, or `{ address = "127.0.0.1:7101", weight = 2 }`.
#[derive(Debug)]
pub struct Endpoint {
    /// IP address and port.
    pub address: String,
    /// Share of the ring relative to the others.
    pub weight: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightedEndpoint {
    address: String,
    #[serde(default = "weight")]
    weight: u32,
}

fn weight() -> u32 {
    1
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EndpointVisitor)
    }
}

struct EndpointVisitor;

impl<'de> Visitor<'de> for EndpointVisitor {
    type Value = Endpoint;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"ip:port\" or { address = \"ip:port\", weight = N }")
    }

    fn visit_str<E: serde::de::Error>(self, address: &str) -> Result<Endpoint, E> {
        Ok(Endpoint { address: address.to_owned(), weight: weight() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Endpoint, A::Error> {
        let WeightedEndpoint { address, weight } =
            WeightedEndpoint::deserialize(MapAccessDeserializer::new(map)).map_err(A::Error::custom)?;
        Ok(Endpoint { address, weight })
    }
}

/// `[pools.NAME.health]`. An endpoint that says it is going away must be out before it does: `fall` intervals take
/// half of the two seconds of notice that our services give.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// Path that answers 200 when the endpoint can serve.
    pub path: String,
    /// Pause between two checks, in milliseconds (a tenth of jitter is added).
    pub interval_ms: u64,
    /// A check that takes longer has failed.
    pub timeout_ms: u64,
    /// Successes in a row before an endpoint serves again.
    pub rise: u32,
    /// Failures in a row before an endpoint stops serving.
    pub fall: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self { path: "/readyz".into(), interval_ms: 500, timeout_ms: 800, rise: 1, fall: 2 }
    }
}
