//! The floor under every proxy: bytes from one socket to another, on one thread, over bare epoll. It does not know what
//! HTTP is, and opens a connection to the origin for each one that it accepts.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// What is read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// What waits for a slow reader before its sender has to wait.
const WAITING_BYTES_MAX: usize = 64 * 1024;
const EVENTS_MAX: usize = 256;
const LISTENER: u64 = 0;

/// Relays until the process is stopped.
pub fn serve(listen: SocketAddr, to: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut relay = Relay { epoll, pairs: HashMap::new(), next: LISTENER + 2 };
    let mut events = [EpollEvent::empty(); EVENTS_MAX];
    loop {
        let ready = relay.epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..ready] {
            match event.data() {
                LISTENER => relay.accept(&listener, to)?,
                token => relay.serve(token)?,
            }
        }
    }
}

struct Relay {
    epoll: Epoll,
    /// By the token of its first end; that of the second is one more.
    pairs: HashMap<u64, Pair>,
    next: u64,
}

/// A client and its own connection to the origin.
struct Pair([End; 2]);

struct End {
    stream: TcpStream,
    /// Read from the other end and not yet taken by this one.
    waiting: Vec<u8>,
    watched: EpollFlags,
}

impl Relay {
    fn accept(&mut self, listener: &TcpListener, to: SocketAddr) -> Result<()> {
        loop {
            let client = match listener.accept() {
                Ok((client, _)) => client,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let Ok(origin) = TcpStream::connect(to) else { continue };
            let token = self.next;
            self.next += 2;
            let pair = Pair([self.end(token, client)?, self.end(token + 1, origin)?]);
            self.pairs.insert(token, pair);
        }
    }

    fn end(&self, token: u64, stream: TcpStream) -> Result<End> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let watched = EpollFlags::EPOLLIN;
        self.epoll.add(&stream, EpollEvent::new(watched, token))?;
        Ok(End { stream, waiting: Vec::new(), watched })
    }

    /// One end has something to read, or can take more. When either is gone, both are closed.
    fn serve(&mut self, token: u64) -> Result<()> {
        let first = token & !1;
        // Nothing when it was closed within this very batch of events.
        let Some(pair) = self.pairs.get_mut(&first) else { return Ok(()) };
        if !pair.carry(token != first) {
            self.pairs.remove(&first);
            return Ok(());
        }
        pair.watch(&self.epoll, first)
    }
}

impl Pair {
    /// Moves what can be moved from the second end to the first, or the other way. `false` when one of them is gone.
    fn carry(&mut self, back: bool) -> bool {
        let [client, origin] = &mut self.0;
        let (from, to) = if back { (origin, client) } else { (client, origin) };
        from.flush() && from.read_into(&mut to.waiting) && to.flush()
    }

    /// An end is read while what it said before is not stuck, and written to while something waits for it.
    fn watch(&mut self, epoll: &Epoll, first: u64) -> Result<()> {
        let stuck = self.0.each_ref().map(|end| end.waiting.len() >= WAITING_BYTES_MAX);
        for (at, end) in self.0.iter_mut().enumerate() {
            let mut wanted = EpollFlags::empty();
            wanted.set(EpollFlags::EPOLLIN, !stuck[1 - at]);
            wanted.set(EpollFlags::EPOLLOUT, !end.waiting.is_empty());
            if wanted != end.watched {
                epoll.modify(&end.stream, &mut EpollEvent::new(wanted, first + at as u64))?;
                end.watched = wanted;
            }
        }
        Ok(())
    }
}

impl End {
    fn read_into(&mut self, waiting: &mut Vec<u8>) -> bool {
        if waiting.len() >= WAITING_BYTES_MAX {
            return true;
        }
        let mut chunk = [0; CHUNK_BYTES];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(read) => {
                waiting.extend_from_slice(&chunk[..read]);
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    fn flush(&mut self) -> bool {
        while !self.waiting.is_empty() {
            match self.stream.write(&self.waiting) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than both sides' kernels take at once, so that it must wait here and go on.
    const BYTES: usize = 32 * 1024 * 1024;
    /// What does not come for so long does not come.
    const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

    #[test]
    fn what_is_sent_arrives_in_order_however_slowly_it_is_taken_and_an_end_ends_both() {
        let origin = TcpListener::bind("127.0.0.1:0").unwrap();
        let (listen, to) = (free_address(), origin.local_addr().unwrap());
        // The relay ends with this process.
        std::thread::spawn(move || serve(listen, to));
        let mut client = connect(listen);
        let (mut server, _) = origin.accept().unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let sent: Vec<u8> = (0..BYTES).map(|at| (at / 7 % 251) as u8).collect();
        let expected = sent.clone();
        let writer = std::thread::spawn(move || client.write_all(&sent).map(|()| client));
        let mut received = vec![0; BYTES];
        server.read_exact(&mut received).unwrap();
        assert!(received == expected, "what arrived is not what was sent");
        let mut client = writer.join().unwrap().unwrap();
        server.write_all(b"answer").unwrap();
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"answer");
    }

    fn free_address() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    fn connect(to: SocketAddr) -> TcpStream {
        loop {
            if let Ok(stream) = TcpStream::connect(to) {
                return stream;
            }
            std::thread::yield_now();
        }
    }
}
