//! `[pools.NAME]`: endpoints that can answer the same requests, and how they are used.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::discovery::{self, Discovery};
use super::endpoint::{self, Endpoint};
use super::hash_on::{self, HashOn};
use super::health::{self, Health};
use super::limits::{self, PoolLimits};
use super::outlier::{self, Outlier};
use super::policy::{self, Policy};
use super::reader::Reader;
use super::{ConfigError, File};

/// Idle connections kept per endpoint.
pub const IDLE_CONNECTIONS_MAX: usize = 16_384;

/// `[pools.NAME]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Who can serve; or else `dns` or `file`, which say where to look for them.
    endpoints: Option<Vec<endpoint::Written>>,
    dns: Option<discovery::WrittenDns>,
    file: Option<PathBuf>,
    /// How one of them is chosen.
    #[serde(default)]
    policy: policy::Name,
    /// Of its share, what one endpoint may have in flight; 0 for no bound.
    load_factor: Option<f64>,
    /// What requests are placed by.
    hash_on: Option<String>,
    /// TCP connect, in milliseconds.
    #[serde(default = "connect_ms")]
    connect_ms: u64,
    /// From a request's end to the first byte of its answer, in milliseconds.
    #[serde(default = "first_byte_ms")]
    pub(super) first_byte_ms: u64,
    /// Longest silence inside an answer, in milliseconds.
    #[serde(default = "answer_idle_ms")]
    pub(super) answer_idle_ms: u64,
    /// From a request's header to the end of its answer, in milliseconds; 0 is any time. Upgraded connections have their own.
    #[serde(default = "total_ms")]
    pub(super) total_ms: u64,
    /// Longest time one write to the upstream may block, in milliseconds.
    #[serde(default = "write_ms")]
    write_ms: u64,
    /// How long an idle upstream connection is kept; shorter than the service keeps it.
    #[serde(default = "idle_seconds")]
    idle_seconds: u64,
    /// Idle upstream connections kept per endpoint.
    #[serde(default = "idle_connections_max")]
    idle_connections_max: usize,
    /// The active check.
    #[serde(default)]
    health: health::Written,
    /// What it can take.
    #[serde(default)]
    limits: limits::WrittenPool,
    /// What takes out an endpoint whose checks pass.
    #[serde(default)]
    outlier: outlier::Written,
}

fn connect_ms() -> u64 {
    1_000
}
fn first_byte_ms() -> u64 {
    15_000
}
fn answer_idle_ms() -> u64 {
    15_000
}
fn total_ms() -> u64 {
    120_000
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

/// Endpoints with one policy and one set of limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Its name in metrics and logs.
    pub name: String,
    /// Where its endpoints come from.
    pub discovery: Discovery,
    /// Its endpoints, as far as they are known.
    pub endpoints: Vec<Endpoint>,
    /// How one of them is chosen.
    pub policy: Policy,
    /// What requests are placed by, where their route does not say.
    pub hash_on: HashOn,
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
    /// What it can take.
    pub limits: PoolLimits,
    /// What takes out an endpoint whose checks pass; none when it is off.
    pub outlier: Option<Outlier>,
}

impl Pool {
    /// These settings where these endpoints were known before: they stay until a look-up has found others.
    #[must_use]
    pub fn knowing(mut self, endpoints: &[Endpoint]) -> Self {
        if self.discovery != Discovery::Static {
            self.endpoints = endpoints.to_vec();
        }
        self
    }
}

/// All pools, in the order of their names.
pub(super) fn read_all(reader: &Reader<'_>, file: &File) -> Result<Vec<Pool>, ConfigError> {
    if file.pools.is_empty() {
        return reader.wrong(&["pools"], "no pool at all; add [pools.NAME] with endpoints");
    }
    file.pools.iter().map(|(name, pool)| pool.read(reader, name)).collect()
}

impl Written {
    fn read(&self, reader: &Reader<'_>, name: &str) -> Result<Pool, ConfigError> {
        let at = |key| ["pools", name, key];
        reader.milliseconds(&at("first_byte_ms"), self.first_byte_ms)?;
        reader.milliseconds(&at("answer_idle_ms"), self.answer_idle_ms)?;
        let (discovery, endpoints) = self.endpoints(reader, name)?;
        reader.total(&at("total_ms"), self.total_ms)?;
        let policy = policy::read(reader, name, self.policy, self.load_factor)?;
        let hash_on = self.hash_on.as_deref();
        Ok(Pool {
            name: name.to_owned(),
            discovery,
            endpoints,
            policy,
            hash_on: hash_on::read(reader, &at("hash_on"), hash_on, policy, &HashOn::Affinity)?,
            connect: reader.milliseconds(&at("connect_ms"), self.connect_ms)?,
            write: reader.milliseconds(&at("write_ms"), self.write_ms)?,
            idle: reader.seconds(&at("idle_seconds"), self.idle_seconds)?,
            idle_connections_max: reader.size(
                &at("idle_connections_max"),
                self.idle_connections_max,
                IDLE_CONNECTIONS_MAX,
            )?,
            health: self.health.read(reader, name)?,
            limits: self.limits.read(reader, name)?,
            outlier: self.outlier.read(reader, name)?,
        })
    }

    /// Where the endpoints come from, and those that are known already.
    fn endpoints(&self, reader: &Reader<'_>, name: &str) -> Result<(Discovery, Vec<Endpoint>), ConfigError> {
        // The environment can empty a list of the file, not remove it.
        let elsewhere = self.dns.is_some() || self.file.is_some();
        let listed = self.endpoints.as_ref().filter(|listed| !(listed.is_empty() && elsewhere));
        match (listed, &self.dns, &self.file) {
            (Some(written), None, None) => {
                let endpoints = endpoint::read_all(reader, &["pools", name, "endpoints"], written)?;
                Ok((Discovery::Static, endpoints))
            }
            (None, Some(dns), None) => Ok((Discovery::Dns(dns.read(reader, name)?), Vec::new())),
            (None, None, Some(path)) => Ok((Discovery::File(path.clone()), Vec::new())),
            (None, None, None) => {
                let message = "nobody can serve; add `endpoints`, or `dns` or `file` that says where to look";
                reader.wrong(&["pools", name], message)
            }
            _ => reader.wrong(&["pools", name], "more than one of `endpoints`, `dns` and `file`; keep one"),
        }
    }
}
