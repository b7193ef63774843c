//! An upgraded connection. Its handshake goes through Pingora like any request; then Pingora is told on both sides that nothing
//! more comes, writes what it has, and lets go of both connections, and from there on their bytes go straight from one to the other.
//!
//! Pingora would carry them too. But it keeps some hundred KiB of buffers for each connection, most of which only wait, and wakes
//! two tasks for every message.

mod carry;
mod frames;
pub mod leave;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pingora::protocols::Stream;
use tokio::net::TcpStream;

use self::carry::{Pair, carry};
use self::frames::Frames;
use self::leave::Leave;
use crate::limit::open::OneOpen;

/// What is to be done when it is over, with how many bytes the client got.
pub type End = Box<dyn FnOnce(usize) + Send>;

/// One upgraded connection, from its handshake on. Clones are the same.
#[derive(Clone)]
pub struct Tunnel(Arc<Shared>);

struct Shared {
    open: AtomicBool,
    parts: Mutex<Parts>,
}

/// What must be there before bytes can be carried: all of it comes when Pingora has finished with the handshake.
struct Parts {
    client: Option<Client>,
    endpoint: Option<TcpStream>,
    end: Option<End>,
    /// What Pingora has passed on by itself.
    frames: Frames,
    /// The longest a side may take to be written to.
    write: Duration,
    leave: Leave,
}

/// A client's connection, and its place among all of that client.
struct Client {
    stream: Stream,
    place: OneOpen,
}

impl Tunnel {
    /// Nothing is agreed yet.
    pub fn new(write: Duration, leave: Leave) -> Self {
        let parts =
            Parts { client: None, endpoint: None, end: None, frames: Frames::default(), write, leave };
        Self(Arc::new(Shared { open: AtomicBool::new(false), parts: Mutex::new(parts) }))
    }

    /// The upgrade was agreed on.
    pub fn open(&self) {
        self.0.open.store(true, Ordering::Relaxed);
    }

    /// Whether it was.
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Pingora itself passes these bytes of the endpoint on: they came together with its 101.
    pub fn follow(&self, bytes: &[u8]) {
        self.parts().frames.follow(bytes);
    }

    /// Pingora has let go of the client. It keeps its place until it is over.
    pub fn take_client(&self, stream: Stream, place: OneOpen) {
        self.add(|parts| parts.client = Some(Client { stream, place }));
    }

    /// Pingora has let go of the endpoint.
    pub fn take_endpoint(&self, endpoint: TcpStream) {
        self.add(|parts| parts.endpoint = Some(endpoint));
    }

    /// The handshake went well. Without this, both connections are closed.
    pub fn take_end(&self, end: End) {
        self.add(|parts| parts.end = Some(end));
    }

    fn add(&self, part: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts();
        part(&mut parts);
        match (parts.client.take(), parts.endpoint.take(), parts.end.take()) {
            (Some(client), Some(endpoint), Some(end)) => {
                let Client { stream: client, place } = client;
                let pair = Pair { client, endpoint, frames: parts.frames.clone(), write: parts.write };
                let leave = parts.leave.clone();
                tokio::spawn(async move {
                    end(carry(pair, leave).await);
                    drop(place);
                });
            }
            (client, endpoint, end) => (parts.client, parts.endpoint, parts.end) = (client, endpoint, end),
        }
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, Parts> {
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tunnel").field("open", &self.is_open()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
