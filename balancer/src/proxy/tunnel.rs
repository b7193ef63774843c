//! An upgraded connection. Its handshake goes through Pingora like any request; then Pingora is told on both sides that nothing
//! more comes, writes what it has, and lets go of both connections, and from there on their bytes go straight from one to the other.
//!
//! Pingora would carry them too. But it keeps some hundred KiB of buffers for each connection, most of which only wait, and wakes
//! two tasks for every message.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What is read at once from a client, who says little, and from an endpoint, which says much. Every open socket has both.
const FROM_CLIENT: usize = 1_024;
const FROM_ENDPOINT: usize = 8 * 1_024;
/// How long one side may go on when the other has ended.
const LINGER: Duration = Duration::from_secs(2);

/// What is to be done when it is over, with how many bytes the client got.
pub type End = Box<dyn FnOnce(usize) + Send>;

/// One upgraded connection, from its handshake on. Clones are the same.
#[derive(Clone, Default)]
pub struct Tunnel(Arc<Shared>);

#[derive(Default)]
struct Shared {
    open: AtomicBool,
    parts: Mutex<Parts>,
}

/// What must be there before bytes can be carried: all of it comes when Pingora has finished with the handshake.
#[derive(Default)]
struct Parts {
    client: Option<Stream>,
    endpoint: Option<TcpStream>,
    end: Option<End>,
    /// The longest a side may take to be written to.
    write: Duration,
}

impl Tunnel {
    /// Nothing is agreed yet.
    pub fn new(write: Duration) -> Self {
        let tunnel = Self::default();
        tunnel.parts().write = write;
        tunnel
    }

    /// The upgrade was agreed on.
    pub fn open(&self) {
        self.0.open.store(true, Ordering::Relaxed);
    }

    /// Whether it was.
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Pingora has let go of the client.
    pub fn take_client(&self, client: Stream) {
        self.add(|parts| parts.client = Some(client));
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
                let write = parts.write;
                tokio::spawn(async move { end(carry(client, endpoint, write).await) });
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

/// Until one side has ended and the other had its time. Returns how many bytes the client got.
async fn carry(client: Stream, mut endpoint: TcpStream, write: Duration) -> usize {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_endpoint, mut to_endpoint) = endpoint.split();
    let (mut got, mut said) = (Passed::new(FROM_ENDPOINT, write), Passed::new(FROM_CLIENT, write));
    let ended = tokio::select! {
        ended = got.pass(&mut from_endpoint, &mut to_client) => Ended::Endpoint(ended),
        ended = said.pass(&mut from_client, &mut to_endpoint) => Ended::Client(ended),
    };
    // Whoever ended in good order gets what the other had still to say.
    let rest = async {
        match ended {
            Ended::Client(Ok(())) => got.pass(&mut from_endpoint, &mut to_client).await,
            // To close a connection on which something was not read is to reset it, and what was sent last may be lost with that.
            Ended::Endpoint(Ok(())) => discard(&mut from_client).await,
            Ended::Client(Err(error)) | Ended::Endpoint(Err(error)) => Err(error),
        }
    };
    if let Ok(Err(error)) = timeout(LINGER, rest).await {
        tracing::debug!(%error, "an upgraded connection broke off");
    }
    got.bytes
}

/// Which side had enough first.
enum Ended {
    Client(io::Result<()>),
    Endpoint(io::Result<()>),
}

/// One direction. What was read and not yet written stays here when it is interrupted.
struct Passed {
    piece: Vec<u8>,
    /// Of the piece: what waits to be written.
    waiting: std::ops::Range<usize>,
    write: Duration,
    bytes: usize,
}

impl Passed {
    fn new(room: usize, write: Duration) -> Self {
        Self { piece: vec![0; room], waiting: 0..0, write, bytes: 0 }
    }

    /// Until `from` has ended; `to` is told then.
    async fn pass<R, W>(&mut self, from: &mut R, to: &mut W) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while !self.waiting.is_empty() {
                let written = timeout(self.write, to.write(&self.piece[self.waiting.clone()])).await??;
                self.waiting.start += written;
                self.bytes += written;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
            }
            timeout(self.write, to.flush()).await??;
            match from.read(&mut self.piece).await? {
                0 => return to.shutdown().await,
                read => self.waiting = 0..read,
            }
        }
    }
}

async fn discard(from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    tokio::io::copy(from, &mut tokio::io::sink()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;

    use super::*;

    /// A client's and an endpoint's ends of a tunnel, and how many bytes the client will have got.
    async fn open() -> (DuplexStream, TcpStream, oneshot::Receiver<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let endpoint = listener.accept().await.unwrap().0;
        let (client, far) = duplex(64);
        let (told, over) = oneshot::channel();
        let tunnel = Tunnel::new(Duration::from_secs(10));
        tunnel.take_endpoint(near);
        tunnel.take_end(Box::new(move |bytes| told.send(bytes).unwrap()));
        tunnel.take_client(Box::new(far));
        (client, endpoint, over)
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_and_who_ends_hears_the_last_of_the_other() {
        let (mut client, mut endpoint, over) = open().await;
        client.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        endpoint.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        client.shutdown().await.unwrap();
        assert_eq!(endpoint.read(&mut heard).await.unwrap(), 0);
        let long = vec![7; 50_000];
        let farewell = tokio::spawn(async move {
            endpoint.write_all(&long).await.unwrap();
        });
        let mut last = Vec::new();
        client.read_to_end(&mut last).await.unwrap();
        farewell.await.unwrap();
        assert_eq!((last.len(), over.await.unwrap()), (50_000, 50_000));
    }

    #[tokio::test]
    async fn an_endpoint_that_goes_is_heard_to_the_end() {
        let (mut client, mut endpoint, over) = open().await;
        endpoint.write_all(b"bye").await.unwrap();
        drop(endpoint);
        let mut last = String::new();
        client.read_to_string(&mut last).await.unwrap();
        assert_eq!(last, "bye");
        drop(client);
        assert_eq!(over.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn nothing_is_carried_before_all_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut endpoint = listener.accept().await.unwrap().0;
        let (client, far) = duplex(64);
        let tunnel = Tunnel::new(Duration::from_secs(10));
        tunnel.take_endpoint(near);
        tunnel.take_client(Box::new(far));
        drop((tunnel, client));
        assert_eq!(endpoint.read(&mut [0]).await.unwrap(), 0, "a handshake that failed leaves nothing open");
    }
}
