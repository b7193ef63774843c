//! The configuration: what may be set, its defaults and its limits.

use std::net::SocketAddr;

use catalog::popular::PopularConfig;
use serde::Deserialize;
use service::config::{Program, Validate};
use service::http::HttpConfig;
use service::postgres::PostgresConfig;
use service::redis::RedisConfig;
use service::traces::TracesConfig;

/// `configs/cache-warmer.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address of the probes.
    pub listen: SocketAddr,
    /// From the end of a round to the beginning of the next.
    pub interval_ms: u64,
    /// The longest pause after rounds that failed.
    pub pause_ms_max: u64,
    /// How long one count may take; then the old lists stand. The first one reads everything that was ever sold.
    pub refresh_timeout_ms: u64,
    /// How old what is known of films, shows and theaters may be.
    pub program_ms: u64,
    /// How long the leader's lease lasts unless renewed: another instance takes over after it.
    pub lease_ms: u64,
    /// How the list is counted.
    pub popular: PopularConfig,
    /// The limits of the listener.
    pub http: HttpConfig,
    /// Where bookings and shows are counted.
    pub postgres: PostgresConfig,
    /// Where the list goes.
    pub redis: RedisConfig,
    /// Where traces go.
    pub traces: TracesConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7401)),
            interval_ms: 2_000,
            pause_ms_max: 5_000,
            refresh_timeout_ms: 300_000,
            program_ms: 30_000,
            lease_ms: 12_000,
            popular: PopularConfig::default(),
            http: HttpConfig::default(),
            postgres: PostgresConfig { connections_max: 2, ..PostgresConfig::default() },
            redis: RedisConfig::default(),
            traces: TracesConfig::default(),
        }
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
        let positive = [
            ("interval_ms", self.interval_ms),
            ("pause_ms_max", self.pause_ms_max),
            ("refresh_timeout_ms", self.refresh_timeout_ms),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("`{key}` must be at least 1"));
        }
        let pause_ms = self.pause_ms_max.max(self.interval_ms);
        if self.lease_ms <= pause_ms {
            return Err(format!(
                "`lease_ms` must be more than {pause_ms}, the longest pause, or a leader loses it between two rounds"
            ));
        }
        self.popular.validate().map_err(|message| format!("`popular`: {message}"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SHIPPED: &str = include_str!("../../configs/cache-warmer.toml");

    fn read(environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        service::config::parse("cache-warmer", Path::new("cache-warmer.toml"), SHIPPED, environment)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_shipped_file_is_good() {
        assert_eq!(read(&[]).expect("the shipped file is good").interval_ms, 2_000);
    }

    #[test]
    fn the_environment_reaches_every_depth() {
        let set = [("MARQUEE_CACHE_WARMER__POPULAR__WINDOW_DAYS", "7")];
        assert_eq!(read(&set).expect("good").popular.window_days, 7);
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_key() {
        for (variable, value, key) in [
            ("MARQUEE_CACHE_WARMER__INTERVAL_MS", "0", "interval_ms"),
            ("MARQUEE_CACHE_WARMER__LEASE_MS", "3000", "lease_ms"),
            ("MARQUEE_CACHE_WARMER__POPULAR__MOVIES_MAX", "1001", "movies_max"),
            ("MARQUEE_CACHE_WARMER__POPULAR__WEIGHTS__HELD", "1.5", "weights"),
            ("MARQUEE_CACHE_WARMER__POPULAR__DAMPENING", "1.5", "dampening"),
        ] {
            let message = read(&[(variable, value)]).expect_err("refused");
            assert!(message.contains(key), "{message}");
        }
    }
}
