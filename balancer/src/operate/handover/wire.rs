//! Sockets of this machine's Linux: a name that belongs to whoever has it open and leaves no file behind, and file descriptors
//! as messages. Both sides make sure that the other is the same user.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg, sockopt,
};
use rustix::process::geteuid;

/// Of one message: names of listeners and what else is told, and the listeners.
pub(super) const TEXT_BYTES_MAX: usize = 4 * 1_024;
const SOCKETS_MAX: usize = 64;
const SPACE: usize = rustix::cmsg_space!(ScmRights(SOCKETS_MAX));

/// Takes the name, if nobody has it.
pub(super) fn listen(name: &str) -> io::Result<OwnedFd> {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?).map(OwnedFd::from)
}

/// Calls who has the name.
pub(super) fn connect(name: &str) -> io::Result<UnixStream> {
    let stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    same_user(&stream)?;
    Ok(stream)
}

/// Fails when the other side belongs to somebody else.
pub(super) fn same_user(stream: impl AsFd) -> io::Result<()> {
    if sockopt::socket_peercred(stream)?.uid == geteuid() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the other process belongs to another user"))
    }
}

/// One message, small enough that it never waits.
pub(super) fn send(to: impl AsFd, text: &str, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if text.len() > TEXT_BYTES_MAX || !ancillary.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::Error::other("too many listeners for one message"));
    }
    sendmsg(to, &[IoSlice::new(text.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The one message of the other side.
pub(super) fn receive(from: impl AsFd) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut text = vec![0; TEXT_BYTES_MAX];
    let received = recvmsg(from, &mut [IoSliceMut::new(&mut text)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    text.truncate(received.bytes);
    let mut sockets = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            sockets.extend(received);
        }
    }
    Ok((String::from_utf8_lossy(&text).into_owned(), sockets))
}
