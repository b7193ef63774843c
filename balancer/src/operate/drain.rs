//! The way down: stop being ready; after a notice, let nobody in; let requests end; then stop.
//!
//! From the first moment every answer says that its connection closes, and after the notice the listener and the
//! connections that wait for a next request close too, so that what is in flight comes to an end under any load.
//! Open sockets are not waited for: their services tell them to move, and they may live for hours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::fleet::Fleet;

/// How often requests in flight are counted while waiting for the last one.
const POLL: Duration = Duration::from_millis(10);
/// Counts in a row that must find none: a fifth of a second, in which whoever was let in last may still ask.
const CALM_POLLS: u32 = 20;

/// Whether the process is going down, and how many requests it still owes an answer.
#[derive(Debug, Default)]
pub struct Drain {
    draining: AtomicBool,
    closed: watch::Sender<bool>,
    in_flight: AtomicUsize,
}

impl Drain {
    /// Whether a signal to stop has come.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Becomes true when nobody is let in any more.
    pub fn closed(&self) -> ShutdownWatch {
        self.closed.subscribe()
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
        let mut calm = Calm::default();
        while !calm.reached(self.in_flight()) && Instant::now() < end {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// How long nothing has been in flight; a moment between two requests is not the end of them.
#[derive(Debug, Default)]
struct Calm {
    polls: u32,
}

impl Calm {
    /// Whether it has been long enough, after one more count.
    fn reached(&mut self, in_flight: usize) -> bool {
        self.polls = if in_flight == 0 { self.polls + 1 } else { 0 };
        self.polls >= CALM_POLLS
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
    /// Says how long requests are let in after the signal, and the longest wait for those in flight after that.
    pub fleet: Arc<Fleet>,
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
        tokio::select! {
            () = self.go_down() => {}
            // A second signal is somebody who does not want to wait.
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!(in_flight = self.drain.in_flight(), "stopping");
        ShutdownSignal::GracefulTerminate
    }
}

impl Signals {
    async fn go_down(&self) {
        self.drain.draining.store(true, Ordering::Relaxed);
        tracing::info!(in_flight = self.drain.in_flight(), "draining");
        let config = self.fleet.snapshot().config.clone();
        tokio::time::sleep(config.edge.drain_notice).await;
        self.drain.closed.send_replace(true);
        tracing::info!(in_flight = self.drain.in_flight(), "closed");
        self.drain.settled(config.edge.drain).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_row_of_empty_counts_is_the_end() {
        let mut calm = Calm::default();
        assert!((0..1_000).all(|count| !calm.reached(count % 2)));
        let ends: Vec<bool> = (0..CALM_POLLS).map(|_| calm.reached(0)).collect();
        assert_eq!(ends.iter().filter(|end| **end).count(), 1);
        assert_eq!(ends.last(), Some(&true));
    }
}
