//! `[pools.NAME.health]`: the active check, and how a pool lives with endpoints that fail it or come back.

use std::ops::RangeInclusive;
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
    /// What is asked.
    kind: Kind,
    /// Path that is asked by HTTP.
    path: String,
    /// Statuses that pass, one by one or as ranges; 200 when left out.
    expect_status: Option<Vec<Status>>,
    /// Text that the answer's first 64 KiB must contain.
    expect_body: Option<String>,
    /// Pause between two checks, in milliseconds (a tenth of jitter is added).
    interval_ms: u64,
    /// A check that takes longer has failed.
    timeout_ms: u64,
    /// Successes in a row before an endpoint serves again.
    rise: u32,
    /// Failures in a row before an endpoint stops serving.
    fall: u32,
    /// Whoever comes back has its whole share after this many seconds; 0 means at once.
    slow_start_seconds: u64,
    /// When a smaller share of a pool serves, the others are asked too.
    panic_percent: u32,
}

/// What a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// `GET path`.
    Http,
    /// Whether a connection can be made.
    Tcp,
}

/// `200`, or `"200-299"`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a status such as 200, or a range such as \"200-299\"")]
enum Status {
    One(u16),
    Range(String),
}

impl Default for Written {
    fn default() -> Self {
        Self {
            kind: Kind::Http,
            path: "/readyz".into(),
            expect_status: None,
            expect_body: None,
            interval_ms: 500,
            timeout_ms: 800,
            rise: 1,
            fall: 2,
            slow_start_seconds: 10,
            panic_percent: 30,
        }
    }
}

/// The active check of a pool, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked.
    pub check: Check,
    /// Pause between checks.
    pub interval: Duration,
    /// Deadline of a check.
    pub timeout: Duration,
    /// Successes in a row to come in.
    pub rise: u32,
    /// Failures in a row to go out.
    pub fall: u32,
    /// From a tenth of the share to all of it.
    pub slow_start: Duration,
    /// When a smaller share of the pool serves, the others are asked too.
    pub panic_percent: u32,
}

/// One question to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Whether a connection can be made. A process that stands still passes: its system accepts.
    Tcp,
    /// What it answers.
    Http(HttpCheck),
}

/// `GET path`, and the answers that pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// The path.
    pub path: PathAndQuery,
    /// Statuses that pass.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// Text that the answer must contain.
    pub body: Option<String>,
}

impl Written {
    pub(super) fn read(&self, reader: &Reader<'_>, pool: &str) -> Result<Health, ConfigError> {
        let at = |key| ["pools", pool, "health", key];
        Ok(Health {
            check: match self.kind {
                Kind::Http => Check::Http(self.http(reader, pool)?),
                Kind::Tcp => self.tcp(reader, pool)?,
            },
            interval: reader.milliseconds(&at("interval_ms"), self.interval_ms)?,
            timeout: reader.milliseconds(&at("timeout_ms"), self.timeout_ms)?,
            rise: reader.at_least_one(&at("rise"), self.rise)?,
            fall: reader.at_least_one(&at("fall"), self.fall)?,
            slow_start: reader.seconds_or_none(&at("slow_start_seconds"), self.slow_start_seconds)?,
            panic_percent: reader.at_most(&at("panic_percent"), self.panic_percent, 100)?,
        })
    }

    fn tcp(&self, reader: &Reader<'_>, pool: &str) -> Result<Check, ConfigError> {
        let expects =
            [("expect_status", self.expect_status.is_some()), ("expect_body", self.expect_body.is_some())];
        if let Some((key, _)) = expects.iter().find(|(_, written)| *written) {
            let message = "a connection answers nothing; remove it or use kind = \"http\"";
            return reader.wrong(&["pools", pool, "health", key], message);
        }
        Ok(Check::Tcp)
    }

    fn http(&self, reader: &Reader<'_>, pool: &str) -> Result<HttpCheck, ConfigError> {
        let at = |key| ["pools", pool, "health", key];
        // A parser that forgives leaves out what it forgave.
        let path = self.path.parse::<PathAndQuery>().ok();
        let path = path.filter(|path| self.path.starts_with('/') && path.as_str() == self.path);
        let Some(path) = path else {
            return reader.wrong(&at("path"), "must be a path such as \"/readyz\"");
        };
        if self.expect_body.as_ref().is_some_and(String::is_empty) {
            return reader
                .wrong(&at("expect_body"), "every answer contains nothing; write a text or remove it");
        }
        let statuses = self.expect_status.as_ref().map_or(Some(vec![200..=200]), |all| {
            all.iter().map(Status::range).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
        });
        let Some(statuses) = statuses else {
            return reader
                .wrong(&at("expect_status"), "must be statuses such as [200, \"300-399\"], from 200 to 599");
        };
        Ok(HttpCheck { path, statuses, body: self.expect_body.clone() })
    }
}

impl Status {
    fn range(&self) -> Option<RangeInclusive<u16>> {
        let range = match self {
            Self::One(status) => *status..=*status,
            Self::Range(text) => match text.split_once('-') {
                Some((first, last)) => first.trim().parse().ok()?..=last.trim().parse().ok()?,
                None => text.parse().ok().map(|status: u16| status..=status)?,
            },
        };
        (200 <= *range.start() && range.start() <= range.end() && *range.end() <= 599).then_some(range)
    }
}
