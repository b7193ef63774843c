//! One client's connection. Whoever has something to say writes it there and then, by one system call; what the connection does not
//! take waits in a bounded queue, which the client's own task writes as soon as there is room.
//!
//! A seat that changes is news for thousands of clients. To wake a task for each of them would cost more than the writing.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Pieces, and bytes, that wait for one slow client before it is cut. They are shared by all to whom they go.
const WAITING_MAX: usize = 256;
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A connection that many write to and one reads.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    waiting: Mutex<Waiting>,
    /// Something waits, or the client was cut.
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Pieces of one or more whole frames, the first of which may have been begun.
    frames: VecDeque<Bytes>,
    bytes: usize,
    begun: bool,
    /// Whether any of it was taken since somebody asked.
    moved: bool,
    standing: Standing,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Gets all that is sent.
    #[default]
    Served,
    /// Did not take it: gets nothing more.
    Cut,
    /// Is told why, and nothing more.
    Leaving,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, waiting: Mutex::default(), news: Notify::new() }
    }

    /// Never waits. A client for whom too much waits already is cut.
    pub(super) fn send(&self, frame: &Bytes) {
        let mut waiting = self.lock();
        if waiting.standing != Standing::Served {
            return;
        }
        if waiting.frames.len() >= WAITING_MAX || waiting.bytes >= WAITING_BYTES_MAX {
            waiting.standing = Standing::Cut;
        } else if waiting.add(frame.clone(), &self.stream).is_ok_and(|all| all) {
            return;
        }
        self.news.notify_one();
    }

    /// Writes what waits whenever there is room. Done when the client was cut.
    pub(super) async fn deliver(&self) -> io::Result<()> {
        loop {
            let all = {
                let mut waiting = self.lock();
                if waiting.standing == Standing::Cut {
                    return Ok(());
                }
                waiting.write(&self.stream)?
            };
            if all {
                self.news.notified().await;
            } else {
                tokio::select! {
                    room = self.stream.writable() => room?,
                    () = self.news.notified() => {}
                }
            }
        }
    }

    /// Whether something waits of which nothing was taken since this was asked last.
    pub(super) fn stalled(&self) -> bool {
        let mut waiting = self.lock();
        let moved = std::mem::take(&mut waiting.moved);
        !waiting.frames.is_empty() && !moved
    }

    /// Forgets what waits, but for a frame that was begun. From now on only the client's own task writes.
    pub(super) fn leave(&self) {
        let mut waiting = self.lock();
        waiting.standing = Standing::Leaving;
        let kept = usize::from(waiting.begun);
        waiting.frames.truncate(kept);
        waiting.bytes = waiting.frames.iter().map(Bytes::len).sum();
    }

    /// Done when nothing waits any more.
    pub(super) async fn emptied(&self) -> io::Result<()> {
        while !self.lock().write(&self.stream)? {
            self.stream.writable().await?;
        }
        Ok(())
    }

    /// Reads to the end what nobody wants any more.
    pub(super) async fn discard(&self) -> io::Result<()> {
        let mut nowhere = [0; 1_024];
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut nowhere) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder of this lock panics")
    }
}

impl Waiting {
    /// Adds a frame and writes what can be written; says whether that was all.
    fn add(&mut self, frame: Bytes, stream: &TcpStream) -> io::Result<bool> {
        // What waits is written by the client's task, when there is room: to try it here would be in vain.
        let first = self.frames.is_empty();
        self.bytes += frame.len();
        self.frames.push_back(frame);
        if first { self.write(stream) } else { Ok(false) }
    }

    fn write(&mut self, stream: &TcpStream) -> io::Result<bool> {
        while let Some(frame) = self.frames.front_mut() {
            match stream.try_write(frame) {
                Ok(written) => {
                    frame.advance(written);
                    self.bytes -= written;
                    self.moved = true;
                    self.begun = !frame.is_empty();
                    if !self.begun {
                        self.frames.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// The end of the client's own task: reads, and writes whole frames among those of the others.
#[derive(Debug)]
pub(super) struct Own(pub(super) Arc<Wire>);

impl AsyncRead for Own {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.stream.poll_read_ready(context))?;
            match self.0.stream.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Own {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.0.lock().add(Bytes::copy_from_slice(bytes), &self.0.stream);
        Poll::Ready(written.map(|all| {
            if !all {
                self.0.news.notify_one();
            }
            bytes.len()
        }))
    }

    /// What waits is delivered in its time.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
