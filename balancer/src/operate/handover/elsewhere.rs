//! Where sockets have no such names, there are no upgrades: a balancer is replaced by stopping it and starting another.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

pub(super) const TEXT_BYTES_MAX: usize = 0;

pub(super) fn listen(_: &str) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn connect(_: &str) -> io::Result<UnixStream> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn same_user(_: impl AsFd) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn send(_: impl AsFd, _: &str, _: &[BorrowedFd<'_>]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn receive(_: impl AsFd) -> io::Result<(String, Vec<OwnedFd>)> {
    Err(io::ErrorKind::Unsupported.into())
}
