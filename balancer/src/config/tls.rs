//! `listen.tls`, `[tls]` and `[http2]`: where TLS is spoken, with which certificates, and how much of HTTP/2.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::listen::Listen;
use super::reader::Reader;
use super::{ConfigError, File};

/// Streams of one HTTP/2 connection.
const STREAMS_MAX: u32 = 10_000;
/// Certificates of one balancer.
const CERTIFICATES_MAX: usize = 1_000;

/// `[tls]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// The first one is for clients that ask for nobody known.
    certificates: Vec<Pair>,
    /// A handshake must be over after this many seconds.
    handshake_seconds: u64,
}

impl Default for Written {
    fn default() -> Self {
        Self { certificates: Vec::new(), handshake_seconds: 10 }
    }
}

/// `[[tls.certificates]]`: two PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The certificate, then its issuers.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// `[http2]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenHttp2 {
    /// Whether it is offered inside TLS.
    enabled: bool,
    /// Requests at once on one connection.
    streams_max: u32,
}

impl Default for WrittenHttp2 {
    fn default() -> Self {
        Self { enabled: true, streams_max: 100 }
    }
}

/// Where and how TLS is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Address of the listener.
    pub address: SocketAddr,
    /// What it shows, at least one.
    pub certificates: Vec<Pair>,
    /// Time for a handshake.
    pub handshake: Duration,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
}

/// TLS, when it is asked for.
pub(super) fn read(reader: &Reader<'_>, file: &File, listen: &Listen) -> Result<Option<Tls>, ConfigError> {
    let written = &file.tls;
    let count = written.certificates.len();
    let streams = ["http2", "streams_max"];
    let streams_max =
        reader.at_most(&streams, reader.at_least_one(&streams, file.http2.streams_max)?, STREAMS_MAX)?;
    let handshake = reader.seconds(&["tls", "handshake_seconds"], written.handshake_seconds)?;
    let Some(address) = listen.tls else {
        return match count {
            0 => Ok(None),
            _ => reader.wrong(&["tls", "certificates"], "nobody shows them; add listen.tls = \"ip:port\""),
        };
    };
    if count == 0 {
        return reader.wrong(&["listen", "tls"], "it has nothing to show; add [[tls.certificates]]");
    }
    reader.at_most(&["tls", "certificates"], count, CERTIFICATES_MAX)?;
    Ok(Some(Tls {
        address,
        certificates: written.certificates.clone(),
        handshake,
        http2: file.http2.enabled,
        streams_max,
    }))
}
