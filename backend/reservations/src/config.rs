//! What the program can be told.

use std::net::SocketAddr;
use std::time::Duration;

use domain::deadline::Terms;
use domain::limits::Limits;
use http::uri::Authority;
use serde::Deserialize;
use service::config::{Program, Validate};
use service::drain::FINISH_SECONDS_MAX;
use service::http::HttpConfig;
use service::postgres::PostgresConfig;
use service::redis::RedisConfig;
use service::traces::TracesConfig;

use crate::batch::BatchConfig;
use crate::live::socket::LAST_CLOSE_SECONDS_MAX;

/// The longest life of a hold with all that may be added: limits per hour count what was placed within one.
const LIFE_SECONDS_MAX: u64 = 3_600;
/// What writing an attempt to confirm may take beside the payment.
const WRITING_MAX: Duration = Duration::from_secs(4);
/// The longest the payment provider may be waited for.
const PAYMENT_TIMEOUT_MS_MAX: u64 = 30_000;
/// Origins that may be allowed.
const ORIGINS_MAX: usize = 64;
/// What is left of the drain after this is for the last ones to hear why.
const DRAIN_SPREAD_MS_MAX: u64 = (FINISH_SECONDS_MAX - LAST_CLOSE_SECONDS_MAX) * 1_000;

/// `configs/reservations.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How long a hold lasts.
    #[serde(default = "defaults::hold_seconds")]
    pub hold_seconds: u64,
    /// By how much a buyer may extend a hold, once; 0 for not at all.
    #[serde(default)]
    pub extension_seconds: u64,
    /// No extension leads past this, counted from when the hold was placed.
    #[serde(default = "defaults::hold_life_seconds_max")]
    pub hold_life_seconds_max: u64,
    /// Who begins to pay has at least this long, once.
    #[serde(default = "defaults::payment_grace_seconds")]
    pub payment_grace_seconds: u64,
    /// How long the payment provider may take.
    #[serde(default = "defaults::payment_timeout_ms")]
    pub payment_timeout_ms: u64,
    /// Money that is neither taken nor given back for this long is looked after by whoever finds it.
    #[serde(default = "defaults::settle_after_seconds")]
    pub settle_after_seconds: u64,
    /// Holds one session may have at once.
    #[serde(default = "defaults::holds_per_session_max")]
    pub holds_per_session_max: u32,
    /// Seats one session may have in holds at once.
    #[serde(default = "defaults::seats_per_session_max")]
    pub seats_per_session_max: u32,
    /// Holds one session may place within a minute.
    #[serde(default = "defaults::holds_per_minute_max")]
    pub holds_per_minute_max: u32,
    /// Seconds times seats one session may keep within an hour without buying them.
    #[serde(default = "defaults::hold_seconds_per_hour_max")]
    pub hold_seconds_per_hour_max: u64,
    /// How long freed seats wait for the waiting list before they go on open sale.
    #[serde(default = "defaults::escrow_seconds")]
    pub escrow_seconds: u64,
    /// How long they wait at most when the waiting list asks for more time, to gather seats for a party.
    #[serde(default = "defaults::escrow_seconds_max")]
    pub escrow_seconds_max: u64,
    /// Between two looks for lapsed holds.
    #[serde(default = "defaults::sweep_interval_ms")]
    pub sweep_interval_ms: u64,
    /// Live sockets of this process.
    #[serde(default = "defaults::sockets_max")]
    pub sockets_max: usize,
    /// How much is written together.
    #[serde(default)]
    pub batch: BatchConfig,
    /// The live sockets.
    #[serde(default)]
    pub live: LiveConfig,
    /// The listener's limits.
    #[serde(default)]
    pub http: HttpConfig,
    /// The database.
    #[serde(default)]
    pub postgres: PostgresConfig,
    /// The gates and channels.
    #[serde(default)]
    pub redis: RedisConfig,
    /// Where traces go.
    #[serde(default)]
    pub traces: TracesConfig,
}

/// The live sockets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LiveConfig {
    /// Origins whose pages may open a socket, besides those of the host that was asked.
    pub allowed_origins: Vec<String>,
    /// Over how long the sockets are closed when the server goes, at most.
    pub drain_spread_ms: u64,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self { allowed_origins: Vec::new(), drain_spread_ms: 5_000 }
    }
}

impl Validate for LiveConfig {
    fn validate(&self) -> Result<(), String> {
        if self.allowed_origins.len() > ORIGINS_MAX {
            return Err(format!("`live.allowed_origins` may have {ORIGINS_MAX} at most"));
        }
        if let Some(wrong) = self.allowed_origins.iter().find(|origin| !origin_like(origin)) {
            return Err(format!(
                "`live.allowed_origins` has `{wrong}`, which is no origin: write it like `https://tickets.example`"
            ));
        }
        if self.drain_spread_ms > DRAIN_SPREAD_MS_MAX {
            return Err(format!(
                "`live.drain_spread_ms` must be {DRAIN_SPREAD_MS_MAX} at most: the process is gone soon after"
            ));
        }
        Ok(())
    }
}

/// A scheme and a host, and nothing after them.
fn origin_like(origin: &str) -> bool {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    host.is_some_and(|host| !host.contains('@') && host.parse::<Authority>().is_ok())
}

mod defaults {
    pub(super) fn hold_seconds() -> u64 {
        300
    }
    pub(super) fn holds_per_session_max() -> u32 {
        10
    }
    pub(super) fn hold_life_seconds_max() -> u64 {
        900
    }
    pub(super) fn payment_grace_seconds() -> u64 {
        10
    }
    pub(super) fn payment_timeout_ms() -> u64 {
        6_000
    }
    pub(super) fn settle_after_seconds() -> u64 {
        15
    }
    pub(super) fn seats_per_session_max() -> u32 {
        20
    }
    pub(super) fn holds_per_minute_max() -> u32 {
        30
    }
    pub(super) fn hold_seconds_per_hour_max() -> u64 {
        20_000
    }
    pub(super) fn escrow_seconds() -> u64 {
        30
    }
    pub(super) fn escrow_seconds_max() -> u64 {
        90
    }
    pub(super) fn sweep_interval_ms() -> u64 {
        200
    }
    pub(super) fn sockets_max() -> usize {
        10_000
    }
}

impl Config {
    /// How long a hold lasts, and what may be added.
    pub fn terms(&self) -> Terms {
        Terms {
            hold: Duration::from_secs(self.hold_seconds),
            extension: (self.extension_seconds > 0).then(|| Duration::from_secs(self.extension_seconds)),
            life_max: Duration::from_secs(self.hold_life_seconds_max),
            grace: Duration::from_secs(self.payment_grace_seconds),
        }
    }

    /// What one session may keep.
    pub fn limits(&self) -> Limits {
        Limits {
            holds_at_once: self.holds_per_session_max,
            seats_at_once: self.seats_per_session_max,
            holds_per_minute: self.holds_per_minute_max,
            hold_seconds_per_hour: self.hold_seconds_per_hour_max,
        }
    }

    /// How long the payment provider may take.
    pub fn payment_timeout(&self) -> Duration {
        Duration::from_millis(self.payment_timeout_ms)
    }

    /// How long money may be neither taken nor given back before somebody looks after it.
    pub fn settle_after(&self) -> Duration {
        Duration::from_secs(self.settle_after_seconds)
    }

    /// How long one attempt to confirm may take before another one with the same key thinks it dead.
    pub fn attempt_lease(&self) -> Duration {
        self.payment_timeout() + WRITING_MAX
    }

    /// How long freed seats wait for the waiting list.
    pub fn escrow(&self) -> Duration {
        Duration::from_secs(self.escrow_seconds)
    }

    /// How long at most.
    pub fn escrow_max(&self) -> Duration {
        Duration::from_secs(self.escrow_seconds_max.max(self.escrow_seconds))
    }
}

impl Config {
    fn validate_holds(&self) -> Result<(), String> {
        if self.hold_seconds == 0 {
            return Err("`hold_seconds` must be at least 1".to_owned());
        }
        if self.hold_life_seconds_max < self.hold_seconds {
            return Err("`hold_life_seconds_max` must be at least `hold_seconds`".to_owned());
        }
        if self.hold_life_seconds_max.saturating_add(self.payment_grace_seconds) > LIFE_SECONDS_MAX {
            return Err(format!(
                "`hold_life_seconds_max` and `payment_grace_seconds` must be {LIFE_SECONDS_MAX} together at most"
            ));
        }
        if self.extension_seconds > LIFE_SECONDS_MAX {
            return Err(format!("`extension_seconds` must be {LIFE_SECONDS_MAX} at most"));
        }
        if !(1..=LIFE_SECONDS_MAX).contains(&self.settle_after_seconds) {
            return Err(format!("`settle_after_seconds` must be 1 to {LIFE_SECONDS_MAX}"));
        }
        if !(1..=PAYMENT_TIMEOUT_MS_MAX).contains(&self.payment_timeout_ms) {
            return Err(format!("`payment_timeout_ms` must be 1 to {PAYMENT_TIMEOUT_MS_MAX}"));
        }
        Ok(())
    }

    fn validate_limits(&self) -> Result<(), String> {
        for (key, limit) in [
            ("holds_per_session_max", u64::from(self.holds_per_session_max)),
            ("seats_per_session_max", u64::from(self.seats_per_session_max)),
            ("holds_per_minute_max", u64::from(self.holds_per_minute_max)),
            ("hold_seconds_per_hour_max", self.hold_seconds_per_hour_max),
        ] {
            if limit == 0 {
                return Err(format!("`{key}` must be at least 1: with 0 nobody can buy"));
            }
        }
        Ok(())
    }
}

impl Program for Config {
    fn traces(&self) -> &TracesConfig {
        &self.traces
    }
}

impl Validate for Config {
    fn validate(&self) -> Result<(), String> {
        self.http.validate()?;
        self.postgres.validate()?;
        self.redis.validate()?;
        self.traces.validate()?;
        self.batch.validate()?;
        self.live.validate()?;
        self.validate_holds()?;
        self.validate_limits()?;
        if !(1..=3_600).contains(&self.escrow_seconds) {
            return Err("`escrow_seconds` must be 1 to 3600".to_owned());
        }
        if !(1..=3_600).contains(&self.escrow_seconds_max) {
            return Err("`escrow_seconds_max` must be 1 to 3600".to_owned());
        }
        if !(10..=500).contains(&self.sweep_interval_ms) {
            return Err(
                "`sweep_interval_ms` must be 10 to 500: expiry is announced within one second".to_owned()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_good() {
        let path = std::path::Path::new("configs/reservations.toml");
        let text = include_str!("../../../configs/reservations.toml");
        let config: Config = service::config::parse("reservations", path, text, []).unwrap();
        assert_eq!(config.terms().hold, Duration::from_mins(5));
        assert!(config.terms().extension.is_some());
    }

    #[test]
    fn what_breaks_a_promise_is_refused() {
        let path = std::path::Path::new("x.toml");
        for (line, key) in [
            ("hold_seconds = 0", "hold_seconds"),
            ("hold_seconds = 901", "hold_life_seconds_max"),
            ("hold_life_seconds_max = 3591", "payment_grace_seconds"),
            ("extension_seconds = 3601", "extension_seconds"),
            ("payment_timeout_ms = 0", "payment_timeout_ms"),
            ("holds_per_minute_max = 0", "holds_per_minute_max"),
            ("hold_seconds_per_hour_max = 0", "hold_seconds_per_hour_max"),
            ("[batch]\nwriters = 0", "batch.writers"),
            ("escrow_seconds = 0", "escrow_seconds"),
            ("escrow_seconds_max = 0", "escrow_seconds_max"),
            ("sweep_interval_ms = 800", "sweep_interval_ms"),
            ("[live]\ndrain_spread_ms = 9000", "live.drain_spread_ms"),
            ("[live]\nallowed_origins = [\"tickets.example\"]", "live.allowed_origins"),
            ("[live]\nallowed_origins = [\"https://tickets.example/\"]", "live.allowed_origins"),
            ("[postgres]\nconnections_max = 0", "postgres.connections_max"),
            ("[redis]\ntimeout_ms = 0", "redis.timeout_ms"),
            ("[http]\nrequest_timeout_ms = 0", "http.request_timeout_ms"),
        ] {
            let text = format!("listen = \"127.0.0.1:0\"\n{line}\n");
            let refused = service::config::parse::<Config>("reservations", path, &text, []);
            assert!(refused.unwrap_err().to_string().contains(key), "{line}");
        }
    }
}
