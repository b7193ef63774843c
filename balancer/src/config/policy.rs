//! `policy` and `load_factor` of a pool: how one of its endpoints is chosen.

use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;

/// What an endpoint may have in flight, as a multiple of its share: the bound when none is written.
pub const LOAD_FACTOR: f64 = 1.25;
/// Above this a bound bounds nothing.
pub const LOAD_FACTOR_MAX: f64 = 100.0;

/// The policy's name as written.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Name {
    #[default]
    RingHash,
    Maglev,
    LeastRequest,
    RoundRobin,
}

/// How an endpoint is chosen. Those that hash may bound the load of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// Consistent hash on a ring: when the pool changes, only keys of those concerned move.
    RingHash {
        /// Of its share, what an endpoint may have in flight; none when there is no bound.
        load_factor: Option<f64>,
    },
    /// Consistent hash in a table: shares are even, a few more keys move when the pool changes.
    Maglev {
        /// As for the ring.
        load_factor: Option<f64>,
    },
    /// Of two that are drawn by weight, the one with fewer requests in flight.
    LeastRequest,
    /// In turns, by weight.
    RoundRobin,
}

impl Policy {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::RingHash { .. } => "ring_hash",
            Self::Maglev { .. } => "maglev",
            Self::LeastRequest => "least_request",
            Self::RoundRobin => "round_robin",
        }
    }

    /// Whether it looks at a request's key.
    pub fn hashes(self) -> bool {
        match self {
            Self::RingHash { .. } | Self::Maglev { .. } => true,
            Self::LeastRequest | Self::RoundRobin => false,
        }
    }
}

/// The policy of a pool.
pub(super) fn read(
    reader: &Reader<'_>,
    pool: &str,
    name: Name,
    load_factor: Option<f64>,
) -> Result<Policy, ConfigError> {
    let path = ["pools", pool, "load_factor"];
    let policy = match name {
        Name::RingHash => Policy::RingHash { load_factor: bound(reader, &path, load_factor)? },
        Name::Maglev => Policy::Maglev { load_factor: bound(reader, &path, load_factor)? },
        Name::LeastRequest => Policy::LeastRequest,
        Name::RoundRobin => Policy::RoundRobin,
    };
    if load_factor.is_some() && !policy.hashes() {
        return reader.wrong(&path, "this policy does not hash; remove it, or use `ring_hash` or `maglev`");
    }
    Ok(policy)
}

fn bound(reader: &Reader<'_>, path: &[&str], factor: Option<f64>) -> Result<Option<f64>, ConfigError> {
    match factor.unwrap_or(LOAD_FACTOR) {
        0.0 => Ok(None),
        factor if factor > 1.0 && factor <= LOAD_FACTOR_MAX => Ok(Some(factor)),
        factor => {
            let message = format!(
                "{factor} is not a bound; use more than 1 and at most {LOAD_FACTOR_MAX}, such as {LOAD_FACTOR}, or 0 for none"
            );
            reader.wrong(path, message)
        }
    }
}
