//! The live socket as a buyer's browser uses it.

use anyhow::{Context, Result, bail, ensure};
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
            match self.socket.next().await.context("the live socket ended")?? {
                Message::Text(text) => {
                    let frame = serde_json::from_str(&text)?;
                    self.follow(&frame)?;
                    return Ok(frame);
                }
                Message::Close(frame) => bail!("the live socket was closed: {frame:?}"),
                _ => {}
            }
        }
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

    fn follow(&mut self, frame: &ServerFrame) -> Result<()> {
        match frame {
            ServerFrame::Snapshot { version, seats, .. } => {
                ensure!(
                    self.version.is_none_or(|last| *version >= last),
                    "{version} after {:?}",
                    self.version
                );
                (self.version, self.seats) = (Some(*version), seats.clone());
            }
            ServerFrame::Seats { version, changes, .. } => {
                ensure!(self.version == version.checked_sub(1), "step {version} after {:?}", self.version);
                self.version = Some(*version);
                self.seats.extend(changes.clone());
                self.seats.retain(|_, status| *status != SeatStatus::Free);
            }
            _ => {}
        }
        Ok(())
    }
}
