//! Makes a connection to an endpoint, and says what went wrong in the words that tell an endpoint's fault from our own.

use std::io;
use std::net::SocketAddr;

use pingora::protocols::l4::socket::SocketAddr as PingoraAddress;
use pingora::{Error, ErrorType, Result};
use rustix::io::Errno;
use tokio::net::{TcpSocket, TcpStream};

/// What the kernel keeps of an answer that its client does not take: left to itself, megabytes, which some hundred such clients make
/// more than it has for all connections.
const KEPT_BYTES: u32 = 64 * 1024;

/// Connects; how long that may take is its caller's business.
pub(super) async fn dial(address: &PingoraAddress) -> Result<TcpStream> {
    let Some(address) = address.as_inet().copied() else {
        return Error::e_explain(ErrorType::InternalError, "endpoints have IP addresses");
    };
    let socket = socket(address).map_err(|error| {
        // Such as no file left to open: nobody else's fault.
        Error::because(ErrorType::InternalError, "a socket to connect with", error)
    })?;
    socket.connect(address).await.map_err(|error| Error::because(kind(&error), "connecting", error))
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_recv_buffer_size(KEPT_BYTES)?;
    Ok(socket)
}

fn kind(error: &io::Error) -> ErrorType {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::CONNREFUSED) => ErrorType::ConnectRefused,
        Some(Errno::TIMEDOUT) => ErrorType::ConnectTimedout,
        Some(Errno::NETUNREACH | Errno::HOSTUNREACH) => ErrorType::ConnectNoRoute,
        // No port left to come from, or none that may be used.
        Some(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE | Errno::ACCESS) => ErrorType::InternalError,
        _ => ErrorType::ConnectError,
    }
}
