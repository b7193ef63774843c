//! A new process takes the listening sockets over from the one that runs, and no connection is refused or reset on the way.
//!
//! Whoever has connected waits in a queue that belongs to the socket, not to a process: nothing is lost while either has it open.
//! The new process calls the old one by a name made of the public address, gets its sockets, checks its endpoints, lets
//! connections in, and says that it is ready. Only then does the old one let nobody in any more and drain. When the new one ends
//! before that, nothing has happened.
//!
//! With the sockets, and again at its end, the old one tells what it was told by hand and the new one cannot find out.

#[cfg_attr(not(target_os = "linux"), path = "handover/elsewhere.rs")]
mod wire;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, UnixListener, UnixStream};
use tokio::time::timeout;

/// First line of the message with the sockets; their names follow, one a line, behind the door itself. After them comes what else is
/// told, as far as there is room.
const GREETING: &str = "sockets 1";
/// What is said to a second one.
const BUSY: &str = "busy";
/// What the new process says when it lets connections in.
const READY: &[u8] = b"ready";
/// Longest wait for the old process to do its next step, which takes it no time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The listening sockets of this process.
#[derive(Default)]
pub struct Sockets {
    /// Where a successor calls.
    door: Option<OwnedFd>,
    /// What the predecessor had, until it is asked for.
    inherited: Vec<(String, OwnedFd)>,
    listeners: Vec<(String, OwnedFd)>,
    predecessor: Option<std::os::unix::net::UnixStream>,
    told: String,
}

impl Sockets {
    /// None yet: nobody runs with this public address.
    pub fn first(public: SocketAddr) -> Self {
        let door = wire::listen(&name(public));
        if let Err(error) = &door {
            tracing::warn!(%error, "this process cannot be upgraded while it runs");
        }
        Self { door: door.ok(), ..Self::default() }
    }

    /// Those of the process that runs with this public address.
    pub fn inherit(public: SocketAddr) -> anyhow::Result<Self> {
        let predecessor = wire::connect(&name(public)).with_context(|| {
            format!(
                "no balancer of this user listens on {public} that could hand over; start without --upgrade"
            )
        })?;
        predecessor.set_read_timeout(Some(PATIENCE))?;
        let (text, sockets) =
            wire::receive(&predecessor).context("the running balancer hands nothing over")?;
        let mut lines = text.lines();
        match lines.next() {
            Some(GREETING) => {}
            Some(BUSY) => bail!("another upgrade of the running balancer is under way; wait for its end"),
            _ => bail!("the running balancer hands over in a way that this one does not know; restart it"),
        }
        let mut sockets = sockets.into_iter();
        let door = sockets.next();
        let inherited = sockets.zip(&mut lines).map(|(socket, name)| (name.to_owned(), socket)).collect();
        let told = lines.collect::<Vec<_>>().join("\n");
        Ok(Self { door, inherited, listeners: Vec::new(), predecessor: Some(predecessor), told })
    }

    /// What the process that runs has said besides.
    pub fn told(&self) -> &str {
        &self.told
    }

    /// The socket for an address, bound now if it was not inherited. It does not listen before its service does, so that no client
    /// connects to a process that then fails to start.
    pub fn open(&mut self, key: &str, address: SocketAddr) -> anyhow::Result<OwnedFd> {
        let name = address.to_string();
        let inherited = self.inherited.iter().position(|(inherited, _)| *inherited == name);
        let socket = match inherited {
            Some(index) => self.inherited.swap_remove(index).1,
            None => bind(address).with_context(|| {
                format!("key `{key}`: cannot listen on {address}; stop what uses it or choose another")
            })?,
        };
        let own = socket.try_clone()?;
        self.listeners.push((name, own));
        Ok(socket)
    }

    /// Those who come before and after this process. What was inherited and not asked for is closed here.
    pub fn between(self) -> (Option<Predecessor>, Successor) {
        let predecessor = self.predecessor.map(Predecessor);
        (predecessor, Successor { door: self.door, listeners: self.listeners })
    }
}

/// Without a file, so that none is left by a process that was killed.
fn name(public: SocketAddr) -> String {
    format!("marquee-balancer/{public}")
}

fn bind(address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.as_fd().try_clone_to_owned()
}

/// The process whose sockets this one has.
pub struct Predecessor(std::os::unix::net::UnixStream);

impl Predecessor {
    /// Says that this process lets connections in, and returns when the other does not any more, with its last words.
    pub async fn relieve(self) -> io::Result<String> {
        self.0.set_nonblocking(true)?;
        let mut stream = UnixStream::from_std(self.0)?;
        stream.write_all(READY).await?;
        let mut told = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut told)).await??;
        Ok(told)
    }
}

/// A process that may come to take over.
pub struct Successor {
    door: Option<OwnedFd>,
    listeners: Vec<(String, OwnedFd)>,
}

/// It has taken over; it is told so when this is dropped.
pub struct TakenOver(UnixStream);

impl TakenOver {
    /// These are the last words.
    pub async fn tell(mut self, words: &str) {
        if let Err(error) = timeout(PATIENCE, self.0.write_all(words.as_bytes())).await {
            tracing::warn!(%error, "the new process does not listen");
        }
    }
}

impl Successor {
    /// Ends when one has come and is ready; it is told these words. Until then everything stays as it is, whatever becomes of it.
    pub async fn ready(&self, words: impl Fn() -> String) -> TakenOver {
        let listener = match self.listen() {
            Ok(Some(listener)) => listener,
            Ok(None) => return pending().await,
            Err(error) => {
                tracing::warn!(%error, "this process cannot be upgraded while it runs");
                return pending().await;
            }
        };
        loop {
            match self.next(&listener, &words).await {
                Ok(taken_over) => return taken_over,
                Err(error) => tracing::warn!(%error, "an upgrade failed, this process goes on"),
            }
        }
    }

    fn listen(&self) -> io::Result<Option<UnixListener>> {
        let Some(door) = &self.door else { return Ok(None) };
        let listener = std::os::unix::net::UnixListener::from(door.try_clone()?);
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener).map(Some)
    }

    async fn next(&self, listener: &UnixListener, words: &impl Fn() -> String) -> anyhow::Result<TakenOver> {
        let mut stream = accept(listener).await;
        wire::same_user(&stream)?;
        self.lend(&stream, &words())?;
        tracing::info!("another process is about to take over");
        let mut said = [0; READY.len()];
        tokio::select! {
            read = stream.read_exact(&mut said) => { read.context("the other process ended before it was ready")?; }
            never = refuse_others(listener) => match never {},
        }
        Ok(TakenOver(stream))
    }

    fn lend(&self, stream: &UnixStream, words: &str) -> io::Result<()> {
        let names = self.listeners.iter().map(|(name, _)| name.as_str());
        let mut text = std::iter::once(GREETING).chain(names).collect::<Vec<_>>().join("\n");
        for line in words.lines() {
            if text.len() + line.len() < wire::TEXT_BYTES_MAX {
                text.push('\n');
                text.push_str(line);
            }
        }
        let listeners = self.listeners.iter().map(|(_, listener)| listener);
        let sockets: Vec<_> = self.door.iter().chain(listeners).map(OwnedFd::as_fd).collect();
        wire::send(stream, &text, &sockets)
    }
}

/// The next one who calls.
async fn accept(listener: &UnixListener) -> UnixStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a call for an upgrade could not be taken");
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }
}

/// One upgrade at a time.
async fn refuse_others(listener: &UnixListener) -> Infallible {
    loop {
        let stream = accept(listener).await;
        if let Err(error) = wire::send(&stream, BUSY, &[]) {
            tracing::debug!(%error, "who called in an upgrade is gone");
        }
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const PUBLIC: &str = "listen.public";
    const WORDS: &str = "one line\nand another";

    /// A process with one listener on a free port, and its address.
    async fn process() -> (Successor, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut sockets = Sockets::first(address);
        sockets.listeners.push((address.to_string(), listener.as_fd().try_clone_to_owned().unwrap()));
        (sockets.between().1, address)
    }

    async fn inherit(address: SocketAddr) -> anyhow::Result<Sockets> {
        tokio::task::spawn_blocking(move || Sockets::inherit(address)).await.unwrap()
    }

    #[tokio::test]
    async fn who_waits_in_the_queue_is_served_by_the_successor() {
        let (old, address) = process().await;
        let waiting = TcpStream::connect(address).await.unwrap();
        let old = tokio::spawn(async move {
            let taken_over = old.ready(|| WORDS.to_owned()).await;
            drop(old);
            taken_over
        });
        let mut sockets = inherit(address).await.unwrap();
        let socket = sockets.open(PUBLIC, address).unwrap();
        assert_eq!(sockets.told(), WORDS);
        let (predecessor, _successor) = sockets.between();
        assert!(!old.is_finished(), "it is not ready yet");
        let relieved = tokio::spawn(predecessor.unwrap().relieve());
        old.await.unwrap().tell("and more").await;
        assert_eq!(relieved.await.unwrap().unwrap(), "and more");
        let listener = TcpListener::from_std(std::net::TcpListener::from(socket)).unwrap();
        let served = listener.accept().await.unwrap().1;
        assert_eq!(served, waiting.local_addr().unwrap());
    }

    #[tokio::test]
    async fn one_that_fails_changes_nothing_and_a_second_one_is_refused() {
        let (old, address) = process().await;
        let old = tokio::spawn(async move { old.ready(String::new).await });
        let first = inherit(address).await.unwrap();
        let second = inherit(address).await.err().unwrap().to_string();
        assert!(second.contains("under way"), "{second}");
        drop(first);
        // The call may be taken before the end of the first is seen.
        let third = loop {
            if let Ok(sockets) = inherit(address).await {
                break sockets;
            }
        };
        let relieved = tokio::spawn(third.between().0.unwrap().relieve());
        drop(old.await.unwrap());
        relieved.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn without_a_predecessor_it_is_said_so() {
        let address = "127.0.0.1:1".parse().unwrap();
        let error = inherit(address).await.err().unwrap().to_string();
        assert!(error.contains("listens on 127.0.0.1:1"), "{error}");
    }
}
