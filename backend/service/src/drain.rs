//! Going away politely: readiness off, a pause so that the balancer notices, then close, then wait for what is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

/// How long background work and open requests may take to finish once the listener is closed.
pub const FINISH_SECONDS_MAX: u64 = 10;

/// Shared by everything that must stop together.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    leaving: Arc<AtomicBool>,
    token: CancellationToken,
    tracker: TaskTracker,
}

impl Drain {
    /// Runs `work` as part of the process: [`Drain::finish`] waits for it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(work);
    }

    /// Whether new work should go elsewhere.
    pub fn leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Done when it is time to stop.
    pub fn stopped(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    /// Whether it is time to stop.
    pub fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits `pause`, unless it is time to stop before that. Says whether to go on.
    pub async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.stopped() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    /// Waits for SIGTERM or SIGINT, then drains: not ready, `notice` for the balancer, then stop.
    pub async fn on_signal(&self, notice: Duration) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = self.stopped() => return Ok(()),
        }
        tracing::info!("draining");
        self.leaving.store(true, Ordering::Relaxed);
        tokio::time::sleep(notice).await;
        self.stop();
        Ok(())
    }

    /// Stops now.
    pub fn stop(&self) {
        self.leaving.store(true, Ordering::Relaxed);
        self.token.cancel();
    }

    /// Waits for everything spawned here, within a bound.
    pub async fn finish(&self) {
        self.tracker.close();
        if tokio::time::timeout(Duration::from_secs(FINISH_SECONDS_MAX), self.tracker.wait()).await.is_err() {
            tracing::warn!(left = self.tracker.len(), "stopped with work under way");
        }
    }
}
