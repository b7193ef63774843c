//! A client's connection, lent to Pingora. Once an upgrade was agreed on it is given to the tunnel as soon as Pingora lets go of it;
//! until then Pingora may write what it has left, and reads and closes nothing any more.
//!
//! A client must keep pace with what is written to it ([`super::pace`]), or its connection fails.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
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

use super::pace::{Reading, Taken};
use super::tunnel::Tunnel;
use crate::limit::open::OneOpen;

/// How an HTTP/2 client begins: so many bytes, before anything else bounds its silence.
const PREFACE_BYTES: usize = 24;

/// The connection.
#[derive(Debug)]
pub struct Lent {
    /// There until it is dropped.
    stream: Option<Stream>,
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
        Self { stream: Some(stream), borrower: Borrower::default(), reader, preface, place: Some(place) }
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
        self.poll_preface(cx, read, buf.filled().len() - before)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.as_mut().pinned().poll_write(cx, buf);
        self.reader.judge(cx, written, |bytes| *bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.as_mut().pinned().poll_write_vectored(cx, bufs);
        self.reader.judge(cx, written, |bytes| *bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.get().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.as_mut().pinned().poll_flush(cx);
        self.reader.judge(cx, flushed, |()| 0)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.given() { self.pinned().poll_flush(cx) } else { self.pinned().poll_shutdown(cx) }
    }
}

#[async_trait]
impl Shutdown for Lent {
    async fn shutdown(&mut self) {
        if !self.given() {
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
