//! A client's connection, lent to Pingora. Once an upgrade was agreed on it is given to the tunnel as soon as Pingora lets go of it;
//! until then Pingora may write what it has left, and reads and closes nothing any more.
//!
//! A client must keep pace with what is written to it ([`super::pace`]), or its connection fails.
//!
//! Pingora writes an answer's header and its body one after the other. What is short waits here for what follows, so that both go to the
//! kernel in one call, and to the client in one packet when they fit.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::http::v1::server::HttpSession;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::deadline;
use super::pace::{Reading, Taken};
use super::tunnel::Tunnel;
use crate::limit::open::OneOpen;

/// How an HTTP/2 client begins: so many bytes, before anything else bounds its silence.
const PREFACE_BYTES: usize = 24;

/// So much waits for what is written next: a header, and a short body behind it.
const WAITING_BYTES_MAX: usize = 1_024;

/// The connection.
#[derive(Debug)]
pub struct Lent {
    /// There until it is dropped.
    stream: Option<Stream>,
    /// Written, and not yet given to the stream. HTTP/2 gathers its frames itself.
    waiting: Waiting,
    gathers: bool,
    borrower: Borrower,
    reader: Reader,
    preface: Option<Preface>,
    /// Counts it among the connections of its client; there until it is dropped.
    place: Option<OneOpen>,
}

/// What is asked of whoever is at the other end.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The least a client must take; none when it may take its time.
    pub reading: Option<Reading>,
    /// Time for the start of an HTTP/2 connection.
    pub preface: Duration,
    /// Counts those who were too slow for the first.
    pub too_slow: IntCounter,
}

/// Who gets the connection next.
#[derive(Debug, Clone, Default)]
pub struct Borrower(Arc<std::sync::OnceLock<Tunnel>>);

impl Borrower {
    /// This tunnel. A connection is upgraded once.
    pub fn set(&self, tunnel: &Tunnel) {
        // It was set before only if Pingora went on with a connection that it was told is over.
        drop(self.0.set(tunnel.clone()));
    }

    fn tunnel(&self) -> Option<&Tunnel> {
        self.0.get()
    }
}

/// Who gets this session's connection, if it is lent.
pub fn borrower(session: &HttpSession) -> Option<Borrower> {
    session.stream().as_any().downcast_ref::<Lent>().map(|lent| lent.borrower.clone())
}

/// Bytes that wait for others.
#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// So many of them are gone.
    written: usize,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn left(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Takes these too, if there is room.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let fits = self.written == 0 && self.bytes.len() + bytes.len() <= WAITING_BYTES_MAX;
        if fits {
            self.bytes.reserve_exact(WAITING_BYTES_MAX - self.bytes.len());
            self.bytes.extend_from_slice(bytes);
        }
        fits
    }

    /// So many are gone. The memory is given back: most connections are idle.
    fn advance(&mut self, written: usize) {
        self.written += written;
        if self.written == self.bytes.len() {
            *self = Self::default();
        }
    }
}

/// How the client reads.
#[derive(Debug)]
struct Reader {
    terms: Terms,
    taken: Taken,
    /// Runs while a write waits.
    patience: Option<Pin<Box<Sleep>>>,
}

impl Reader {
    /// Lets a write's outcome pass, or fails it when the client takes too little.
    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let Some(pace) = self.terms.reading else { return outcome };
        match outcome {
            Poll::Ready(Ok(done)) => {
                self.taken.takes(bytes(&done));
                if self.taken.is_waited_for() && !self.taken.waited(pace, Instant::now()) {
                    return Poll::Ready(Err(self.too_slow()));
                }
                Poll::Ready(Ok(done))
            }
            Poll::Ready(Err(error)) => {
                // The kernel has given it up, which waits as long.
                if error.kind() == io::ErrorKind::TimedOut {
                    self.terms.too_slow.inc();
                }
                Poll::Ready(Err(error))
            }
            Poll::Pending => self.poll_patience(cx, pace).map(Err),
        }
    }

    /// The error that too long a wait becomes.
    fn poll_patience(&mut self, cx: &mut Context<'_>, pace: Reading) -> Poll<io::Error> {
        loop {
            let end = self.taken.waits(pace, Instant::now());
            let patience = self.patience.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if patience.deadline() != end {
                patience.as_mut().reset(end);
            }
            ready!(patience.as_mut().poll(cx));
            if !self.taken.waited(pace, Instant::now()) {
                return Poll::Ready(self.too_slow());
            }
        }
    }

    fn too_slow(&self) -> io::Error {
        self.terms.too_slow.inc();
        io::Error::new(io::ErrorKind::TimedOut, "the client takes its answer too slowly")
    }
}

/// The start of an HTTP/2 connection, for which Pingora would wait for ever.
#[derive(Debug)]
struct Preface {
    missing: usize,
    patience: Pin<Box<Sleep>>,
}

impl Lent {
    /// Lends it, on these terms. It has its place until it is over, also when it is not lent any more.
    pub fn new(stream: Stream, place: OneOpen, terms: Terms) -> Self {
        let h2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let preface = h2.then(|| Preface {
            missing: PREFACE_BYTES,
            patience: Box::pin(tokio::time::sleep(terms.preface)),
        });
        let reader = Reader { terms, taken: Taken::default(), patience: None };
        Self {
            stream: Some(stream),
            waiting: Waiting::default(),
            gathers: !h2,
            borrower: Borrower::default(),
            reader,
            preface,
            place: Some(place),
        }
    }

    /// Writes what waits, with this behind it; how much of this is written. With nothing to follow, it is only what waits.
    fn poll_write_behind(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        while !self.waiting.is_empty() {
            let stream = Pin::new(self.stream.as_mut().expect("it is there until it is dropped"));
            let parts = [io::IoSlice::new(self.waiting.left()), io::IoSlice::new(buf)];
            let written = ready!(stream.poll_write_vectored(cx, &parts))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let waited = written.min(self.waiting.left().len());
            self.reader.taken.takes(waited);
            self.waiting.advance(waited);
            if written > waited {
                return Poll::Ready(Ok(written - waited));
            }
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        Pin::new(self.get_mut()).poll_write(cx, buf)
    }

    /// Notes what was read of the preface; fails when it does not come.
    fn poll_preface(
        &mut self,
        cx: &mut Context<'_>,
        read: Poll<io::Result<()>>,
        bytes: usize,
    ) -> Poll<io::Result<()>> {
        let Some(preface) = &mut self.preface else { return read };
        preface.missing = preface.missing.saturating_sub(bytes);
        if preface.missing == 0 {
            self.preface = None;
        } else if read.is_pending() {
            ready!(preface.patience.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }

    fn get(&self) -> &Stream {
        self.stream.as_ref().expect("it is there until it is dropped")
    }

    fn get_mut(&mut self) -> &mut Stream {
        self.stream.as_mut().expect("it is there until it is dropped")
    }

    fn pinned(self: Pin<&mut Self>) -> Pin<&mut Stream> {
        Pin::new(Pin::into_inner(self).get_mut())
    }

    fn given(&self) -> bool {
        self.borrower.tunnel().is_some()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Of an answer that broke off its client has what there was, as far as that goes without waiting.
        let _ = self.poll_write_behind(&mut Context::from_waker(Waker::noop()), &[]);
        let (tunnel, stream, place) = (self.borrower.tunnel(), self.stream.take(), self.place.take());
        if let (Some(tunnel), Some(stream), Some(place)) = (tunnel, stream, place) {
            tunnel.take_client(stream, place);
        }
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given() {
            // The endpoint's side ends the session.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let read = self.as_mut().pinned().poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if bytes > 0 {
            deadline::begin();
        }
        self.poll_preface(cx, read, bytes)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let lent = &mut *self;
        if lent.gathers && lent.waiting.take(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = lent.poll_write_behind(cx, buf);
        lent.reader.judge(cx, written, |bytes| *bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match self.poll_write_behind(cx, &[]) {
            Poll::Ready(Ok(_)) => self.as_mut().pinned().poll_write_vectored(cx, bufs),
            unfinished => unfinished,
        };
        self.reader.judge(cx, written, |bytes| *bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.get().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match self.poll_write_behind(cx, &[]) {
            Poll::Ready(Ok(_)) => self.as_mut().pinned().poll_flush(cx),
            unfinished => unfinished.map_ok(|_| ()),
        };
        self.reader.judge(cx, flushed, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_behind(cx, &[]))?;
        if self.given() { self.pinned().poll_flush(cx) } else { self.pinned().poll_shutdown(cx) }
    }
}

#[async_trait]
impl Shutdown for Lent {
    async fn shutdown(&mut self) {
        if !self.given() {
            let _ = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)).await;
            self.get_mut().shutdown().await;
        }
    }
}

impl UniqueID for Lent {
    fn id(&self) -> UniqueIDType {
        self.get().id()
    }
}

impl Ssl for Lent {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.get().get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.get().selected_alpn_proto()
    }
}

impl GetTimingDigest for Lent {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.get().get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.get().get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.get().get_write_pending_time()
    }
}

impl GetProxyDigest for Lent {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.get().get_proxy_digest()
    }

    fn set_proxy_digest(&mut self, digest: ProxyDigest) {
        self.get_mut().set_proxy_digest(digest);
    }
}

impl GetSocketDigest for Lent {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.get().get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.get_mut().set_socket_digest(digest);
    }
}

#[async_trait]
impl Peek for Lent {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.get_mut().try_peek(buf).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::limit::open::Open;

    /// A connection whose client takes so many bytes at a time.
    fn lent(bytes: usize) -> (Lent, DuplexStream) {
        let (ours, client) = duplex(bytes);
        let counter = IntCounter::new("too_slow", "test").expect("test counter");
        let terms = Terms { reading: None, preface: Duration::from_secs(1), too_slow: counter };
        let place = Open::default().enter([127, 0, 0, 1].into(), 1).expect("a place");
        (Lent::new(Box::new(ours), place, terms), client)
    }

    #[tokio::test]
    async fn nothing_is_lost_or_moved_when_little_is_taken_at_a_time() {
        let parts = [10, 500, 513, 2, 40_000, 1, 1_024, 1_025].map(|length| vec![length as u8; length]);
        for bytes in [1, 7, 1_024, 100_000] {
            let (mut lent, mut client) = lent(bytes);
            let written = parts.clone();
            let writing = tokio::spawn(async move {
                for part in &written {
                    lent.write_all(part).await.expect("written");
                }
                lent.flush().await.expect("flushed");
                lent
            });
            let mut read = vec![0; parts.iter().map(Vec::len).sum()];
            client.read_exact(&mut read).await.expect("all of it");
            assert!(read == parts.concat(), "by {bytes}");
            writing.await.expect("no panic");
        }
    }

    #[tokio::test]
    async fn what_is_short_waits_for_what_follows() {
        let (mut lent, mut client) = lent(1 << 20);
        lent.write_all(b"header ").await.expect("written");
        let mut read = [0; 64];
        let nothing = tokio::time::timeout(Duration::ZERO, client.read(&mut read)).await;
        assert!(nothing.is_err(), "it did not wait");
        lent.write_all(&[b'b'; 2_000]).await.expect("written");
        assert!(client.read(&mut read).await.expect("read") > "header ".len());
        lent.write_all(b"half").await.expect("written");
        drop(lent);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.expect("read");
        assert!(rest.ends_with(b"bhalf"), "what waits goes when it breaks off");
    }
}
