//! The way down, of two kinds.
//!
//! After a signal: stop being ready; after a notice, let nobody in; let requests end; then stop. After a handover the sockets
//! that let connections in belong to somebody else already, so it begins with letting nobody in, and the notice comes after that.
//!
//! From the first moment every answer says that its connection closes, and after the notice the connections that wait for a next
//! request close too, so that what is in flight comes to an end under any load. Open sockets are told to leave when nobody is let
//! in any more, one after the other; neither they nor requests are waited for beyond the deadline.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

use super::handover::{Successor, TakenOver};
use crate::fleet::Fleet;
use crate::fleet::marks::Marks;

/// How often what is left is counted while waiting for the last one.
const POLL: Duration = Duration::from_millis(10);
/// Counts in a row that must find none: a fifth of a second, in which whoever was let in last may still ask.
const CALM_POLLS: u32 = 20;

/// Whether the process is going down, and what it still owes.
#[derive(Debug, Default)]
pub struct Drain {
    draining: AtomicBool,
    shut: watch::Sender<bool>,
    closed: watch::Sender<bool>,
    handed_over: watch::Sender<bool>,
    in_flight: AtomicUsize,
    sockets: AtomicUsize,
}

impl Drain {
    /// Whether it is going down.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Becomes true when nobody is let in any more, and open sockets have to leave.
    pub fn shut(&self) -> ShutdownWatch {
        self.shut.subscribe()
    }

    /// Becomes true when connections that wait for a next request are closed.
    pub fn closed(&self) -> ShutdownWatch {
        self.closed.subscribe()
    }

    /// Becomes true when another process answers for this one.
    pub fn handed_over(&self) -> ShutdownWatch {
        self.handed_over.subscribe()
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Open sockets.
    pub fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    /// Counts a request until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Counts a socket until the guard is dropped.
    pub fn open_socket(self: &Arc<Self>) -> OpenSocket {
        self.sockets.fetch_add(1, Ordering::Relaxed);
        OpenSocket(self.clone())
    }

    async fn settled(&self, deadline: Duration) {
        let end = Instant::now() + deadline;
        let mut calm = Calm::default();
        while !calm.reached(self.in_flight() + self.sockets()) && Instant::now() < end {
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
    fn reached(&mut self, left: usize) -> bool {
        self.polls = if left == 0 { self.polls + 1 } else { 0 };
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

/// One open socket.
#[derive(Debug)]
pub struct OpenSocket(Arc<Drain>);

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells the server to stop after SIGTERM, SIGINT or a handover, once the last request has ended or time is up.
pub struct Signals {
    /// What to watch while going down.
    pub drain: Arc<Drain>,
    /// Says how long requests are let in after the signal, and the longest wait for what is left after that.
    pub fleet: Arc<Fleet>,
    /// Who may take over, and the sockets for it; none once the way down has begun.
    pub successor: Mutex<Option<Successor>>,
    /// Becomes true when this process lets connections in: there is nothing to hand over before that.
    pub serving: watch::Receiver<bool>,
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
        let successor = self.successor.lock().unwrap_or_else(PoisonError::into_inner).take();
        let taken_over = tokio::select! {
            () = either(&mut terminate, &mut interrupt) => None,
            taken_over = self.taken_over(successor.as_ref()) => Some(taken_over),
        };
        tokio::select! {
            () = self.go_down(successor, taken_over) => {}
            // A second signal is somebody who does not want to wait.
            () = either(&mut terminate, &mut interrupt) => {}
        }
        tracing::info!(in_flight = self.drain.in_flight(), sockets = self.drain.sockets(), "stopping");
        ShutdownSignal::GracefulTerminate
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

impl Signals {
    async fn taken_over(&self, successor: Option<&Successor>) -> TakenOver {
        let serving = self.serving.clone().wait_for(|serving| *serving).await.is_ok();
        match successor.filter(|_| serving) {
            Some(successor) => successor.ready(|| Marks::of(&self.fleet).to_string()).await,
            None => std::future::pending().await,
        }
    }

    async fn go_down(&self, successor: Option<Successor>, taken_over: Option<TakenOver>) {
        let drain = &self.drain;
        let edge = self.fleet.snapshot().config.edge.clone();
        tracing::info!(in_flight = drain.in_flight(), taken_over = taken_over.is_some(), "draining");
        if let Some(taken_over) = taken_over {
            // Who asks whether this address is ready is to hear it from the new process.
            drain.handed_over.send_replace(true);
            self.shut(successor);
            drain.draining.store(true, Ordering::Relaxed);
            // Nobody can tell this process anything by hand any more.
            taken_over.tell(&Marks::of(&self.fleet).to_string()).await;
            tokio::time::sleep(edge.drain_notice).await;
        } else {
            drain.draining.store(true, Ordering::Relaxed);
            tokio::time::sleep(edge.drain_notice).await;
            self.shut(successor);
        }
        drain.closed.send_replace(true);
        tracing::info!(in_flight = drain.in_flight(), sockets = drain.sockets(), "closed");
        drain.settled(edge.drain).await;
    }

    /// Nobody is let in any more. The services close their sockets, so ours must not be the last that are open.
    fn shut(&self, successor: Option<Successor>) {
        drop(successor);
        self.drain.shut.send_replace(true);
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
