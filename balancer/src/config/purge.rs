//! `[purge]`: how stored answers are taken back, and for how long tagged ones are believed.

use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;
use crate::secret::Secret;

/// Publishers that must be heard of.
const PUBLISHERS_MAX: usize = 16;

/// `[purge]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Where purges are heard and told; empty: nowhere, and tagged answers live for the lease.
    redis_url: Secret,
    /// The channel they are told on.
    channel: String,
    /// How long tagged answers are believed without proof that every purge was heard.
    lease_ms: u64,
    /// Publishers whose silence is a loss too.
    publishers: Vec<String>,
    /// Whether clients see `Cache-Tag`.
    tags_shown: bool,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            redis_url: Secret::default(),
            channel: "marquee:purge".to_owned(),
            lease_ms: 1_000,
            publishers: Vec::new(),
            tags_shown: false,
        }
    }
}

/// How stored answers are taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Where purges are heard and told.
    pub redis_url: Option<Secret>,
    /// The channel they are told on.
    pub channel: String,
    /// How long tagged answers are believed without proof.
    pub lease: Duration,
    /// Publishers whose silence is a loss too.
    pub publishers: Vec<String>,
    /// Whether clients see `Cache-Tag`.
    pub tags_shown: bool,
}

impl Written {
    pub(super) fn read(self, reader: &Reader<'_>) -> Result<Purge, ConfigError> {
        if !self.redis_url.is_empty() && redis::Client::open(self.redis_url.reveal()).is_err() {
            let path = ["purge", "redis_url"];
            return reader.wrong(&path, "not the URL of a Redis; write \"redis://127.0.0.1:6379\"");
        }
        if self.channel.is_empty() {
            return reader.wrong(&["purge", "channel"], "empty; name the channel that services publish on");
        }
        if self.publishers.len() > PUBLISHERS_MAX {
            return reader
                .wrong(&["purge", "publishers"], format!("more than {PUBLISHERS_MAX}; remove some"));
        }
        Ok(Purge {
            redis_url: (!self.redis_url.is_empty()).then_some(self.redis_url),
            channel: self.channel,
            lease: reader.milliseconds(&["purge", "lease_ms"], self.lease_ms)?,
            publishers: self.publishers,
            tags_shown: self.tags_shown,
        })
    }
}
