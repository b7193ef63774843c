//! `[retry]`: how often a request may be tried again.

use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;

/// `[retry]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Endpoints one request may be tried on, the first included.
    attempts_max: usize,
    /// Requests sent twice may be this share of all requests of a pool.
    budget_percent: u32,
    /// Requests that may be sent twice before the share counts.
    budget_burst: u32,
}

impl Default for Written {
    fn default() -> Self {
        Self { attempts_max: 4, budget_percent: 20, budget_burst: 512 }
    }
}

/// Limits on second tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Endpoints one request may be tried on.
    pub attempts_max: usize,
    /// Share of requests that may be sent twice.
    pub budget_percent: u32,
    /// Requests that may be sent twice before the share counts.
    pub budget_burst: u32,
}

impl Written {
    pub(super) fn read(&self, reader: &Reader<'_>) -> Result<Retry, ConfigError> {
        if self.budget_percent > 100 {
            return reader.wrong(&["retry", "budget_percent"], "more than every request; use 0 to 100");
        }
        Ok(Retry {
            attempts_max: reader.at_least_one(&["retry", "attempts_max"], self.attempts_max)?,
            budget_percent: self.budget_percent,
            budget_burst: self.budget_burst,
        })
    }
}
