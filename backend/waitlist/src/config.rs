//! The configuration: what may be set, its defaults and its limits.

use std::net::SocketAddr;

use serde::Deserialize;
use service::config::{Program, Validate};
use service::http::HttpConfig;
use service::postgres::PostgresConfig;
use service::redis::RedisConfig;
use service::traces::TracesConfig;

use crate::mail::MailConfig;

/// `configs/waitlist.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The address of this instance.
    pub listen: SocketAddr,
    /// The instances of reservations, tried in turn; any of them will do.
    pub reservations: Vec<String>,
    /// How long one of them may take to accept a connection.
    pub reservations_connect_timeout_ms: u64,
    /// How long one of them may take to answer.
    pub reservations_timeout_ms: u64,
    /// How long an offer is kept for its owner.
    pub offer_seconds: u32,
    /// How long seats are kept for a party that needs more of them, at most; less than reservations keeps escrows.
    pub gather_seconds: u64,
    /// How long a party that gathered in vain waits before it gathers again.
    pub gather_rest_seconds: u64,
    /// After how long an instance that asks for an offer is taken for gone.
    pub takeover_ms: u64,
    /// The most entries that wait for one show.
    pub line_entries_max: u32,
    /// The most live entries of one session, over all shows.
    pub session_entries_max: u32,
    /// The most seats one entry may name.
    pub wanted_seats_max: usize,
    /// Estimates are worked out from what came free within this time.
    pub estimate_window_seconds: u32,
    /// Between two beats of telling people where they stand.
    pub tell_interval_ms: u64,
    /// How long an entry that is over can still be read.
    pub retention_days: u32,
    /// How long it can still be said why somebody was not offered a seat.
    pub audit_days: u32,
    /// Between two rounds of the backstop, which finishes what events or crashes left undone.
    pub serve_interval_ms: u64,
    /// Shows served at the same time by this process.
    pub serve_concurrency_max: usize,
    /// The limits of the listener.
    pub http: HttpConfig,
    /// Where entries and decisions are kept.
    pub postgres: PostgresConfig,
    /// Where events come from and go to.
    pub redis: RedisConfig,
    /// Where mail goes.
    pub mail: MailConfig,
    /// Where traces go.
    pub traces: TracesConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7301)),
            reservations: ["http://127.0.0.1:7201", "http://127.0.0.1:7202"].map(str::to_owned).into(),
            reservations_connect_timeout_ms: 500,
            reservations_timeout_ms: 2_000,
            offer_seconds: 120,
            gather_seconds: 60,
            gather_rest_seconds: 300,
            takeover_ms: 6_000,
            line_entries_max: 10_000,
            session_entries_max: 20,
            wanted_seats_max: 50,
            estimate_window_seconds: 3_600,
            tell_interval_ms: 1_000,
            retention_days: 30,
            audit_days: 7,
            serve_interval_ms: 1_000,
            serve_concurrency_max: 16,
            http: HttpConfig::default(),
            postgres: PostgresConfig::default(),
            redis: RedisConfig::default(),
            mail: MailConfig::default(),
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
        self.mail.validate()?;
        self.traces.validate()?;
        let positive = [
            ("reservations_connect_timeout_ms", self.reservations_connect_timeout_ms),
            ("reservations_timeout_ms", self.reservations_timeout_ms),
            ("offer_seconds", self.offer_seconds.into()),
            ("gather_seconds", self.gather_seconds),
            ("gather_rest_seconds", self.gather_rest_seconds),
            ("takeover_ms", self.takeover_ms),
            ("line_entries_max", self.line_entries_max.into()),
            ("session_entries_max", self.session_entries_max.into()),
            ("wanted_seats_max", self.wanted_seats_max as u64),
            ("estimate_window_seconds", self.estimate_window_seconds.into()),
            ("tell_interval_ms", self.tell_interval_ms),
            ("retention_days", self.retention_days.into()),
            ("audit_days", self.audit_days.into()),
            ("serve_interval_ms", self.serve_interval_ms),
            ("serve_concurrency_max", self.serve_concurrency_max as u64),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("`{key}` must be at least 1"));
        }
        if self.reservations.is_empty() {
            return Err("`reservations` needs at least one address, such as `http://127.0.0.1:7201`".into());
        }
        let usable = |endpoint: &str| {
            reqwest::Url::parse(endpoint).is_ok_and(|url| url.scheme() == "http" && url.has_host())
        };
        match self.reservations.iter().find(|endpoint| !usable(endpoint)) {
            Some(bad) => {
                Err(format!("`reservations`: {bad:?} is not an address such as `http://127.0.0.1:7201`"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SHIPPED: &str = include_str!("../../../configs/waitlist.toml");

    fn read(environment: &[(&str, &str)]) -> Result<Config, String> {
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        service::config::parse("waitlist", Path::new("waitlist.toml"), SHIPPED, environment)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_shipped_file_is_good() {
        let config = read(&[]).expect("the shipped file is good");
        assert_eq!(config.offer_seconds, 120);
    }

    #[test]
    fn the_environment_reaches_every_depth() {
        let config = read(&[
            ("DATABASE_URL", "postgres://somewhere/marquee"),
            ("MARQUEE_WAITLIST__OFFER_SECONDS", "5"),
            ("MARQUEE_WAITLIST__RESERVATIONS", r#"["http://127.0.0.1:9"]"#),
        ])
        .expect("good");
        assert_eq!(config.postgres.url.reveal(), "postgres://somewhere/marquee");
        assert_eq!((config.offer_seconds, config.reservations.len()), (5, 1));
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_key() {
        for (variable, value, key) in [
            ("MARQUEE_WAITLIST__OFFER_SECONDS", "0", "offer_seconds"),
            ("MARQUEE_WAITLIST__SERVE_INTERVAL_MS", "0", "serve_interval_ms"),
            ("MARQUEE_WAITLIST__GATHER_SECONDS", "0", "gather_seconds"),
            ("MARQUEE_WAITLIST__RESERVATIONS", "[]", "reservations"),
            ("MARQUEE_WAITLIST__RESERVATIONS", r#"["127.0.0.1:7201"]"#, "reservations"),
            ("MARQUEE_WAITLIST__MAIL__URL", "imap://mail.example", "mail.url"),
            ("MARQUEE_WAITLIST__MAIL__URL", "smtp://", "mail.url"),
            ("MARQUEE_WAITLIST__MAIL__FROM", "nobody", "mail.from"),
            ("MARQUEE_WAITLIST__MAIL__PAGE_URL", "tickets", "mail.page_url"),
            ("MARQUEE_WAITLIST__MAIL__TIMEOUT_MS", "0", "mail.timeout_ms"),
        ] {
            let message = read(&[(variable, value)]).expect_err("refused");
            assert!(message.contains(key), "{message}");
        }
    }
}
