//! Connections for upgrade requests, which work around one fault of Pingora 0.9.1 (its issue 946, open).
//!
//! When an upstream's 101 is read before the end of the upgrade request's own, empty body was handled, that end is
//! taken for the end of the tunnel. So these connections hold the answer back until the body's end was flushed, the
//! second flush after connecting (the first is the header's). They are never pooled with ordinary ones.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use http::header;
use pingora::connectors::L4Connect;
use pingora::http::RequestHeader;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddress;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Peers of another group never share a pooled connection; ordinary ones are in group 0.
const UPGRADE_GROUP: u64 = 1;
/// The header's, and that of the empty body's end.
const FLUSHES_BEFORE_ANSWER: u8 = 2;

/// Leaves only upgrades to WebSocket; an offer of any other protocol is ignored, as RFC 9110 allows.
pub fn ignore_other_protocols(request: &mut RequestHeader) {
    let offers: Vec<&[u8]> =
        request.headers.get_all(header::UPGRADE).iter().map(http::HeaderValue::as_bytes).collect();
    let websocket = matches!(offers[..], [offer] if offer.eq_ignore_ascii_case(b"websocket"));
    if !websocket {
        request.remove_header(&header::UPGRADE);
        request.remove_header("http2-settings");
    }
}

/// Makes a peer fit for upgrade requests.
pub fn prepare(peer: &mut HttpPeer, connect: Duration) {
    peer.group_key = UPGRADE_GROUP;
    peer.options.custom_l4 = Some(Arc::new(Connect { timeout: connect }));
}

#[derive(Debug)]
struct Connect {
    timeout: Duration,
}

#[async_trait]
impl L4Connect for Connect {
    async fn connect(&self, address: &PingoraAddress) -> Result<Stream> {
        let Some(address) = address.as_inet().copied() else {
            return Error::e_explain(ErrorType::InternalError, "endpoints have IP addresses");
        };
        let stream = self.dial(address).await?;
        let held = HeldBack { stream, flushes: 0, reader: None };
        Ok(VirtualSocketStream::new(Box::new(held)).into())
    }
}

impl Connect {
    async fn dial(&self, address: SocketAddr) -> Result<TcpStream> {
        match tokio::time::timeout(self.timeout, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Error::e_because(ErrorType::ConnectRefused, "upgrade", error)
            }
            Ok(Err(error)) => Error::e_because(ErrorType::ConnectError, "upgrade", error),
            Err(elapsed) => Error::e_because(ErrorType::ConnectTimedout, "upgrade", elapsed),
        }
    }
}

/// A connection that can be read only after the whole request was written.
#[derive(Debug)]
struct HeldBack {
    stream: TcpStream,
    flushes: u8,
    reader: Option<Waker>,
}

impl AsyncRead for HeldBack {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.flushes < FLUSHES_BEFORE_ANSWER {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for HeldBack {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.flushes = self.flushes.saturating_add(1);
            if self.flushes >= FLUSHES_BEFORE_ANSWER
                && let Some(reader) = self.reader.take()
            {
                reader.wake();
            }
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl VirtualSocket for HeldBack {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            // TCP keep-alive: only for peers that have it on, which ours have not.
            _ => Ok(()),
        }
    }
}
