//! The live socket as a buyer's browser uses it.

use anyhow::{Context, Result, bail};
use domain::live::{Seats, ServerFrame};
use domain::status::SeatStatus;
use futures_util::{SinkExt, StreamExt};
use reqwest::header::HeaderValue;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// An open socket and the picture it has given so far.
#[derive(Debug)]
pub struct Live {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The last version seen; nothing before the first snapshot.
    pub version: Option<u64>,
    /// All that is not free.
    pub seats: Seats,
}

/// What a socket brings.
#[derive(Debug)]
pub enum Heard {
    /// A frame that follows on the one before.
    Frame(ServerFrame),
    /// A frame that does not; the picture shows it all the same.
    OutOfStep {
        /// The last version, if there was one.
        before: Option<u64>,
        /// The frame.
        frame: ServerFrame,
    },
    /// A sign of life.
    Ping,
    /// The end, with the code if one was said.
    Closed(Option<u16>),
}

impl Live {
    pub(crate) async fn connect(url: &str, header: Option<(&'static str, HeaderValue)>) -> Result<Self> {
        let mut request = url.into_client_request()?;
        if let Some((name, value)) = header {
            request.headers_mut().insert(name, value);
        }
        let (socket, _) = connect_async(request).await.context("the live socket was refused")?;
        Ok(Self { socket, version: None, seats: Seats::new() })
    }

    /// Watches one more show.
    pub async fn watch(&mut self, show: &str) -> Result<()> {
        let frame = json!({ "type": "watch", "show_id": show }).to_string();
        Ok(self.socket.send(Message::text(frame)).await?)
    }

    /// The next frame, with the picture brought up to it. A step that does not follow on the last version is an error.
    pub async fn next(&mut self) -> Result<ServerFrame> {
        loop {
            match self.hear().await? {
                Heard::Frame(frame) => return Ok(frame),
                Heard::OutOfStep { before, frame } => bail!("{frame:?} after version {before:?}"),
                Heard::Closed(code) => bail!("the live socket was closed: {code:?}"),
                Heard::Ping => {}
            }
        }
    }

    /// Whatever comes next, with the picture brought up to it. May be dropped while it waits.
    pub async fn hear(&mut self) -> Result<Heard> {
        match self.socket.next().await.context("the live socket ended")?? {
            Message::Text(text) => {
                let frame = serde_json::from_str(&text)?;
                let before = self.version;
                let in_step = self.follow(&frame);
                Ok(if in_step { Heard::Frame(frame) } else { Heard::OutOfStep { before, frame } })
            }
            Message::Close(frame) => Ok(Heard::Closed(frame.map(|frame| frame.code.into()))),
            _ => Ok(Heard::Ping),
        }
    }

    /// Says goodbye, as a browser does.
    pub async fn close(mut self) {
        // A server that is gone needs no goodbye.
        drop(self.socket.close(None).await);
    }

    /// Reads on until the picture shows a seat with a status.
    pub async fn until(&mut self, seat: &str, status: SeatStatus) -> Result<()> {
        while self.version.is_none() || self.status(seat) != status {
            self.next().await?;
        }
        Ok(())
    }

    /// What the picture shows.
    pub fn status(&self, seat: &str) -> SeatStatus {
        let found = self.seats.iter().find(|(id, _)| id.as_str() == seat);
        found.map_or(SeatStatus::Free, |(_, status)| *status)
    }

    /// Brings the picture up to a frame; says whether the frame followed on the last version.
    fn follow(&mut self, frame: &ServerFrame) -> bool {
        match frame {
            ServerFrame::Snapshot { version, seats, .. } => {
                let in_step = self.version.is_none_or(|last| *version >= last);
                (self.version, self.seats) = (Some(*version), seats.clone());
                in_step
            }
            ServerFrame::Seats { version, changes, .. } => {
                let in_step = self.version.is_some() && self.version == version.checked_sub(1);
                self.version = Some(*version);
                self.seats.extend(changes.clone());
                self.seats.retain(|_, status| *status != SeatStatus::Free);
                in_step
            }
            _ => true,
        }
    }
}

/// The status with which a socket was refused, when that is why there is none.
pub fn refused(error: &anyhow::Error) -> Option<u16> {
    match error.downcast_ref::<tokio_tungstenite::tungstenite::Error>() {
        Some(tokio_tungstenite::tungstenite::Error::Http(answer)) => Some(answer.status().as_u16()),
        _ => None,
    }
}
