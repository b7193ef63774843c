//! The listeners, and what a connection passes before its first request: the PROXY protocol where its sender must speak it, a count
//! of what its client has open, and TLS where that is spoken. What comes out is an ordinary connection; Pingora takes it from there.
//!
//! A listener is given its sockets, says when it lets connections in, and closes when the drain says so. Left to the server, it would
//! close at the very end, when what was let in last is cut.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddress;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{GetSocketDigest as _, IO, SocketDigest, Stream};
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::{Service, ServiceReadyNotifier, ServiceWithDependents, listening};
use prometheus::IntCounter;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::metrics::Metrics;
use super::proxy_protocol::{self, Header};
use crate::config::Config;
use crate::fleet::Fleet;
use crate::limit::open::{OneOpen, Open};
use crate::limit::rate;
use crate::proxy::lent::{Lent, Terms};

/// A listening service with a signal of its own.
pub struct Listener<A> {
    /// The service.
    pub service: listening::Service<A>,
    /// Its sockets, under the addresses that the service has for them.
    pub sockets: Vec<(String, OwnedFd)>,
    /// Becomes true when it must close.
    pub shut: ShutdownWatch,
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServiceWithDependents for Listener<A> {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        _: ShutdownWatch,
        listeners_per_fd: usize,
        ready: ServiceReadyNotifier,
    ) {
        if let Some(fds) = &fds {
            let mut fds = fds.lock();
            for (address, socket) in self.sockets.drain(..) {
                fds.add(address, socket.into_raw_fd());
            }
        }
        let mut serving = Service::start_service(&mut self.service, fds, self.shut.clone(), listeners_per_fd);
        // It waits for nothing before it lets connections in, and then only for its end.
        let ended = poll_fn(|context| Poll::Ready(serving.as_mut().poll(context).is_ready())).await;
        ready.notify_ready();
        if !ended {
            serving.await;
        }
    }

    fn name(&self) -> &str {
        Service::name(&self.service)
    }

    fn threads(&self) -> Option<usize> {
        Service::threads(&self.service)
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        Service::listen_addresses(&self.service)
    }
}

/// What the kernel keeps for a client that does not take it: left to itself, megabytes, which some hundred such clients make more than
/// it has for all connections.
const UNREAD_BYTES_MAX: usize = 64 * 1024;

/// What a client has not taken stays with the kernel when its connection is closed, for minutes. There is only so much of it, and after
/// this time without progress it is thrown away. Connections have that from their listener.
pub fn limit_unread(socket: &OwnedFd, time: Duration) {
    let limited = rustix::net::sockopt::set_socket_send_buffer_size(socket, UNREAD_BYTES_MAX);
    if let Err(error) = limited.and_then(|()| forget_unread(socket, time)) {
        tracing::warn!(%error, "much that a client does not take may stay for minutes");
    }
}

#[cfg(target_os = "linux")]
fn forget_unread(socket: &OwnedFd, time: Duration) -> rustix::io::Result<()> {
    let milliseconds = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(socket, milliseconds)
}

/// Elsewhere it stays as long as the kernel likes.
#[cfg(not(target_os = "linux"))]
fn forget_unread(_: &OwnedFd, _: Duration) -> rustix::io::Result<()> {
    Ok(())
}

/// The way in.
pub struct Door<A> {
    /// Who is behind it.
    pub app: Arc<A>,
    /// Where TLS is spoken, if anywhere.
    pub tls: Option<TlsDoor>,
    /// Says whose senders tell first who their client is, in the PROXY protocol, and what is asked of clients.
    pub fleet: Arc<Fleet>,
    /// Who has how many connections open.
    pub open: Open,
    /// Counts clients that take their answers too slowly.
    pub too_slow: IntCounter,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
}

/// The part of it that speaks TLS.
pub struct TlsDoor {
    /// The address that is listened on for it.
    pub address: SocketAddr,
    /// Makes the handshakes.
    pub acceptor: Acceptor,
    /// Time for one.
    pub handshake: Duration,
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Door<A> {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let snapshot = self.fleet.snapshot();
        let (stream, place) = self.enter(stream, &snapshot.config).await?;
        let edge = &snapshot.config.edge;
        let (too_slow, reading) = (self.too_slow.clone(), edge.answer_pace);
        let lent = Lent::new(stream, place, Terms { reading, preface: edge.header, too_slow });
        // It may live for hours, and what it began with may be gone by then.
        drop(snapshot);
        self.app.process_new(Box::new(lent), shutdown).await
    }

    async fn cleanup(&self) {
        self.app.cleanup().await;
    }
}

impl<A> Door<A> {
    /// The connection inside of what is spoken around it, and its place among those of its client; none when it is not let in.
    async fn enter(&self, stream: Stream, config: &Config) -> Option<(Stream, OneOpen)> {
        let mut stream: Box<L4Stream> = stream.into_any().downcast().ok()?;
        let tls = self.tls.as_ref().filter(|tls| tls.is_spoken_on(&stream));
        let place = self.place(&mut stream, config).await?;
        let stream = match tls {
            Some(tls) => self.handshake(tls, *stream).await?,
            None => stream,
        };
        Some((stream, place))
    }

    async fn place(&self, stream: &mut L4Stream, config: &Config) -> Option<OneOpen> {
        let (client, most) = self.client(stream, config).await?;
        let place = self.open.enter(rate::client(client), most);
        if place.is_none() {
            tracing::debug!(%client, "it has as many connections as it may");
            self.metrics.connections_refused.inc();
        }
        place
    }

    /// Who has connected, and how many connections it may have. Whoever comes for many has no limit of its own.
    async fn client(&self, stream: &mut L4Stream, config: &Config) -> Option<(IpAddr, usize)> {
        let (edge, ip) = (&config.edge, sender(stream)?);
        let speaks = edge.proxy_protocol_from.iter().any(|network| network.contains(&ip));
        let named = !speaks || self.learn_client(stream, edge.header).await?;
        let client = sender(stream)?;
        let one = named && !edge.trusts(client);
        Some((client, if one { config.limits.client_connections_max } else { usize::MAX }))
    }

    /// Whether the sender names a client.
    async fn learn_client(&self, stream: &mut L4Stream, time: Duration) -> Option<bool> {
        let header = timeout(time, read_header(stream)).await;
        match header.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(Header { client: Some(client), .. }) => {
                set_client(stream, client);
                Some(true)
            }
            // It speaks for itself.
            Ok(Header { client: None, .. }) => Some(false),
            Err(error) => {
                tracing::debug!(%error, sender = ?sender(stream), "no PROXY header where one must be");
                self.metrics.proxy_headers_refused.inc();
                None
            }
        }
    }

    async fn handshake(&self, tls: &TlsDoor, stream: L4Stream) -> Option<Stream> {
        let (result, stream) = match timeout(tls.handshake, tls.acceptor.tls_handshake(stream)).await {
            Ok(Ok(stream)) => ("ok", Some(Box::new(stream) as Box<dyn IO>)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake");
                ("failed", None)
            }
            Err(_) => ("timeout", None),
        };
        self.metrics.tls_handshakes.with_label_values(&[result]).inc();
        stream
    }
}

impl TlsDoor {
    fn is_spoken_on(&self, stream: &L4Stream) -> bool {
        let digest = stream.get_socket_digest();
        let local = digest.as_ref().and_then(|digest| digest.local_addr()?.as_inet());
        let here = |ip: IpAddr| self.address.ip().is_unspecified() || self.address.ip() == ip.to_canonical();
        local.is_some_and(|local| local.port() == self.address.port() && here(local.ip()))
    }
}

fn sender(stream: &L4Stream) -> Option<IpAddr> {
    let digest = stream.get_socket_digest()?;
    Some(digest.peer_addr()?.as_inet()?.ip().to_canonical())
}

/// Reads the header, and no byte behind it.
async fn read_header(stream: &mut L4Stream) -> io::Result<Header> {
    let mut bytes = Vec::with_capacity(256);
    loop {
        if let Some(header) = proxy_protocol::parse(&bytes).map_err(io::Error::other)? {
            stream.rewind(&bytes[header.length..]);
            return Ok(header);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// From here on this is who has connected.
fn set_client(stream: &mut L4Stream, client: SocketAddr) {
    use std::os::fd::AsRawFd as _;
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    // A new digest has no address yet, so there is nothing it could refuse.
    let _ = digest.peer_addr.set(Some(PingoraAddress::Inet(client)));
    stream.set_socket_digest(digest);
}
