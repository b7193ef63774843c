//! TLS at the public listener: the handshake's settings, and certificates that are read again while they are served.

pub mod certificate;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use rustls::ServerConfig;
use rustls::crypto::ring;
use tokio::signal::unix::{SignalKind, signal};

use self::certificate::{Certificate, Unusable};
use self::store::{Change, Store};
use super::metrics::Metrics;
use crate::config::tls::Tls;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_secs(2);
/// Protocols offered inside TLS, the wanted one first. Sockets need the second.
const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Reads the certificates.
pub fn open(tls: &Tls) -> Result<Store, Unusable> {
    Store::open(&tls.certificates, Arc::new(ring::default_provider()))
}

/// As [`open`], and none may be expired: what `--check` asks for.
pub fn check(tls: &Tls) -> Result<(), Unusable> {
    let now = jiff::Timestamp::now().as_second();
    for (pair, certificate) in open(tls)?.certificates() {
        store::unexpired(&pair, certificate, now)?;
    }
    Ok(())
}

/// What a handshake is made with: TLS 1.2 and 1.3, tickets instead of a memory of sessions, no early data.
pub fn server_config(store: Arc<Store>, http2: bool) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(store);
    config.ticketer = ring::Ticketer::new()?;
    let offered = [http2.then_some(HTTP_2), Some(HTTP_1_1)];
    config.alpn_protocols = offered.into_iter().flatten().map(<[u8]>::to_vec).collect();
    Ok(config)
}

/// Reads certificates again when their files change, and on SIGHUP.
pub struct Renewal {
    /// The certificates.
    pub store: Arc<Store>,
    /// Where it is told.
    pub metrics: Arc<Metrics>,
}

#[async_trait]
impl BackgroundService for Renewal {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        self.announce();
        let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
        loop {
            tokio::select! {
                _ = shutdown.changed() => return,
                _ = hangup.recv() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
            self.renew();
        }
    }
}

impl Renewal {
    fn announce(&self) {
        let now = jiff::Timestamp::now().as_second();
        for (pair, certificate) in self.store.certificates() {
            let file = pair.certificate.display().to_string();
            self.metrics.certificate_expiry(&file, certificate.expires_at);
            if let Err(error) = store::unexpired(&pair, certificate, now) {
                tracing::warn!(%error, "a certificate is served that nobody will accept");
            }
        }
    }

    fn renew(&self) {
        for Change { pair, result } in self.store.refresh(jiff::Timestamp::now().as_second()) {
            let result = result.inspect_err(|error| {
                tracing::error!(%error, "certificate not taken, the one before it stays");
            });
            self.metrics.certificate_reloads.with_label_values(&[name(&result)]).inc();
            if let Ok(Certificate { names, expires_at, .. }) = result {
                let file = pair.certificate.display().to_string();
                tracing::info!(file, ?names, expires_at, "certificate read again");
                self.metrics.certificate_expiry(&file, expires_at);
            }
        }
    }
}

fn name<T, E>(result: &Result<T, E>) -> &'static str {
    if result.is_ok() { "ok" } else { "refused" }
}
