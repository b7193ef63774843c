//! Takes over another configuration while requests go on: the file is read anew at SIGHUP or when the admin API says so.
//!
//! All or nothing: a file with a fault in it changes nothing, and neither does one that would need a restart. A request
//! that is under way ends by the configuration it began with.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::metrics::Metrics;
use crate::config::{Config, ConfigError};
use crate::fleet::Fleet;

/// What reads the file again.
pub struct Reload {
    path: PathBuf,
    fleet: Arc<Fleet>,
    metrics: Arc<Metrics>,
    /// Also held while a reload goes on, so that there is one at a time.
    last: Mutex<LastReload>,
}

/// How the last attempt went.
#[derive(Debug, Clone, Serialize)]
pub struct LastReload {
    /// When it was, RFC 3339; the start of the process when there was none.
    pub at: jiff::Timestamp,
    /// What was wrong, when it changed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl LastReload {
    fn now(error: Option<String>) -> Self {
        Self { at: jiff::Timestamp::now(), error }
    }
}

impl Reload {
    /// The file at this path is what the fleet was made from.
    pub fn new(path: PathBuf, fleet: Arc<Fleet>, metrics: Arc<Metrics>) -> Self {
        metrics.config_loaded(true);
        Self { path, fleet, metrics, last: Mutex::new(LastReload::now(None)) }
    }

    /// Reads the file and takes it over, or says why not.
    pub fn now(&self) -> Result<(), ConfigError> {
        let mut last = self.last_reload();
        let result = self.take_over();
        let error = result.as_ref().err().map(ToString::to_string);
        self.metrics.config_loaded(error.is_none());
        self.metrics.reloads.with_label_values(&[if error.is_none() { "ok" } else { "error" }]).inc();
        match &error {
            None => tracing::info!(path = %self.path.display(), "configuration reloaded"),
            Some(error) => tracing::error!(error, "configuration not reloaded, the old one goes on"),
        }
        *last = LastReload::now(error);
        result
    }

    /// How the last attempt went.
    pub fn last(&self) -> LastReload {
        self.last_reload().clone()
    }

    fn last_reload(&self) -> MutexGuard<'_, LastReload> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_over(&self) -> Result<(), ConfigError> {
        let config = Config::load(&self.path)?;
        let running = self.fleet.snapshot().config.clone();
        if let Some(key) = needs_restart(&running, &config) {
            let message = format!(
                "key `{key}`: differs from what runs and cannot be reloaded; undo it, or restart the balancer"
            );
            return Err(ConfigError { place: self.path.display().to_string(), message });
        }
        self.fleet.configure(config);
        Ok(())
    }
}

/// The first thing that was built at the start and cannot be built again.
fn needs_restart(running: &Config, next: &Config) -> Option<&'static str> {
    let differing = [
        ("listen", running.listen != next.listen),
        ("tls", running.tls != next.tls),
        ("threads", running.threads != next.threads),
        ("cache", running.cache != next.cache),
        ("purge", running.purge != next.purge),
        ("access_log", running.access_log != next.access_log),
    ];
    differing.into_iter().find_map(|(key, differs)| differs.then_some(key))
}

/// The service that listens for SIGHUP.
pub struct OnHangUp(pub Arc<Reload>);

#[async_trait]
impl BackgroundService for OnHangUp {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let Ok(mut hang_up) = signal(SignalKind::hangup()) else {
            tracing::error!("no handler for SIGHUP could be installed; reload by the admin API");
            return;
        };
        loop {
            tokio::select! {
                // What went wrong is said where it happened.
                _ = hang_up.recv() => drop(self.0.now()),
                _ = shutdown.changed() => return,
            }
        }
    }
}
