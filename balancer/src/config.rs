//! What the program uses: parsed, validated, in the types the code needs.
//! It must not open sockets or files other than the configuration itself.

pub mod file;
pub mod pattern;
mod reader;
pub mod source;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::PathAndQuery;
use ipnet::IpNet;

use self::file::File;
use self::pattern::Pattern;
use self::reader::Reader;
use self::source::Source;
pub use crate::config::file::Policy;

/// Endpoints of one pool: a request remembers those it tried in one machine word.
pub const ENDPOINTS_PER_POOL_MAX: usize = 64;
/// Idle connections kept per endpoint.
pub const IDLE_CONNECTIONS_MAX: usize = 16_384;
/// Access log lines that may wait; their places are allocated at the start.
pub const QUEUE_LINES_MAX: usize = 1 << 20;
/// Worker threads.
pub const THREADS_MAX: usize = 1_024;
/// Any time that is given in seconds: a day, so that no sum of times overflows.
pub const SECONDS_MAX: u64 = 86_400;
/// Any time that is given in milliseconds: a day too.
pub const MILLISECONDS_MAX: u64 = SECONDS_MAX * 1_000;
/// Weight of one endpoint, so that a ring stays small.
pub const ENDPOINT_WEIGHT_MAX: u32 = 16;
/// The balancer's own parser stops here; a larger limit would never be reached.
pub const HEADER_FIELDS_LIMIT: usize = 256;

/// One clear line: where, what, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigError {
    /// File and line, or the variable.
    pub place: String,
    /// What is wrong there and what would be right.
    pub message: String,
}

/// Everything the balancer is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the public listener.
    pub public: SocketAddr,
    /// Address of the admin listener.
    pub admin: SocketAddr,
    /// Worker threads of the public listener.
    pub threads: usize,
    /// What is let in.
    pub edge: Edge,
    /// The affinity cookie.
    pub affinity: Affinity,
    /// Limits on second tries.
    pub retry: Retry,
    /// Limits of the cache.
    pub cache: Cache,
    /// Where the access log goes; none when it is off.
    pub access_log: Option<AccessLog>,
    /// Routes, the most specific first.
    pub routes: Vec<Route>,
    /// Pools, by index of [`Route::pool`].
    pub pools: Vec<Pool>,
}

/// Limits and trust at the public listener.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Networks whose forwarding headers are believed.
    pub trusted: Vec<IpNet>,
    /// Paths that are never routed, for paths in lower case.
    pub never: Vec<Pattern>,
    /// Request line and headers, in bytes.
    pub header_bytes_max: usize,
    /// Header fields.
    pub header_fields_max: usize,
    /// Deadline of a whole header.
    pub header: Duration,
    /// Longest pause inside a request body.
    pub body_idle: Duration,
    /// Longest block of one write to a client.
    pub write: Duration,
    /// Life of an idle client connection.
    pub keepalive: Duration,
    /// Time between saying that it is not ready and letting nobody in.
    pub drain_notice: Duration,
    /// Time after that for requests in flight to end.
    pub drain: Duration,
}

impl Edge {
    /// Whether this sender's forwarding headers are believed.
    pub fn trusts(&self, sender: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&sender))
    }
}

/// The affinity cookie.
#[derive(Debug, Clone)]
pub struct Affinity {
    /// Its name.
    pub cookie: String,
    /// Whether it carries `Secure`.
    pub secure: bool,
}

/// Limits on second tries.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Endpoints one request may be tried on.
    pub attempts_max: usize,
    /// Share of requests that may be sent twice.
    pub budget_percent: u32,
    /// Requests that may be sent twice before the share counts.
    pub budget_burst: u32,
}

/// Limits of the cache.
#[derive(Debug, Clone, Copy)]
pub struct Cache {
    /// All stored answers, in bytes.
    pub bytes_max: usize,
    /// Stored answers.
    pub entries_max: usize,
    /// One stored body, in bytes.
    pub object_bytes_max: usize,
    /// Longest wait for another request's fetch.
    pub lock_wait: Duration,
    /// Seconds past freshness that an answer may replace an error.
    pub stale_if_error_seconds: u32,
}

/// Where access log lines go.
#[derive(Debug, Clone)]
pub struct AccessLog {
    /// A file; stdout when none.
    pub path: Option<PathBuf>,
    /// Lines that may wait.
    pub queue_lines_max: usize,
}

/// A pattern and what happens to requests that match it.
#[derive(Debug, Clone)]
pub struct Route {
    /// Which paths.
    pub pattern: Pattern,
    /// Index into [`Config::pools`].
    pub pool: usize,
    /// Whether answers marked public may be stored.
    pub cache: bool,
    /// Request body, in bytes.
    pub body_bytes_max: usize,
    /// Longest silence of the upstream.
    pub read: Duration,
}

/// Endpoints with one policy and one set of limits.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its name in metrics and logs.
    pub name: String,
    /// Address and weight of each endpoint.
    pub endpoints: Vec<(SocketAddr, u32)>,
    /// How one of them is chosen.
    pub policy: Policy,
    /// TCP connect.
    pub connect: Duration,
    /// One blocked write.
    pub write: Duration,
    /// Life of an idle upstream connection.
    pub idle: Duration,
    /// Idle connections kept per endpoint.
    pub idle_connections_max: usize,
    /// The active check.
    pub health: Health,
}

/// The active check of a pool.
#[derive(Debug, Clone)]
pub struct Health {
    /// Path that answers 200.
    pub path: PathAndQuery,
    /// Pause between checks.
    pub interval: Duration,
    /// Deadline of a check.
    pub timeout: Duration,
    /// Successes in a row to come in.
    pub rise: u32,
    /// Failures in a row to go out.
    pub fall: u32,
}

impl Config {
    /// Reads the file and the process's environment.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        // A variable that is not Unicode cannot be one of ours, and must not stop the balancer.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::from_source(&Source::read(path, environment)?)
    }

    /// Validates what a source says.
    pub fn from_source(source: &Source) -> Result<Self, ConfigError> {
        let file: File = source.parse()?;
        Reader { source }.config(file)
    }
}
