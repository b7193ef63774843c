//! The configuration: what may be set, its defaults and its limits.

use std::net::SocketAddr;

use serde::Deserialize;
use service::config::{Program, Validate};
use service::http::HttpConfig;
use service::postgres::PostgresConfig;
use service::redis::RedisConfig;
use service::traces::TracesConfig;

use crate::popular::PopularConfig;

/// `configs/catalog.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address of this instance.
    pub listen: SocketAddr,
    /// One base URL per other service, whose `/openapi.json` is part of ours; on a clash the first stands.
    pub openapi_sources: Vec<String>,
    /// How long one of them may take to answer.
    pub openapi_timeout_ms: u64,
    /// How long their documents are remembered.
    pub openapi_seconds: u64,
    /// How popularity is counted when Redis has no list; the same as the warmer's.
    pub popular: PopularConfig,
    /// How long a list counted here is shown before it is counted again.
    pub popular_fallback_seconds: u64,
    /// The limits of the listener.
    pub http: HttpConfig,
    /// Where films and shows are kept.
    pub postgres: PostgresConfig,
    /// Where the popular list is read.
    pub redis: RedisConfig,
    /// Where traces go.
    pub traces: TracesConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7101)),
            openapi_sources: ["http://127.0.0.1:7201", "http://127.0.0.1:7301"].map(str::to_owned).into(),
            openapi_timeout_ms: 1_000,
            openapi_seconds: 30,
            popular: PopularConfig::default(),
            popular_fallback_seconds: 5,
            http: HttpConfig::default(),
            postgres: PostgresConfig::default(),
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
            ("openapi_timeout_ms", self.openapi_timeout_ms),
            ("openapi_seconds", self.openapi_seconds),
            ("popular_fallback_seconds", self.popular_fallback_seconds),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("`{key}` must be at least 1"));
        }
        let usable = |source: &str| {
            reqwest::Url::parse(source).is_ok_and(|url| url.scheme() == "http" && url.has_host())
        };
        if let Some(bad) = self.openapi_sources.iter().find(|source| !usable(source)) {
            return Err(format!(
                "`openapi_sources`: {bad:?} is not an address such as `http://127.0.0.1:7201`"
            ));
        }
        self.popular.validate().map_err(|message| format!("`popular`: {message}"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SHIPPED: &str = include_str!("../../../configs/catalog.toml");

    fn read(environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        service::config::parse("catalog", Path::new("catalog.toml"), SHIPPED, environment)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_shipped_file_is_good() {
        assert_eq!(read(&[]).expect("the shipped file is good").popular.window_days, 28);
    }

    #[test]
    fn the_environment_reaches_every_depth() {
        let config = read(&[
            ("REDIS_URL", "redis://somewhere"),
            ("MARQUEE_CATALOG__POPULAR__WINDOW_DAYS", "7"),
            ("MARQUEE_CATALOG__OPENAPI_SOURCES", "[]"),
        ])
        .expect("good");
        assert_eq!((config.popular.window_days, config.redis.url.reveal()), (7, "redis://somewhere"));
        assert!(config.openapi_sources.is_empty());
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_key() {
        for (variable, value, key) in [
            ("MARQUEE_CATALOG__OPENAPI_SOURCES", r#"["127.0.0.1:7201"]"#, "openapi_sources"),
            ("MARQUEE_CATALOG__OPENAPI_SECONDS", "0", "openapi_seconds"),
            ("MARQUEE_CATALOG__POPULAR__HALF_LIFE_HOURS", "0.0", "half_life_hours"),
            ("MARQUEE_CATALOG__POPULAR__MOVIES_MAX", "0", "movies_max"),
        ] {
            let message = read(&[(variable, value)]).expect_err("refused");
            assert!(message.contains(key), "{message}");
        }
    }
}
