//! The moment from which this process lets connections in: its predecessor is relieved, and whoever started it is told.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::sync::watch;

use super::handover::Predecessor;
use super::metrics::Metrics;
use crate::fleet::Fleet;
use crate::fleet::marks::Marks;

/// Runs once, when all listeners are open.
pub struct Serving {
    /// Where endpoints are left alone that were so before.
    pub fleet: Arc<Fleet>,
    /// Where that is counted.
    pub metrics: Arc<Metrics>,
    /// Those that were so when this process began.
    pub inherited: Marks,
    /// Who had the sockets before.
    pub predecessor: Mutex<Option<Predecessor>>,
    /// Where the process id is written then.
    pub pid_file: Option<PathBuf>,
    /// Becomes true then.
    pub serving: watch::Sender<bool>,
}

#[async_trait]
impl BackgroundService for Serving {
    async fn start(&self, _: ShutdownWatch) {
        let predecessor = self.predecessor.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(predecessor) = predecessor {
            match predecessor.relieve().await {
                Ok(told) => {
                    Marks::read(&told).follow(&self.inherited, &self.fleet, &self.metrics);
                    tracing::info!("took over from the process that ran before");
                }
                // It has the sockets all the same.
                Err(error) => tracing::warn!(%error, "the process that ran before does not answer"),
            }
        }
        self.serving.send_replace(true);
        if let Some(file) = &self.pid_file
            && let Err(error) = write_pid(file)
        {
            tracing::error!(%error, file = %file.display(), "the process id cannot be written");
        }
    }
}

/// In one piece: who reads it finds the old one or the new one.
fn write_pid(file: &std::path::Path) -> std::io::Result<()> {
    let own = file.with_added_extension(std::process::id().to_string());
    std::fs::write(&own, format!("{}\n", std::process::id()))?;
    std::fs::rename(&own, file)
}
