//! `[cache]`: limits of the response cache.

use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;

/// `[cache]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Everything stored together, in bytes.
    bytes_max: usize,
    /// Stored answers.
    entries_max: usize,
    /// One stored body, in bytes.
    object_bytes_max: usize,
    /// How long a request waits for another one that is already fetching the same answer.
    lock_wait_ms: u64,
    /// How long past its freshness an answer may stand in for an upstream that fails, where it does not say.
    stale_if_error_seconds: u32,
    /// Longest lifetime of an answer that says when it changed last and not how long it is fresh.
    heuristic_seconds_max: u64,
    /// Whether clients may ask for an answer newer than the stored one.
    client_revalidation: bool,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            bytes_max: 64 * 1024 * 1024,
            entries_max: 10_000,
            object_bytes_max: 1024 * 1024,
            lock_wait_ms: 2_000,
            stale_if_error_seconds: 60,
            heuristic_seconds_max: 300,
            client_revalidation: false,
        }
    }
}

/// Limits of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cache {
    /// All stored answers, in bytes.
    pub bytes_max: usize,
    /// Stored answers.
    pub entries_max: usize,
    /// One stored body, in bytes.
    pub object_bytes_max: usize,
    /// Longest wait for another request's fetch.
    pub lock_wait: Duration,
    /// Seconds past freshness that an answer may replace an error, where it does not say.
    pub stale_if_error_seconds: u32,
    /// Longest lifetime of an answer that says none.
    pub heuristic_max: Duration,
    /// Whether clients may ask for an answer newer than the stored one.
    pub client_revalidation: bool,
}

impl Written {
    pub(super) fn read(&self, reader: &Reader<'_>) -> Result<Cache, ConfigError> {
        if self.object_bytes_max > self.bytes_max {
            return reader.wrong(&["cache", "object_bytes_max"], "larger than bytes_max; lower it");
        }
        Ok(Cache {
            bytes_max: reader.at_least_one(&["cache", "bytes_max"], self.bytes_max)?,
            entries_max: reader.at_least_one(&["cache", "entries_max"], self.entries_max)?,
            object_bytes_max: self.object_bytes_max,
            lock_wait: reader.milliseconds(&["cache", "lock_wait_ms"], self.lock_wait_ms)?,
            stale_if_error_seconds: self.stale_if_error_seconds,
            heuristic_max: Duration::from_secs(self.heuristic_seconds_max),
            client_revalidation: self.client_revalidation,
        })
    }
}
