//! A link between two parts of a fleet: a TCP proxy that can be cut, stalled, slowed and healed.
//!
//! It behaves as a wire does, not as a server: an end of stream and a reset pass through, and it refuses connections while
//! its target refuses them (the first that finds out is accepted and reset: nobody can know before). Dropping a link
//! closes everything that it carries.

mod carry;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

/// Between two looks whether a port can be listened on, or a target reached, again.
const PAUSE: Duration = Duration::from_millis(20);

/// Sees all that one client sends, in order, and returns what its target is to get instead. It may keep an incomplete
/// message back until the rest of it comes.
pub type Rewriter = Box<dyn FnMut(&[u8]) -> Vec<u8> + Send>;

/// Where a link leads.
#[derive(Clone)]
pub struct Target(Arc<dyn Fn() -> Option<SocketAddr> + Send + Sync>);

/// One link, carrying for as long as this lives.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    wire: Wire,
    serving: AbortHandle,
}

/// What a link has carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// Connections that were accepted.
    pub connections: u64,
    /// Those that are open.
    pub connections_open: u64,
    /// Bytes from clients to the target.
    pub bytes_up: u64,
    /// Bytes from the target to clients.
    pub bytes_down: u64,
}

/// What all connections of a link share.
#[derive(Debug, Clone)]
struct Wire(Arc<Shared>);

struct Shared {
    target: Target,
    rewriters: Option<Box<dyn Fn() -> Rewriter + Send + Sync>>,
    state: watch::Sender<State>,
    /// A connection to the target was refused.
    refused: Notify,
    connections: AtomicU64,
    connections_open: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Every chunk waits so long before it goes on.
    Slow(Duration),
    /// Connections stay open, and nothing goes on.
    Stalled,
    /// Connections are reset, and new ones refused.
    Cut,
}

impl Target {
    /// One that is looked up for every connection; `None` is the same as a target that refuses.
    pub fn resolved(resolve: impl Fn() -> Option<SocketAddr> + Send + Sync + 'static) -> Self {
        Self(Arc::new(resolve))
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        match (self.0)() {
            Some(address) => TcpStream::connect(address).await,
            None => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::resolved(move || Some(address))
    }
}

impl Link {
    /// A link that carries what it gets. Port 0 chooses one: see [`Link::address`].
    pub async fn start(listen: SocketAddr, target: impl Into<Target>) -> io::Result<Self> {
        Self::carrying(listen, target.into(), None).await
    }

    /// A link that changes what clients send; each connection has a rewriter of its own.
    pub async fn rewriting(
        listen: SocketAddr,
        target: impl Into<Target>,
        rewriters: impl Fn() -> Rewriter + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::carrying(listen, target.into(), Some(Box::new(rewriters))).await
    }

    async fn carrying(
        listen: SocketAddr,
        target: Target,
        rewriters: Option<Box<dyn Fn() -> Rewriter + Send + Sync>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let wire = Wire(Arc::new(Shared {
            target,
            rewriters,
            state: watch::Sender::new(State::Whole),
            refused: Notify::new(),
            connections: AtomicU64::new(0),
            connections_open: AtomicU64::new(0),
            bytes_up: AtomicU64::new(0),
            bytes_down: AtomicU64::new(0),
        }));
        let serving = tokio::spawn(serve(listener, address, wire.clone())).abort_handle();
        Ok(Self { address, wire, serving })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets what is open and refuses what is new, until it is healed.
    pub fn cut(&self) {
        self.wire.become_state(State::Cut);
    }

    /// Lets nothing through, and nobody know: what is open stays open, what is new is accepted, until it is healed.
    pub fn stall(&self) {
        self.wire.become_state(State::Stalled);
    }

    /// Makes every chunk wait so long, in both directions, in order, until it is healed. A connection holds one chunk back
    /// and reads no further meanwhile. New connections wait as long before they are made.
    pub fn slow(&self, delay: Duration) {
        self.wire.become_state(State::Slow(delay));
    }

    /// Carries again. What was stalled goes on where it stood.
    pub fn heal(&self) {
        self.wire.become_state(State::Whole);
    }

    /// What it has carried so far.
    pub fn carried(&self) -> Carried {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let shared = &self.wire.0;
        Carried {
            connections: read(&shared.connections),
            connections_open: read(&shared.connections_open),
            bytes_up: read(&shared.bytes_up),
            bytes_down: read(&shared.bytes_down),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Wire {
    fn become_state(&self, state: State) {
        self.0.state.send_replace(state);
    }

    /// Returns once connections are to be refused.
    async fn refuses(&self) {
        let mut state = self.0.state.subscribe();
        let cut = async { state.wait_for(|state| *state == State::Cut).await.is_ok() };
        let dead = async {
            loop {
                self.0.refused.notified().await;
                if self.0.target.connect().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            _ = cut => {}
            () = dead => {}
        }
    }

    /// Returns once connections are to be accepted.
    async fn accepts(&self) {
        let mut state = self.0.state.subscribe();
        loop {
            let open = state.wait_for(|state| *state != State::Cut).await.is_ok();
            if open && self.0.target.connect().await.is_ok() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Accepts, and stops listening for as long as connections are to be refused.
async fn serve(mut listener: TcpListener, address: SocketAddr, wire: Wire) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    connections.spawn(carry::carry(client, wire.clone()));
                }
                // No descriptors left, most likely: some will be.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            () = wire.refuses() => {
                drop(listener);
                wire.accepts().await;
                listener = listen_again(address).await;
            }
        }
    }
}

async fn listen_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&(self.0)()).finish()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("target", &self.target)
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
