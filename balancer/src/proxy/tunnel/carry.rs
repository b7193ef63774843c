//! Bytes of an open socket, straight from one connection to the other, and three ways to end: either side has enough, or it has to
//! leave. Then the client gets the frame that has begun and a Close, and the endpoint gets the client's own.

use std::io;
use std::ops::Range;
use std::time::Duration;

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::frames::Frames;
use super::leave::Leave;

/// What is read at once from a client, who says little, and from an endpoint, which says much. Every open socket has both.
const FROM_CLIENT: usize = 1_024;
const FROM_ENDPOINT: usize = 8 * 1_024;
/// How long one side may go on when the other has ended.
const LINGER: Duration = Duration::from_secs(2);
/// How long a client may take to get the last frame and to answer the Close.
const FAREWELL: Duration = Duration::from_secs(5);
/// A Close, code 1012: come back, somebody else is there for you.
const SERVICE_RESTART: &[u8] = b"\x88\x11\x03\xf4service restart";

/// Two connections that belong together.
pub(super) struct Pair {
    pub(super) client: Stream,
    pub(super) endpoint: TcpStream,
    /// What the client has got already.
    pub(super) frames: Frames,
    /// The longest a side may take to be written to.
    pub(super) write: Duration,
}

/// Until one side has ended and the other had its time. Returns how many bytes the client got.
pub(super) async fn carry(pair: Pair, leave: Leave) -> usize {
    let Pair { client, mut endpoint, frames, write } = pair;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_endpoint, mut to_endpoint) = endpoint.split();
    let mut got = Passed::new(FROM_ENDPOINT, write, Some(frames));
    let mut said = Passed::new(FROM_CLIENT, write, None);
    let ended = tokio::select! {
        ended = got.pass(&mut from_endpoint, &mut to_client) => Ended::Endpoint(ended),
        ended = said.pass(&mut from_client, &mut to_endpoint) => Ended::Client(ended),
        () = leave.due() => Ended::Neither,
    };
    let patience = if matches!(ended, Ended::Neither) { FAREWELL } else { LINGER };
    // Whoever ended in good order gets what the other had still to say.
    let rest = async {
        match ended {
            Ended::Client(Ok(())) => got.pass(&mut from_endpoint, &mut to_client).await,
            // To close a connection on which something was not read is to reset it, and what was sent last may be lost with that.
            Ended::Endpoint(Ok(())) => discard(&mut from_client).await,
            Ended::Client(Err(error)) | Ended::Endpoint(Err(error)) => Err(error),
            Ended::Neither => {
                let dismissed = got.dismiss(&mut from_endpoint, &mut to_client);
                tokio::try_join!(dismissed, said.pass(&mut from_client, &mut to_endpoint)).map(drop)
            }
        }
    };
    if let Ok(Err(error)) = timeout(patience, rest).await {
        tracing::debug!(%error, "an upgraded connection broke off");
    }
    got.bytes
}

/// Which side had enough first.
enum Ended {
    Client(io::Result<()>),
    Endpoint(io::Result<()>),
    /// It has to leave.
    Neither,
}

/// One direction. What was read and not yet written stays here when it is interrupted.
struct Passed {
    piece: Vec<u8>,
    /// Of the piece: what waits to be written.
    waiting: Range<usize>,
    write: Duration,
    bytes: usize,
    /// Followed only where a frame of ours may have to be put in.
    frames: Option<Frames>,
}

impl Passed {
    fn new(room: usize, write: Duration, frames: Option<Frames>) -> Self {
        Self { piece: vec![0; room], waiting: 0..0, write, bytes: 0, frames }
    }

    /// Until `from` has ended; `to` is told then.
    async fn pass<R, W>(&mut self, from: &mut R, to: &mut W) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            self.write(to, usize::MAX).await?;
            if !self.read(from).await? {
                return to.shutdown().await;
            }
        }
    }

    /// The rest of the frame that has begun and a Close, then nothing more, until `from` has ended.
    async fn dismiss<R, W>(&mut self, from: &mut R, to: &mut W) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while let rest @ 1.. = self.rest_of_frame() {
            self.write(to, rest).await?;
            if self.waiting.is_empty() && !self.read(from).await? {
                return to.shutdown().await;
            }
        }
        self.waiting = 0..0;
        if self.frames.as_ref().is_none_or(|frames| !frames.closed()) {
            to.write_all(SERVICE_RESTART).await?;
            to.flush().await?;
        }
        discard(from).await?;
        to.shutdown().await
    }

    /// How many bytes have to be written before a frame of ours: those that wait at the most, and one more if that is not all.
    fn rest_of_frame(&self) -> usize {
        let Some(frames) = self.frames.as_ref().filter(|frames| !frames.between()) else { return 0 };
        frames.rest_in(&self.piece[self.waiting.clone()]).max(1)
    }

    /// Writes so many of the bytes that wait.
    async fn write(&mut self, to: &mut (impl AsyncWrite + Unpin), most: usize) -> io::Result<()> {
        let end = self.waiting.end.min(self.waiting.start.saturating_add(most));
        while self.waiting.start < end {
            let piece = &self.piece[self.waiting.start..end];
            let written = timeout(self.write, to.write(piece)).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            if let Some(frames) = &mut self.frames {
                frames.follow(&piece[..written]);
            }
            self.waiting.start += written;
            self.bytes += written;
        }
        timeout(self.write, to.flush()).await?
    }

    /// Reads what is there, once the last piece is written; false at the end.
    async fn read(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
        self.waiting = 0..from.read(&mut self.piece).await?;
        Ok(!self.waiting.is_empty())
    }
}

async fn discard(from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    tokio::io::copy(from, &mut tokio::io::sink()).await.map(drop)
}
