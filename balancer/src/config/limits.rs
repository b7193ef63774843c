//! `[limits]` and `[[rate_limits]]`: what one client may do. `[pools.NAME.limits]`: what a pool can take.

use std::time::Duration;

use http::HeaderName;
use serde::Deserialize;

use super::reader::Reader;
use super::route::Route;
use super::{ConfigError, File};
use crate::limit::admission::Settings;
use crate::limit::concurrency::Bounds;
use crate::limit::rate::{PER_SECOND_MAX, Quota};
use crate::secret::Secret;

/// Any number of requests or connections; with it no sum of them overflows.
const COUNT_MAX: usize = 1 << 24;
/// Rate limits: every request is held to each of them.
pub const RATE_LIMITS_MAX: usize = 16;
/// Tolerance of an adaptive limit, in percent.
const TOLERANCE_PERCENT_MAX: u32 = 10_000;

/// `[limits]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Where rate limits are shared with other balancers; empty: nowhere.
    redis_url: Secret,
    /// Connections that one client may have open, of whatever kind.
    client_connections_max: usize,
    /// Upgraded ones among them.
    client_sockets_max: usize,
}

impl Default for Written {
    fn default() -> Self {
        Self { redis_url: Secret::default(), client_connections_max: 16_384, client_sockets_max: 10_000 }
    }
}

/// What one client may have open, and where rates are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Where rate limits are shared with other balancers.
    pub redis_url: Option<Secret>,
    /// Connections that one client may have open, of whatever kind.
    pub client_connections_max: usize,
    /// Upgraded ones among them.
    pub client_sockets_max: usize,
}

impl Written {
    pub(super) fn read(&self, reader: &Reader<'_>) -> Result<Limits, ConfigError> {
        let path = ["limits", "redis_url"];
        if !self.redis_url.is_empty() && redis::Client::open(self.redis_url.reveal()).is_err() {
            return reader.wrong(&path, "not the URL of a Redis; write \"redis://127.0.0.1:6379\"");
        }
        let count = |key, value| reader.size(&["limits", key], value, COUNT_MAX);
        Ok(Limits {
            redis_url: (!self.redis_url.is_empty()).then(|| self.redis_url.clone()),
            client_connections_max: count("client_connections_max", self.client_connections_max)?,
            client_sockets_max: count("client_sockets_max", self.client_sockets_max)?,
        })
    }
}

/// One of `[[rate_limits]]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRate {
    /// Its name in Redis and in messages.
    name: String,
    /// Who counts as one client: `address`, `cookie:NAME` or `header:NAME`.
    #[serde(default = "address")]
    key: String,
    /// Requests a second.
    requests_per_second: u32,
    /// Requests at once; as many as a second's when left out.
    burst: Option<u32>,
    /// Patterns of the routes it is for; all requests when left out.
    #[serde(default)]
    routes: Vec<String>,
    /// Whether all balancers count together; they do when left out and `limits.redis_url` is there.
    shared: Option<bool>,
}

fn address() -> String {
    "address".to_owned()
}

/// How often a client may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// Its name.
    pub name: String,
    /// Who counts as one client.
    pub key: Key,
    /// How often.
    pub quota: Quota,
    /// Routes it is for, by their patterns; empty: all requests.
    pub routes: Vec<String>,
    /// Whether all balancers count together.
    pub shared: bool,
}

/// Who counts as one client. Whoever comes without the cookie or header is known by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// The client's address; of IPv6 its /64.
    Address,
    /// The value of this cookie.
    Cookie(String),
    /// The value of this header.
    Header(HeaderName),
}

/// All rate limits, in their order.
pub(super) fn read_rates(
    reader: &Reader<'_>,
    file: &File,
    routes: &[Route],
) -> Result<Vec<RateLimit>, ConfigError> {
    if file.rate_limits.len() > RATE_LIMITS_MAX {
        return reader.wrong(&["rate_limits"], format!("more than {RATE_LIMITS_MAX}; remove some"));
    }
    let mut rates: Vec<RateLimit> = Vec::new();
    for (index, written) in file.rate_limits.iter().enumerate() {
        let index = index.to_string();
        let rate = written.read(reader, &index, routes, !file.limits.redis_url.is_empty())?;
        if rates.iter().any(|known| known.name == rate.name) {
            let message = format!("`{}` is there twice; give one another name", rate.name);
            return reader.wrong(&["rate_limits", &index, "name"], message);
        }
        rates.push(rate);
    }
    Ok(rates)
}

impl WrittenRate {
    fn read(
        &self,
        reader: &Reader<'_>,
        index: &str,
        routes: &[Route],
        redis: bool,
    ) -> Result<RateLimit, ConfigError> {
        let at = |key| ["rate_limits", index, key];
        if self.shared == Some(true) && !redis {
            return reader.wrong(&at("shared"), "nowhere to share it; set `limits.redis_url`");
        }
        let per_second = reader.at_least_one(&at("requests_per_second"), self.requests_per_second)?;
        let per_second = reader.at_most(&at("requests_per_second"), per_second, PER_SECOND_MAX)?;
        let burst = reader.at_least_one(&at("burst"), self.burst.unwrap_or(per_second))?;
        Ok(RateLimit {
            name: self.name(reader, &at("name"))?,
            key: self.key(reader, &at("key"))?,
            quota: Quota::new(per_second, burst),
            routes: self.routes(reader, index, routes)?,
            shared: self.shared.unwrap_or(redis),
        })
    }

    fn name(&self, reader: &Reader<'_>, path: &[&str]) -> Result<String, ConfigError> {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if self.name.is_empty() || !self.name.chars().all(word) {
            return reader.wrong(path, "not a name; use letters, digits, `_` and `-`");
        }
        Ok(self.name.clone())
    }

    fn key(&self, reader: &Reader<'_>, path: &[&str]) -> Result<Key, ConfigError> {
        let header = |name: &str| name.parse::<HeaderName>().ok();
        let key = match self.key.split_once(':') {
            None if self.key == "address" => Some(Key::Address),
            Some(("cookie", name)) if !name.is_empty() => Some(Key::Cookie(name.to_owned())),
            Some(("header", name)) => header(name).map(Key::Header),
            _ => None,
        };
        key.map_or_else(
            || reader.wrong(path, "not a key; write \"address\", \"cookie:NAME\" or \"header:NAME\""),
            Ok,
        )
    }

    fn routes(&self, reader: &Reader<'_>, index: &str, routes: &[Route]) -> Result<Vec<String>, ConfigError> {
        for (number, pattern) in self.routes.iter().enumerate() {
            if !routes.iter().any(|route| route.pattern.as_str() == pattern) {
                let path = ["rate_limits", index, "routes", &number.to_string()];
                let message = format!("`{pattern}` is not the `match` of a route; write it as it is there");
                return reader.wrong(&path, message);
            }
        }
        Ok(self.routes.clone())
    }
}

/// `[pools.NAME.limits]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenPool {
    /// Requests in flight, whatever their class.
    in_flight_max: usize,
    /// Requests in flight on one endpoint.
    endpoint_in_flight_max: usize,
    /// Upgraded connections.
    sockets_max: usize,
    /// Requests that may wait.
    queue_max: usize,
    /// How long each may wait, in milliseconds.
    queue_wait_ms: u64,
    /// Whether the pool's limit is found by itself.
    adaptive: bool,
    /// That limit at the start.
    adaptive_initial: usize,
    /// Never lower.
    adaptive_min: usize,
    /// How much of a quiet pool's latency is not yet too slow, in percent.
    adaptive_tolerance_percent: u32,
}

impl Default for WrittenPool {
    fn default() -> Self {
        Self {
            in_flight_max: 16_384,
            endpoint_in_flight_max: 8_192,
            sockets_max: 200_000,
            queue_max: 16_384,
            queue_wait_ms: 5_000,
            adaptive: true,
            adaptive_initial: 2_048,
            adaptive_min: 512,
            adaptive_tolerance_percent: 200,
        }
    }
}

/// What a pool can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Requests in flight, whatever their class.
    pub in_flight_max: usize,
    /// Requests in flight on one endpoint.
    pub endpoint_in_flight_max: usize,
    /// Upgraded connections.
    pub sockets_max: usize,
    /// How long a request may wait.
    pub queue_wait: Duration,
    /// Who waits, and the adaptive limit.
    pub admission: Settings,
}

impl WrittenPool {
    pub(super) fn read(&self, reader: &Reader<'_>, pool: &str) -> Result<PoolLimits, ConfigError> {
        let at = |key| ["pools", pool, "limits", key];
        let count = |key, value| reader.size(&at(key), value, COUNT_MAX);
        Ok(PoolLimits {
            in_flight_max: count("in_flight_max", self.in_flight_max)?,
            endpoint_in_flight_max: count("endpoint_in_flight_max", self.endpoint_in_flight_max)?,
            sockets_max: count("sockets_max", self.sockets_max)?,
            queue_wait: reader.milliseconds(&at("queue_wait_ms"), self.queue_wait_ms)?,
            admission: Settings {
                queue_max: reader.at_most(&at("queue_max"), self.queue_max, COUNT_MAX)?,
                adaptive: self.adaptive(reader, pool)?,
            },
        })
    }

    fn adaptive(&self, reader: &Reader<'_>, pool: &str) -> Result<Option<Bounds>, ConfigError> {
        let at = |key| ["pools", pool, "limits", key];
        let min = reader.size(&at("adaptive_min"), self.adaptive_min, COUNT_MAX)?;
        let initial = reader.size(&at("adaptive_initial"), self.adaptive_initial, COUNT_MAX)?;
        if initial < min {
            return reader.wrong(&at("adaptive_initial"), "less than `adaptive_min`; raise it");
        }
        let path = at("adaptive_tolerance_percent");
        let percent = reader.at_most(&path, self.adaptive_tolerance_percent, TOLERANCE_PERCENT_MAX)?;
        if percent < 100 {
            return reader.wrong(&path, "a quiet pool would be too slow; use 100 or more");
        }
        let bounds = Bounds { initial, min, max: COUNT_MAX, tolerance_percent: percent };
        Ok(self.adaptive.then_some(bounds))
    }
}
