//! `[pools.NAME.health]`: the active check.

use std::time::Duration;

use http::uri::PathAndQuery;
use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;

/// `[pools.NAME.health]` as written. An endpoint that says it is going away must be out before it does: `fall`
/// intervals take half of the two seconds of notice that our services give.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Path that answers 200 when the endpoint can serve.
    path: String,
    /// Pause between two checks, in milliseconds (a tenth of jitter is added).
    interval_ms: u64,
    /// A check that takes longer has failed.
    timeout_ms: u64,
    /// Successes in a row before an endpoint serves again.
    rise: u32,
    /// Failures in a row before an endpoint stops serving.
    fall: u32,
}

impl Default for Written {
    fn default() -> Self {
        Self { path: "/readyz".into(), interval_ms: 500, timeout_ms: 800, rise: 1, fall: 2 }
    }
}

/// The active check of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Written {
    pub(super) fn read(&self, reader: &Reader<'_>, pool: &str) -> Result<Health, ConfigError> {
        let at = |key| ["pools", pool, "health", key];
        // A parser that forgives leaves out what it forgave.
        let path = self.path.parse::<PathAndQuery>().ok();
        let path = path.filter(|path| self.path.starts_with('/') && path.as_str() == self.path);
        let Some(path) = path else {
            return reader.wrong(&at("path"), "must be a path such as \"/readyz\"");
        };
        Ok(Health {
            path,
            interval: reader.milliseconds(&at("interval_ms"), self.interval_ms)?,
            timeout: reader.milliseconds(&at("timeout_ms"), self.timeout_ms)?,
            rise: reader.at_least_one(&at("rise"), self.rise)?,
            fall: reader.at_least_one(&at("fall"), self.fall)?,
        })
    }
}
