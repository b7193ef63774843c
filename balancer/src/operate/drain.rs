//! The way down: stop being ready, let requests end, then stop.
//! Open sockets are not waited for: their services tell them to move, and they may live for hours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// How often requests in flight are counted while waiting for the last one.
const POLL: Duration = Duration::from_millis(10);

/// Whether the process is going down, and how many requests it still owes an answer.
#[derive(Debug, Default)]
pub struct Drain {
    draining: AtomicBool,
    in_flight: AtomicUsize,
}

impl Drain {
    /// Whether a signal to stop has come.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    async fn settled(&self, deadline: Duration) {
        let end = Instant::now() + deadline;
        while self.in_flight() > 0 && Instant::now() < end {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// One request in flight.
#[derive(Debug)]
pub struct InFlight(Arc<Drain>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells the server to stop after SIGTERM or SIGINT, once the last request has ended or time is up.
pub struct Signals {
    /// What to watch while going down.
    pub drain: Arc<Drain>,
    /// Longest wait for requests in flight.
    pub deadline: Duration,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::error!("no signal handler could be installed, stopping");
            return ShutdownSignal::FastShutdown;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        self.drain.draining.store(true, Ordering::Relaxed);
        tracing::info!(in_flight = self.drain.in_flight(), "draining");
        tokio::select! {
            () = self.drain.settled(self.deadline) => {}
            // A second signal is somebody who does not want to wait.
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!(in_flight = self.drain.in_flight(), "stopping");
        ShutdownSignal::GracefulTerminate
    }
}
