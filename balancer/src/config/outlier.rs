//! `[pools.NAME.outlier]`: what takes an endpoint out whose checks pass.

use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;

/// `[pools.NAME.outlier]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Off means that only checks and refused connects take an endpoint out.
    enabled: bool,
    /// Failures in a row.
    consecutive_failures: u32,
    /// Share of failures among the requests of the window.
    failure_percent: u32,
    /// Requests in the window before the share counts.
    requests_min: u32,
    /// How far back the share looks.
    window_seconds: u64,
    /// How long the first ejection lasts; each one is twice as long as the one before.
    ejection_seconds: u64,
    /// The longest ejection; one is forgotten for each such time that the endpoint then stays in.
    ejection_seconds_max: u64,
    /// Share of a pool that may be ejected. One of two always may, the last one never.
    ejected_percent_max: u32,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_failures: 5,
            failure_percent: 20,
            requests_min: 20,
            window_seconds: 10,
            ejection_seconds: 5,
            ejection_seconds_max: 60,
            ejected_percent_max: 50,
        }
    }
}

/// When an endpoint is ejected, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlier {
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// Share of failures among the requests of the window.
    pub failure_percent: u32,
    /// Requests in the window before the share counts.
    pub requests_min: u32,
    /// How far back the share looks.
    pub window: Duration,
    /// The first ejection.
    pub ejection: Duration,
    /// The longest one.
    pub ejection_max: Duration,
    /// Share of a pool that may be ejected.
    pub ejected_percent_max: u32,
}

impl Default for Outlier {
    fn default() -> Self {
        Written::default().used()
    }
}

impl Written {
    pub(super) fn read(&self, reader: &Reader<'_>, pool: &str) -> Result<Option<Outlier>, ConfigError> {
        let at = |key| ["pools", pool, "outlier", key];
        reader.at_least_one(&at("consecutive_failures"), self.consecutive_failures)?;
        reader.at_least_one(&at("failure_percent"), self.failure_percent)?;
        reader.at_most(&at("failure_percent"), self.failure_percent, 100)?;
        reader.at_least_one(&at("requests_min"), self.requests_min)?;
        reader.seconds(&at("window_seconds"), self.window_seconds)?;
        reader.seconds(&at("ejection_seconds"), self.ejection_seconds)?;
        reader.seconds(&at("ejection_seconds_max"), self.ejection_seconds_max)?;
        reader.at_most(&at("ejected_percent_max"), self.ejected_percent_max, 100)?;
        if self.ejection_seconds > self.ejection_seconds_max {
            let message = "longer than ejection_seconds_max; lower it";
            return reader.wrong(&at("ejection_seconds"), message);
        }
        Ok(self.enabled.then(|| self.used()))
    }

    fn used(&self) -> Outlier {
        Outlier {
            consecutive_failures: self.consecutive_failures,
            failure_percent: self.failure_percent,
            requests_min: self.requests_min,
            window: Duration::from_secs(self.window_seconds),
            ejection: Duration::from_secs(self.ejection_seconds),
            ejection_max: Duration::from_secs(self.ejection_seconds_max),
            ejected_percent_max: self.ejected_percent_max,
        }
    }
}
