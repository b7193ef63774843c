//! Connections for upgrade requests, which work around one fault of Pingora 0.9.1 (its issue 946, open).
//!
//! When an upstream's 101 is read before the end of the upgrade request's own, empty body was handled, that end is
//! taken for the end of the tunnel. So these connections hold the answer back until the body's end was flushed, the
//! second flush after connecting (the first is the header's).
//!
//! They also bound the upstream's silence until the tunnel is open. Each carries one handshake: none is kept for another request.
//! When Pingora lets go of one whose handshake went well, the tunnel gets it.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, header};
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddress;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::dial::dial;
use super::tunnel::Tunnel;
use crate::fields::HTTP2_SETTINGS;

/// The header's, and that of the empty body's end.
const FLUSHES_BEFORE_ANSWER: u8 = 2;

/// Leaves only upgrades to WebSocket; an offer of any other protocol is ignored, as RFC 9110 allows.
pub fn ignore_other_protocols(fields: &mut HeaderMap) {
    let mut offers = fields.get_all(header::UPGRADE).iter();
    let websocket = match (offers.next(), offers.next()) {
        (Some(only), None) => only.as_bytes().eq_ignore_ascii_case(b"websocket"),
        _ => false,
    };
    if !websocket {
        fields.remove(header::UPGRADE);
        fields.remove(&HTTP2_SETTINGS);
    }
}

/// Makes a peer fit for one upgrade request; until its tunnel is opened the upstream may be silent for so long.
pub fn prepare(peer: &mut HttpPeer, connect: Duration, silence_max: Duration, tunnel: Tunnel) {
    // A connection is found again only by its own group; ordinary ones are in group 0.
    peer.group_key = rand::random_range(1..=u64::MAX);
    peer.options.idle_timeout = Some(Duration::ZERO);
    let connect = Connect { timeout: connect, silence_max, tunnel };
    peer.options.custom_l4 = Some(Arc::new(connect));
}

#[derive(Debug)]
struct Connect {
    timeout: Duration,
    silence_max: Duration,
    tunnel: Tunnel,
}

#[async_trait]
impl L4Connect for Connect {
    async fn connect(&self, address: &PingoraAddress) -> Result<Stream> {
        let held = HeldBack {
            stream: Some(self.dial(address).await?),
            flushes: 0,
            reader: None,
            tunnel: self.tunnel.clone(),
            silence_max: self.silence_max,
            silence: Box::pin(tokio::time::sleep(self.silence_max)),
        };
        Ok(VirtualSocketStream::new(Box::new(held)).into())
    }
}

impl Connect {
    async fn dial(&self, address: &PingoraAddress) -> Result<TcpStream> {
        let dialed = tokio::time::timeout(self.timeout, dial(address)).await;
        dialed.unwrap_or_else(|elapsed| Error::e_because(ErrorType::ConnectTimedout, "upgrade", elapsed))
    }
}

/// A connection that can be read only after the whole request was written, and fails when nothing comes for too long.
#[derive(Debug)]
struct HeldBack {
    /// There until it is dropped.
    stream: Option<TcpStream>,
    flushes: u8,
    reader: Option<Waker>,
    tunnel: Tunnel,
    silence_max: Duration,
    silence: Pin<Box<Sleep>>,
}

impl HeldBack {
    fn poll_answer(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.flushes < FLUSHES_BEFORE_ANSWER {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.pinned().poll_read(cx, buf)
    }

    fn pinned(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.as_mut().expect("it is there until it is dropped"))
    }

    /// The error that silence becomes.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.silence.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for HeldBack {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.tunnel.is_open() {
            // The end, for Pingora.
            return Poll::Ready(Ok(()));
        }
        let answer = self.poll_answer(cx, buf);
        if answer.is_pending() {
            return self.poll_silence(cx);
        }
        let heard_until = Instant::now() + self.silence_max;
        self.silence.as_mut().reset(heard_until);
        answer
    }
}

impl AsyncWrite for HeldBack {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.pinned().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.pinned().poll_flush(cx);
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
        if self.tunnel.is_open() { self.pinned().poll_flush(cx) } else { self.pinned().poll_shutdown(cx) }
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        if let (true, Some(stream)) = (self.tunnel.is_open(), self.stream.take()) {
            self.tunnel.take_endpoint(stream);
        }
    }
}

impl VirtualSocket for HeldBack {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.as_ref().map_or(Ok(()), |stream| stream.set_nodelay(true)),
            // TCP keep-alive: only for peers that have it on, which ours have not.
            _ => Ok(()),
        }
    }
}
