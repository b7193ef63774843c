//! A client's connection, lent to Pingora. Once an upgrade was agreed on it is given to the tunnel as soon as Pingora lets go of it;
//! until then Pingora may write what it has left, and reads and closes nothing any more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::server::HttpSession;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tunnel::Tunnel;

/// The connection.
#[derive(Debug)]
pub struct Lent {
    /// There until it is dropped.
    stream: Option<Stream>,
    borrower: Borrower,
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

/// Lends the connection of a session that has read nothing yet, unless that was done for the request before.
pub fn lend(session: ServerSession) -> ServerSession {
    let ServerSession::H1(http) = session else { return session };
    if borrower(&http).is_some() {
        return ServerSession::H1(http);
    }
    let (keepalive, reuses) = (http.get_keepalive_timeout(), http.get_keepalive_reuses_remaining());
    let lent = Lent { stream: Some(http.into_inner()), borrower: Borrower::default() };
    let mut session = ServerSession::new_http1(Box::new(lent));
    session.set_keepalive(keepalive);
    session.set_keepalive_reuses_remaining(reuses);
    session
}

/// Who gets this session's connection, if it is lent.
pub fn borrower(session: &HttpSession) -> Option<Borrower> {
    session.stream().as_any().downcast_ref::<Lent>().map(|lent| lent.borrower.clone())
}

impl Lent {
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
        if let (Some(tunnel), Some(stream)) = (self.borrower.tunnel(), self.stream.take()) {
            tunnel.take_client(stream);
        }
    }
}

impl AsyncRead for Lent {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // The endpoint's side ends the session.
        if self.given() { Poll::Pending } else { self.pinned().poll_read(cx, buf) }
    }
}

impl AsyncWrite for Lent {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.pinned().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pinned().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.get().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pinned().poll_flush(cx)
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
