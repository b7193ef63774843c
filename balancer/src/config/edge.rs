//! `[edge]`: what is let in, how much of it, and whom to believe.

use std::net::IpAddr;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;
use serde::Deserialize;

use super::ConfigError;
use super::pattern::Pattern;
use super::reader::Reader;
use crate::proxy::pace;

/// The balancer's own parser stops here; a larger limit would never be reached.
pub const HEADER_FIELDS_LIMIT: usize = 256;

/// What browsers may be told to remember: two years.
const HSTS_SECONDS_MAX: u64 = 2 * 365 * 86_400;

/// `[edge]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Networks whose forwarding headers and request ids are believed.
    trusted: Vec<String>,
    /// Networks whose senders begin each connection with a PROXY protocol header, which says who the client is.
    proxy_protocol_from: Vec<String>,
    /// Path patterns that are never routed, whatever the routes say.
    never: Vec<String>,
    /// Path and query together, in bytes.
    uri_bytes_max: usize,
    /// Request line and headers together, in bytes.
    header_bytes_max: usize,
    /// Header fields of one request.
    header_fields_max: usize,
    /// Request body in bytes, unless the route says otherwise.
    pub(super) body_bytes_max: usize,
    /// The whole header must have arrived after this many seconds.
    header_seconds: u64,
    /// Longest pause inside a request body, in seconds.
    body_idle_seconds: u64,
    /// After its grace, a request body must come at this pace on the average; 0 is any.
    body_bytes_per_second_min: usize,
    /// Seconds in which a body may come as slowly as it likes.
    body_grace_seconds: u64,
    /// While our writes wait for a client, it must take an answer at this pace, looked at every `write_seconds`; 0 is any.
    answer_bytes_per_second_min: usize,
    /// Whether answers that say nothing of it tell browsers not to guess types, leak paths, or be framed elsewhere.
    security_headers: bool,
    /// How long browsers that came by TLS are to use nothing else, in seconds; 0 is not said.
    hsts_seconds: u64,
    /// Longest time a client may block one write of ours, in seconds.
    write_seconds: u64,
    /// How long an idle client connection stays open, in seconds.
    keepalive_seconds: u64,
    /// After SIGTERM requests are let in for this many seconds, so that whoever balances in front sees that this one
    /// is not ready.
    drain_notice_seconds: u64,
    /// After that, requests in flight get this many seconds to end.
    drain_seconds: u64,
    /// Open sockets are told to leave one after the other, over this many seconds of those.
    drain_sockets_seconds: u64,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            trusted: Vec::new(),
            proxy_protocol_from: Vec::new(),
            never: Vec::new(),
            uri_bytes_max: 8 * 1024,
            header_bytes_max: 16 * 1024,
            header_fields_max: 64,
            body_bytes_max: 64 * 1024,
            header_seconds: 10,
            body_idle_seconds: 15,
            body_bytes_per_second_min: 128,
            body_grace_seconds: 10,
            answer_bytes_per_second_min: 512,
            security_headers: true,
            hsts_seconds: 0,
            write_seconds: 30,
            keepalive_seconds: 75,
            drain_notice_seconds: 2,
            drain_seconds: 10,
            drain_sockets_seconds: 5,
        }
    }
}

/// Limits and trust at the public listener.
#[derive(Debug, Clone)]
pub struct Edge {
    /// Networks whose forwarding headers are believed.
    pub trusted: Vec<IpNet>,
    /// Networks whose senders speak the PROXY protocol.
    pub proxy_protocol_from: Vec<IpNet>,
    /// Path and query, in bytes.
    pub uri_bytes_max: usize,
    /// The least pace of a body.
    pub body_pace: pace::Body,
    /// The least pace at which an answer is taken.
    pub answer_pace: Option<pace::Reading>,
    /// Whether browsers are told to be careful.
    pub security_headers: bool,
    /// `Strict-Transport-Security`, when it is said.
    pub hsts: Option<HeaderValue>,
    /// Paths that are never routed, for paths in lower case.
    pub never: Vec<Pattern>,
    /// Request line and headers, in bytes.
    pub header_bytes_max: usize,
    /// Header fields.
    pub header_fields_max: usize,
    /// Deadline of a whole header.
    pub header: Duration,
    /// Longest pause inside a request body.
    pub body_idle: Duration,
    /// Longest block of one write to a client.
    pub write: Duration,
    /// Life of an idle client connection.
    pub keepalive: Duration,
    /// Time between saying that it is not ready and letting nobody in.
    pub drain_notice: Duration,
    /// Time after that for requests in flight to end.
    pub drain: Duration,
    /// Time of that over which open sockets are told to leave, so that their clients do not come back in one instant.
    pub drain_sockets: Duration,
}

impl Edge {
    /// Whether this sender's forwarding headers are believed.
    pub fn trusts(&self, sender: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&sender))
    }
}

impl Written {
    pub(super) fn read(&self, reader: &Reader<'_>) -> Result<Edge, ConfigError> {
        let at = |key| ["edge", key];
        if self.header_fields_max > HEADER_FIELDS_LIMIT {
            return reader.wrong(
                &at("header_fields_max"),
                format!("more than {HEADER_FIELDS_LIMIT} fields are never read; lower it"),
            );
        }
        let write = reader.seconds(&at("write_seconds"), self.write_seconds)?;
        let answer_pace =
            pace::Reading { bytes_per_second_min: self.answer_bytes_per_second_min, window: write };
        let hsts = reader.at_most(&at("hsts_seconds"), self.hsts_seconds, HSTS_SECONDS_MAX)?;
        Ok(Edge {
            trusted: networks(reader, "trusted", &self.trusted)?,
            proxy_protocol_from: networks(reader, "proxy_protocol_from", &self.proxy_protocol_from)?,
            uri_bytes_max: reader.at_least_one(&at("uri_bytes_max"), self.uri_bytes_max)?,
            body_pace: pace::Body {
                bytes_per_second_min: self.body_bytes_per_second_min,
                grace: reader.seconds_or_none(&at("body_grace_seconds"), self.body_grace_seconds)?,
            },
            answer_pace: (self.answer_bytes_per_second_min > 0).then_some(answer_pace),
            security_headers: self.security_headers,
            hsts: (hsts > 0).then(|| HeaderValue::try_from(format!("max-age={hsts}")).ok()).flatten(),
            never: self.never(reader)?,
            header_bytes_max: reader.at_least_one(&at("header_bytes_max"), self.header_bytes_max)?,
            header_fields_max: reader.at_least_one(&at("header_fields_max"), self.header_fields_max)?,
            header: reader.seconds(&at("header_seconds"), self.header_seconds)?,
            body_idle: reader.seconds(&at("body_idle_seconds"), self.body_idle_seconds)?,
            write,
            keepalive: reader.seconds(&at("keepalive_seconds"), self.keepalive_seconds)?,
            drain_notice: reader.seconds_or_none(&at("drain_notice_seconds"), self.drain_notice_seconds)?,
            drain: reader.seconds_or_none(&at("drain_seconds"), self.drain_seconds)?,
            drain_sockets: self.drain_sockets(reader)?,
        })
    }

    fn drain_sockets(&self, reader: &Reader<'_>) -> Result<Duration, ConfigError> {
        let seconds = self.drain_sockets_seconds.min(self.drain_seconds);
        reader.seconds_or_none(&["edge", "drain_sockets_seconds"], seconds)
    }

    fn never(&self, reader: &Reader<'_>) -> Result<Vec<Pattern>, ConfigError> {
        let never = self.never.iter().enumerate();
        never
            .map(|(i, text)| reader.pattern(&["edge", "never", &i.to_string()], text).map(Pattern::lowercase))
            .collect()
    }
}

fn networks(reader: &Reader<'_>, key: &str, written: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let written = written.iter().enumerate();
    written.map(|(i, text)| reader.network(&["edge", key, &i.to_string()], text)).collect()
}
