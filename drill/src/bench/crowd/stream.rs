//! One WebSocket, as cheap as it can be for one that only listens: a read for whatever has come, frames found where they lie.

use std::io::Cursor;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

/// What there is room for before a read.
const READ_BYTES: usize = 4 * 1024;
/// The largest frame, and the largest answer to the handshake, that anybody here sends.
const FRAME_BYTES_MAX: u64 = 1024 * 1024;

/// An open socket.
pub(crate) struct Stream {
    connection: TcpStream,
    /// What came and was not whole.
    rest: Vec<u8>,
}

impl Stream {
    /// Opens one, as a visitor with these cookies, or one who was never here.
    pub(crate) async fn open(address: SocketAddr, path: &str, cookies: &str) -> Result<Self> {
        let connection =
            TcpStream::connect(address).await.with_context(|| format!("{address} does not listen"))?;
        connection.set_nodelay(true)?;
        let mut stream = Self { connection, rest: Vec::new() };
        let key = generate_key();
        let cookies = if cookies.is_empty() { String::new() } else { format!("cookie: {cookies}\r\n") };
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             {cookies}sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
        );
        stream.connection.write_all(request.as_bytes()).await?;
        let end = loop {
            if let Some(at) = stream.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            stream.fill().await?;
        };
        let head = stream.rest.drain(..end).collect::<Vec<_>>();
        ensure!(head.starts_with(b"HTTP/1.1 101 "), "no socket: {}", String::from_utf8_lossy(&head));
        Ok(stream)
    }

    /// Shows `see` the texts that have come, after waiting for more when there is none. Pings are answered.
    pub(crate) async fn read(&mut self, mut see: impl FnMut(&[u8])) -> Result<()> {
        loop {
            let (used, seen, pong) = self.frames(&mut see)?;
            self.rest.drain(..used);
            if let Some(pong) = pong {
                self.connection.write_all(&pong).await?;
            }
            if seen {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    /// Looks at the whole frames that are there. Returns how many bytes they are, whether a text was among them, and what is to
    /// be answered.
    fn frames(&self, see: &mut impl FnMut(&[u8])) -> Result<(usize, bool, Option<Vec<u8>>)> {
        let (mut used, mut seen, mut pong) = (0, false, None);
        while let Some((opcode, payload, length)) = first_frame(&self.rest[used..])? {
            match opcode {
                OpCode::Data(Data::Text) => {
                    see(payload);
                    seen = true;
                }
                OpCode::Control(Control::Ping) => pong = Some(answer(payload)?),
                OpCode::Control(Control::Close) => {
                    bail!("it was closed: {}", String::from_utf8_lossy(payload.get(2..).unwrap_or_default()));
                }
                _ => {}
            }
            used += length;
        }
        Ok((used, seen, pong))
    }

    async fn fill(&mut self) -> Result<()> {
        self.rest.reserve(READ_BYTES);
        ensure!(self.connection.read_buf(&mut self.rest).await? > 0, "it ended");
        ensure!(self.rest.len() as u64 <= FRAME_BYTES_MAX, "a frame without an end");
        Ok(())
    }
}

/// What kind the first frame is, what is in it, and how long all of it is; nothing while it is not whole.
fn first_frame(bytes: &[u8]) -> Result<Option<(OpCode, &[u8], usize)>> {
    let mut cursor = Cursor::new(bytes);
    let Some((header, length)) = FrameHeader::parse(&mut cursor)? else { return Ok(None) };
    ensure!(length <= FRAME_BYTES_MAX && header.mask.is_none(), "not a frame of a server");
    let from = usize::try_from(cursor.position())?;
    let to = from + usize::try_from(length)?;
    Ok(bytes.get(from..to).map(|payload| (header.opcode, payload, to)))
}

fn answer(asked: &[u8]) -> Result<Vec<u8>> {
    let mut pong = Frame::pong(asked.to_vec());
    pong.header_mut().mask = Some(rand::random());
    let mut bytes = Vec::new();
    pong.format(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt, StreamExt};
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_async;
    use tokio_tungstenite::tungstenite::Message;

    use super::*;

    #[tokio::test]
    async fn texts_are_seen_however_they_come_and_pings_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let long = "x".repeat(3 * READ_BYTES);
        let sent = long.clone();
        let server = tokio::spawn(async move {
            let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
            for message in
                [Message::text("one"), Message::Ping("p".into()), Message::text(sent), Message::text("two")]
            {
                socket.feed(message).await.unwrap();
            }
            socket.flush().await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("p".into()));
            socket.close(None).await.unwrap();
        });
        let mut stream = Stream::open(address, "/live", "").await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            stream.read(|text| seen.push(String::from_utf8_lossy(text).into_owned())).await.unwrap();
        }
        assert_eq!(seen, ["one".to_owned(), long, "two".to_owned()]);
        assert!(stream.read(|_| {}).await.unwrap_err().to_string().contains("it was closed"));
        server.await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_opens_no_socket_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let mut connection = listener.accept().await.unwrap().0;
            connection
                .write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
            connection
        });
        let refused = Stream::open(address, "/live", "").await.err().unwrap().to_string();
        assert!(refused.contains("503"), "{refused}");
        drop(server.await.unwrap());
    }
}
