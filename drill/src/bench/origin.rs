//! The tiny origin behind every proxy: it reads a head, not what is in it, and answers from memory.
//!
//! `/cached…` may be stored by whoever stands in between, everything else may not. `/cached/1KiB` and `/cached/32KiB` are as long. `/asked` says how often `/cached…` got
//! through to here: a cache that is measured must not ask. `/cached/changing` is the number that `/change` has made larger, tagged.
//! `/large` is for clients that do not read.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::LocalSet;

/// The body of what may not be stored: about as long as a hold's.
const PLAIN_BYTES: usize = 256;
/// The bodies of what may be stored: about as long as a film, and as the map of a large room.
const SHORT_BYTES: usize = 1_024;
const LONG_BYTES: usize = 32 * 1_024;
/// The body of what is more than sockets hold.
const LARGE_BYTES: usize = 16 * 1024 * 1024;
/// What waits for its reader in the kernel: copying megabytes for each of hundreds would keep this one thread from everybody else.
const SEND_BYTES: u32 = 64 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// A longer head is nobody's that we know.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Serves until the process is stopped, on one thread.
pub fn serve(listen: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        let answers = Rc::new(Answers::new());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let answers = Rc::clone(&answers);
            // A client that goes away in the middle is no trouble of ours.
            tokio::task::spawn_local(async move { drop(converse(stream, &answers).await) });
        }
    })
}

fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BYTES)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

struct Answers {
    plain: Vec<u8>,
    short: Vec<u8>,
    long: Vec<u8>,
    large: Vec<u8>,
    asked: Cell<u64>,
    version: Cell<u64>,
}

impl Answers {
    fn new() -> Self {
        let cached = |bytes| answer("public, max-age=86400", &"x".repeat(bytes));
        Self {
            plain: answer("no-store", &"x".repeat(PLAIN_BYTES)),
            short: cached(SHORT_BYTES),
            long: cached(LONG_BYTES),
            large: answer("no-store", &"x".repeat(LARGE_BYTES)),
            asked: Cell::new(0),
            version: Cell::new(0),
        }
    }

    async fn write(&self, head: &[u8], stream: &mut TcpStream) -> Result<()> {
        let path = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        if path == b"/cached/changing" {
            self.asked.set(self.asked.get() + 1);
            let body = format!("{:<SHORT_BYTES$}", self.version.get());
            let control = "public, max-age=86400\r\nCache-Tag: changing";
            stream.write_all(&answer(control, &body)).await?;
        } else if path == b"/change" {
            self.version.set(self.version.get() + 1);
            stream.write_all(&answer("no-store", &self.version.get().to_string())).await?;
        } else if path.starts_with(b"/cached") {
            self.asked.set(self.asked.get() + 1);
            let long = path.ends_with(b"/32KiB");
            stream.write_all(if long { &self.long } else { &self.short }).await?;
        } else if path == b"/large" {
            stream.write_all(&self.large).await?;
        } else if path == b"/asked" {
            stream.write_all(&answer("no-store", &self.asked.get().to_string())).await?;
        } else {
            stream.write_all(&self.plain).await?;
        }
        Ok(())
    }
}

fn answer(cache_control: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: {cache_control}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn converse(mut stream: TcpStream, answers: &Answers) -> Result<()> {
    let mut head = Vec::with_capacity(4 * 1024);
    while head.len() < HEAD_BYTES_MAX && stream.read_buf(&mut head).await? > 0 {
        if head.ends_with(b"\r\n\r\n") {
            answers.write(&head, &mut stream).await?;
            head.clear();
        }
    }
    Ok(())
}
