//! What the program can be told.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use service::config::Validate;
use service::http::HttpConfig;
use service::postgres::PostgresConfig;
use service::redis::RedisConfig;

/// `configs/reservations.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How long a hold lasts.
    #[serde(default = "defaults::hold_seconds")]
    pub hold_seconds: u64,
    /// Holds one session may have at once.
    #[serde(default = "defaults::holds_per_session_max")]
    pub holds_per_session_max: u32,
    /// How long freed seats wait for the waiting list before they go on open sale.
    #[serde(default = "defaults::escrow_seconds")]
    pub escrow_seconds: u64,
    /// Between two looks for lapsed holds.
    #[serde(default = "defaults::sweep_interval_ms")]
    pub sweep_interval_ms: u64,
    /// Live sockets of this process.
    #[serde(default = "defaults::sockets_max")]
    pub sockets_max: usize,
    /// The listener's limits.
    #[serde(default)]
    pub http: HttpConfig,
    /// The database.
    #[serde(default)]
    pub postgres: PostgresConfig,
    /// The gates and channels.
    #[serde(default)]
    pub redis: RedisConfig,
}

mod defaults {
    pub(super) fn hold_seconds() -> u64 {
        300
    }
    pub(super) fn holds_per_session_max() -> u32 {
        10
    }
    pub(super) fn escrow_seconds() -> u64 {
        30
    }
    pub(super) fn sweep_interval_ms() -> u64 {
        200
    }
    pub(super) fn sockets_max() -> usize {
        10_000
    }
}

impl Config {
    /// How long a hold lasts.
    pub fn hold(&self) -> Duration {
        Duration::from_secs(self.hold_seconds)
    }

    /// How long freed seats wait for the waiting list.
    pub fn escrow(&self) -> Duration {
        Duration::from_secs(self.escrow_seconds)
    }
}

impl Validate for Config {
    fn validate(&self) -> Result<(), String> {
        self.http.validate()?;
        self.postgres.validate()?;
        self.redis.validate()?;
        if !(1..=86_400).contains(&self.hold_seconds) {
            return Err("`hold_seconds` must be 1 to 86400".to_owned());
        }
        if !(1..=3_600).contains(&self.escrow_seconds) {
            return Err("`escrow_seconds` must be 1 to 3600".to_owned());
        }
        if self.holds_per_session_max == 0 {
            return Err("`holds_per_session_max` must be at least 1: with 0 nobody can buy".to_owned());
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
        assert_eq!(config.hold(), Duration::from_mins(5));
    }

    #[test]
    fn what_breaks_a_promise_is_refused() {
        let path = std::path::Path::new("x.toml");
        for (line, key) in [
            ("hold_seconds = 0", "hold_seconds"),
            ("escrow_seconds = 0", "escrow_seconds"),
            ("sweep_interval_ms = 800", "sweep_interval_ms"),
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
