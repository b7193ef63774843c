//! Clients that mean harm by being slow: they hold connections and send, or take, next to nothing.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::cpu::Part;
use super::fetching::Fetching;
use super::measure::{Contender, Work};

/// Of each kind, at once.
pub const EACH: usize = 500;
/// Pause between two bytes.
const PAUSE: Duration = Duration::from_millis(200);
/// A listener that does not take a connection for so long is overwhelmed.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// What one that does not read leaves room for, in bytes.
const TAKEN_BYTES: u32 = 4 * 1024;

/// How one of them is slow.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Header,
    Body,
    Reader,
}

/// Honest requests while they are at it.
pub struct Attacked {
    /// The honest ones.
    pub honest: Fetching,
    crowd: JoinSet<()>,
}

impl Attacked {
    /// Nobody attacks yet.
    pub fn new(honest: Fetching) -> Self {
        Self { honest, crowd: JoinSet::new() }
    }
}

#[async_trait]
impl Contender for Attacked {
    fn name(&self) -> String {
        self.honest.name()
    }

    fn parts(&self) -> Vec<Part> {
        self.honest.parts()
    }

    async fn prepare(&mut self) -> Result<()> {
        for kind in [Kind::Header, Kind::Body, Kind::Reader] {
            for _ in 0..EACH {
                let first = connect(self.honest.address).await?;
                self.crowd.spawn(attack(first, self.honest.address, kind));
            }
        }
        self.honest.prepare().await
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let work = self.honest.work(length).await?;
        ensure!(self.crowd.len() == 3 * EACH, "some attackers gave up");
        Ok(work)
    }

    async fn tidy(&mut self) -> Result<()> {
        self.crowd.shutdown().await;
        self.honest.tidy().await
    }

    async fn note(&mut self) -> Result<String> {
        self.honest.note().await
    }
}

/// Comes back whenever it is cut.
async fn attack(first: TcpStream, address: SocketAddr, kind: Kind) {
    // What ends a connection is what it is about.
    drop(dawdle(first, kind).await);
    loop {
        match connect(address).await {
            Ok(stream) => drop(dawdle(stream, kind).await),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(TAKEN_BYTES)?;
    Ok(timeout(CONNECT_MAX, socket.connect(address)).await??)
}

async fn dawdle(mut stream: TcpStream, kind: Kind) -> Result<()> {
    let head: &[u8] = match kind {
        Kind::Header => b"GET /plain HTTP/1.1\r\nhost: x\r\nx-slow: ",
        Kind::Body => b"POST /plain HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n",
        Kind::Reader => b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n",
    };
    stream.write_all(head).await?;
    loop {
        sleep(PAUSE).await;
        if matches!(kind, Kind::Reader) {
            ensure!(stream.read(&mut [0]).await? > 0, "cut");
        } else {
            stream.write_all(b"x").await?;
        }
    }
}
