//! What is to be purged, as the admin's body and the messages between balancers and services say it, and carrying it out.
//!
//! `{"tags":["show:1"],"urls":["/api/shows/1","https://films.example/"],"everything":false,"mode":"hard"}`; what is left out
//! is empty, false, hard. A URL that begins with `/` is meant whatever the host.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, RedisError};
use serde::{Deserialize, Serialize};

use super::tags::{self, Mode, TAG_BYTES_MAX, Tags, Target};
use crate::config;
use crate::operate::metrics::PurgeMetrics;
use crate::secret::Secret;

/// Tags and URLs of one purge.
const TARGETS_MAX: usize = 1_000;
/// One URL.
const URL_BYTES_MAX: usize = 8_192;
/// Longest wait for Redis when the others are told.
const TELL_MAX: Duration = Duration::from_secs(1);

/// One purge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Purge {
    /// Whatever has one of these tags.
    pub tags: Vec<String>,
    /// Whatever has one of these URLs, by all its variants.
    pub urls: Vec<String>,
    /// All there is.
    pub everything: bool,
    /// Gone, or stale.
    pub mode: Mode,
}

/// What is wrong with one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It names nothing.
    #[error("nothing is named; give `tags`, `urls`, or `everything`: true")]
    Empty,
    /// It names too much.
    #[error("more than {TARGETS_MAX} tags and URLs; send several")]
    TooMany,
    /// No answer can have this tag.
    #[error("`{0}` is not a tag: 1 to {TAG_BYTES_MAX} visible characters without a comma")]
    Tag(String),
    /// No answer can have this URL.
    #[error("`{0}` is not a URL; write \"/path?query\" or \"https://host/path?query\"")]
    Url(String),
}

impl Wrong {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "purge_empty",
            Self::TooMany => "purge_too_large",
            Self::Tag(_) => "tag_invalid",
            Self::Url(_) => "url_invalid",
        }
    }
}

/// A URL taken apart; without a host it is a path alone.
struct Url<'a> {
    host: Option<(&'static str, String)>,
    path: &'a str,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let visible = text.len() <= URL_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || text.contains('#') {
            return None;
        }
        if text.starts_with('/') {
            return Some(Self { host: None, path: text });
        }
        let (scheme, rest) = match text.strip_prefix("https://") {
            Some(rest) => ("https", rest),
            None => ("http", text.strip_prefix("http://")?),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let good = !host.is_empty() && !host.contains(['@', '?']);
        good.then(|| Self { host: Some((scheme, host.to_ascii_lowercase())), path })
    }

    fn target(&self) -> Target<'_> {
        match &self.host {
            Some((scheme, host)) => Target::Url { scheme, host, path: self.path },
            None => Target::Path(self.path),
        }
    }
}

impl Purge {
    /// Purges it, or changes nothing.
    fn carry_out(&self, tags: &Tags) -> Result<(), Wrong> {
        if self.tags.is_empty() && self.urls.is_empty() && !self.everything {
            return Err(Wrong::Empty);
        }
        if self.tags.len() + self.urls.len() > TARGETS_MAX {
            return Err(Wrong::TooMany);
        }
        if let Some(bad) = self.tags.iter().find(|tag| !tags::good(tag)) {
            return Err(Wrong::Tag(bad.clone()));
        }
        let urls = self.urls.iter().map(|url| Url::parse(url).ok_or_else(|| Wrong::Url(url.clone())));
        let urls = urls.collect::<Result<Vec<_>, _>>()?;
        let mut targets: Vec<_> = self.tags.iter().map(|tag| Target::Tag(tag)).collect();
        targets.extend(urls.iter().map(Url::target));
        targets.extend(self.everything.then_some(Target::Everything));
        tags.purge(&targets, self.mode);
        Ok(())
    }
}

/// What comes by Redis: a purge of another balancer or of a service, or a publisher's word that it is alive. What is not known
/// here is passed over, so that newer ones may say more.
#[derive(Debug, Deserialize)]
struct Message {
    /// The balancer that sends it.
    #[serde(default)]
    from: Option<u64>,
    /// A publisher had purged whatever had changed by `age_ms` before it said so.
    #[serde(default)]
    alive: Option<String>,
    #[serde(default)]
    age_ms: u64,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    everything: bool,
    #[serde(default)]
    mode: Mode,
}

/// Sent to the others.
#[derive(Serialize)]
struct Sent<'a> {
    from: u64,
    #[serde(flatten)]
    purge: &'a Purge,
}

/// How the others were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// There are none: no Redis is configured.
    Nobody,
    /// So many subscribers have it, this balancer among them.
    Subscribers(u64),
}

/// Carries purges out here, and tells the others.
pub struct Purger {
    tags: &'static Tags,
    metrics: PurgeMetrics,
    wire: Option<Wire>,
}

/// Where the others are.
pub(super) struct Wire {
    pub(super) client: Client,
    pub(super) channel: String,
    /// This process among them.
    own: u64,
}

impl Purger {
    /// Nothing is connected yet.
    pub fn new(
        tags: &'static Tags,
        config: &config::Purge,
        metrics: PurgeMetrics,
    ) -> Result<Self, RedisError> {
        let wire = |url: &Secret| {
            let (client, channel) = (Client::open(url.reveal())?, config.channel.clone());
            Ok::<_, RedisError>(Wire { client, channel, own: rand::random() })
        };
        Ok(Self { tags, metrics, wire: config.redis_url.as_ref().map(wire).transpose()? })
    }

    /// Carries out what the admin said, here.
    pub fn carry_out(&self, purge: &Purge) -> Result<(), Wrong> {
        purge.carry_out(self.tags)?;
        self.count(purge, "admin");
        Ok(())
    }

    /// Tells the others of it.
    pub async fn tell(&self, purge: &Purge) -> Result<Told, RedisError> {
        let Some(wire) = &self.wire else { return Ok(Told::Nobody) };
        let payload = serde_json::to_string(&Sent { from: wire.own, purge }).unwrap_or_default();
        let deadlines = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TELL_MAX))
            .set_response_timeout(Some(TELL_MAX));
        let mut redis = wire.client.get_multiplexed_async_connection_with_config(&deadlines).await?;
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&wire.channel).arg(payload);
        publish.query_async(&mut redis).await.map(Told::Subscribers)
    }

    /// Carries out what somebody else said. What cannot be read may have been a purge: then whatever is tagged is asked for once.
    pub(super) fn hear(&self, payload: &[u8]) {
        let Ok(message) = serde_json::from_slice::<Message>(payload) else {
            tracing::warn!(bytes = payload.len(), "a purge cannot be read: whatever is tagged is doubted");
            return self.tags.lose();
        };
        if message.from.is_some() && message.from == self.wire.as_ref().map(|wire| wire.own) {
            return;
        }
        if let Some(name) = &message.alive {
            let age = message.age_ms.saturating_mul(1_000);
            return self.tags.lease.alive(name, self.tags.clock().saturating_sub(age));
        }
        let Message { tags, urls, everything, mode, .. } = message;
        let purge = Purge { tags, urls, everything, mode };
        match purge.carry_out(self.tags) {
            Ok(()) => self.count(&purge, "redis"),
            Err(error) => {
                tracing::warn!(%error, "a purge is wrong: whatever is tagged is doubted");
                self.tags.lose();
            }
        }
    }

    pub(super) fn tags(&self) -> &'static Tags {
        self.tags
    }

    pub(super) fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    pub(super) fn metrics(&self) -> &PurgeMetrics {
        &self.metrics
    }

    /// Whether others are told, and tell us.
    pub fn connected(&self) -> bool {
        self.wire.is_some()
    }

    fn count(&self, purge: &Purge, source: &str) {
        let everything = usize::from(purge.everything);
        for (kind, count) in
            [("tag", purge.tags.len()), ("url", purge.urls.len()), ("everything", everything)]
        {
            self.metrics.count(kind, purge.mode, source, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(Option<(&'static str, String)>, &str)> {
        Url::parse(text).map(|url| (url.host, url.path))
    }

    #[test]
    fn urls_are_paths_or_whole() {
        assert_eq!(parts("/a?b=1"), Some((None, "/a?b=1")));
        assert_eq!(
            parts("https://Films.example:8443/A"),
            Some((Some(("https", "films.example:8443".into())), "/A"))
        );
        assert_eq!(parts("http://films.example"), Some((Some(("http", "films.example".into())), "/")));
        for bad in ["", "a", "ftp://a/", "http://", "http://a@b/", "http://a?b", "/a b", "/a#b", "/é"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
        assert!(
            parts(&"/".repeat(URL_BYTES_MAX)).is_some() && parts(&"/".repeat(URL_BYTES_MAX + 1)).is_none()
        );
    }

    #[test]
    fn what_is_wrong_changes_nothing_and_is_named() {
        let tags = Tags::new(super::super::lease::Lease::new(Duration::from_secs(1), &[]));
        let code = |purge: Purge| purge.carry_out(&tags).expect_err("wrong").code();
        let with = |tags: &[&str], urls: &[&str]| Purge {
            tags: tags.iter().map(ToString::to_string).collect(),
            urls: urls.iter().map(ToString::to_string).collect(),
            ..Purge::default()
        };
        let before = tags.now();
        assert_eq!(code(with(&[], &[])), "purge_empty");
        assert_eq!(code(with(&["good", "not good"], &[])), "tag_invalid");
        assert_eq!(code(with(&["good"], &["nowhere"])), "url_invalid");
        assert_eq!(code(with(&["x"; TARGETS_MAX], &["/"])), "purge_too_large");
        assert!(tags.untouched_since(before));
        assert_eq!(with(&["good"], &[]).carry_out(&tags), Ok(()));
        assert!(!tags.untouched_since(before));
    }
}
