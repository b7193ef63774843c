//! One keep-alive HTTP/1.1 connection, as cheap as it can be: the request is bytes, and of the answer only what decides
//! where it ends is read.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest answer anybody here gives.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A connection that is opened again when the other side closes it, as keep-alive allows between two answers.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
    closing: bool,
}

/// What came back.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// Status line and header fields.
    pub head: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// The values of a header field, whose name is given in lower case.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        fields(self.head).filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.body[..self.body.len().min(300)];
        write!(formatter, "{} {}", self.status, String::from_utf8_lossy(shown))
    }
}

impl Line {
    /// Opens a connection.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            address,
            stream: open(address).await?,
            buffer: Vec::with_capacity(16 * 1024),
            closing: false,
        })
    }

    /// Whether the other side has said goodbye, so that nothing is to be asked here any more.
    pub fn hung_up(&self) -> bool {
        let heard = self.stream.try_read(&mut [0]);
        self.closing || !heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends one request and reads its answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.send(request).await?;
        self.receive().await
    }

    /// Sends one request; [`Line::receive`] must follow before the next.
    pub async fn send(&mut self, request: &[u8]) -> Result<()> {
        if self.closing {
            (self.stream, self.closing) = (open(self.address).await?, false);
        }
        self.stream.write_all(request).await.with_context(|| format!("{} hung up", self.address))
    }

    /// Reads one answer.
    pub async fn receive(&mut self) -> Result<Answer<'_>> {
        self.buffer.clear();
        let head = loop {
            self.fill().await?;
            if let Some(head) = Head::parse(&self.buffer)? {
                break head;
            }
        };
        while self.buffer.len() < head.bytes + head.body_bytes {
            self.fill().await?;
        }
        self.closing = head.closing;
        let (text, body) = self.buffer.split_at(head.bytes);
        Ok(Answer { status: head.status, head: text, body: &body[..head.body_bytes] })
    }

    async fn fill(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await;
        match read.with_context(|| format!("{} hung up", self.address))? {
            0 if self.buffer.is_empty() => bail!("{} hung up without an answer", self.address),
            0 => bail!("{} hung up in the middle of an answer", self.address),
            _ if self.buffer.len() > ANSWER_BYTES_MAX => bail!("{} does not stop answering", self.address),
            _ => Ok(()),
        }
    }
}

async fn open(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("{address} does not listen"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What the head of an answer says about where the answer ends.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Its own length, the empty line included.
    bytes: usize,
    body_bytes: usize,
    closing: bool,
}

impl Head {
    /// Nothing while the head is not complete.
    fn parse(buffer: &[u8]) -> Result<Option<Self>> {
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let text = &buffer[..end + 4];
        let status = text.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let status = status.with_context(|| format!("not HTTP: {}", String::from_utf8_lossy(text)))?;
        let (mut length, mut closing) = (None, false);
        for (name, value) in fields(text) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                closing = value.eq_ignore_ascii_case("close");
            }
        }
        let body_bytes = match (length, status) {
            (_, 204 | 304) => 0,
            (Some(length), _) => length,
            (None, _) => bail!("an answer without a length: {}", String::from_utf8_lossy(text)),
        };
        Ok(Some(Self { status, bytes: text.len(), body_bytes, closing }))
    }
}

/// Names and values of a head's fields; what is not text is left out.
fn fields(head: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    lines.filter_map(|line| {
        let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        Some((name, value.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Head> {
        Head::parse(text.as_bytes()).expect("good")
    }

    #[test]
    fn a_head_says_where_the_answer_ends() {
        let head = "HTTP/1.1 201 Created\r\nContent-Length:  12\r\nX-A: b\r\n\r\n";
        let parsed = Head { status: 201, bytes: head.len(), body_bytes: 12, closing: false };
        assert_eq!(parse(&format!("{head}{{\"id\"")), Some(parsed));
        for cut in 0..head.len() {
            assert_eq!(parse(&head[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn a_connection_that_will_be_closed_is_noticed() {
        let head =
            parse("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: Close\r\n\r\n").expect("complete");
        assert!(head.closing);
    }

    #[test]
    fn no_content_needs_no_length_and_everything_else_does() {
        assert_eq!(parse("HTTP/1.1 204 No Content\r\n\r\n").map(|head| head.body_bytes), Some(0));
        for bad in ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "SSH-2.0-x\r\n\r\n"] {
            assert!(Head::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn fields_are_found_whatever_their_case() {
        let head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\n\r\n";
        let answer = Answer { status: 200, head, body: b"" };
        assert_eq!(answer.fields("set-cookie").collect::<Vec<_>>(), ["a=1; Path=/", "b=2"]);
    }
}
