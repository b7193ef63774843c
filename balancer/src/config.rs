//! What the program uses: parsed, validated, in the types the code needs. Each section is a file of its own, with
//! the section as written, as it is used, and the way from one to the other.
//! It must not open sockets or files other than the configuration itself.

pub mod access_log;
pub mod affinity;
pub mod cache;
pub mod discovery;
pub mod edge;
pub mod endpoint;
pub mod hash_on;
pub mod health;
pub mod limits;
pub mod listen;
pub mod outlier;
pub mod pattern;
pub mod policy;
pub mod pool;
pub mod purge;
mod reader;
pub mod retry;
pub mod route;
pub mod source;
pub mod tls;
pub mod traces;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

pub use self::access_log::AccessLog;
pub use self::affinity::Affinity;
pub use self::cache::Cache;
pub use self::discovery::Discovery;
pub use self::edge::Edge;
pub use self::endpoint::{ENDPOINTS_PER_POOL_MAX, Endpoint};
pub use self::hash_on::HashOn;
pub use self::health::{Check, Health, HttpCheck};
pub use self::limits::{Key, Limits, PoolLimits, RateLimit};
pub use self::listen::Listen;
pub use self::outlier::Outlier;
pub use self::policy::Policy;
pub use self::pool::Pool;
pub use self::purge::Purge;
use self::reader::Reader;
pub use self::retry::Retry;
pub use self::route::Route;
use self::source::Source;
pub use self::tls::Tls;
pub use self::traces::Traces;

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
    /// Where it listens.
    pub listen: Listen,
    /// The part of it that speaks TLS.
    pub tls: Option<Tls>,
    /// Worker threads of the public listener.
    pub threads: usize,
    /// What is let in.
    pub edge: Edge,
    /// The affinity cookie.
    pub affinity: Affinity,
    /// Limits on second tries.
    pub retry: Retry,
    /// What one client may have open.
    pub limits: Limits,
    /// How often one client may ask.
    pub rate_limits: Vec<RateLimit>,
    /// Limits of the cache.
    pub cache: Cache,
    /// How stored answers are taken back.
    pub purge: Purge,
    /// Where the access log goes; none when it is off.
    pub access_log: Option<AccessLog>,
    /// Where traces go; none when nobody collects them.
    pub traces: Option<Traces>,
    /// Routes, the most specific first.
    pub routes: Vec<Route>,
    /// Pools, by index of [`Route::pool`].
    pub pools: Vec<Pool>,
}

/// The whole file as written. Unknown keys are errors everywhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    listen: listen::Written,
    #[serde(default)]
    tls: tls::Written,
    #[serde(default)]
    http2: tls::WrittenHttp2,
    threads: Option<usize>,
    #[serde(default)]
    edge: edge::Written,
    #[serde(default)]
    affinity: affinity::Written,
    #[serde(default)]
    retry: retry::Written,
    #[serde(default)]
    limits: limits::Written,
    #[serde(default)]
    rate_limits: Vec<limits::WrittenRate>,
    #[serde(default)]
    cache: cache::Written,
    #[serde(default)]
    purge: purge::Written,
    #[serde(default)]
    access_log: access_log::Written,
    #[serde(default)]
    traces: traces::Written,
    #[serde(default)]
    routes: Vec<route::Written>,
    #[serde(default)]
    pools: BTreeMap<String, pool::Written>,
}

impl Config {
    /// Reads the file and the process's environment.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        // A variable that is not Unicode cannot be one of ours, and must not stop the balancer.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::from_source(&Source::read(path, environment)?)
    }

    /// Validates what a source says, or says the first thing that is wrong with it.
    pub fn from_source(source: &Source) -> Result<Self, ConfigError> {
        let file: File = source.parse()?;
        let reader = &Reader { source };
        let pools = pool::read_all(reader, &file)?;
        let routes = route::read_all(reader, &file, &pools)?;
        let listen = file.listen.read(reader)?;
        Ok(Self {
            limits: file.limits.read(reader)?,
            rate_limits: limits::read_rates(reader, &file, &routes)?,
            routes,
            tls: tls::read(reader, &file, &listen)?,
            listen,
            threads: listen::threads(reader, file.threads)?,
            edge: file.edge.read(reader)?,
            affinity: file.affinity.read(reader)?,
            retry: file.retry.read(reader)?,
            cache: file.cache.read(reader)?,
            purge: file.purge.read(reader)?,
            access_log: file.access_log.read(reader)?,
            traces: file.traces.read(reader)?,
            pools,
        })
    }
}
