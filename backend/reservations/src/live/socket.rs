//! One client's socket, from upgrade to close.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::id::{SessionId, ShowId};
use domain::live::{ClientFrame, ServerFrame};
use futures_util::{SinkExt, StreamExt};
use service::drain::Drain;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::hub::Hub;
use super::wire::{Own, Wire};
use super::{Outlet, frame};

/// How long a client may take to hear why its socket is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// The same, in seconds, when the server goes.
pub const LAST_CLOSE_SECONDS_MAX: u64 = 3;
/// The largest frame, and message, a client may send.
const FRAME_BYTES_MAX: usize = 4 * 1024;
/// What a client sends is short, and there are thousands of these.
const READ_BUFFER_BYTES: usize = 512;
/// Shows one client may watch at once.
const WATCHED_MAX: usize = 8;
/// Frames a client may send in one ping interval.
const FRAMES_PER_INTERVAL_MAX: u32 = 100;
/// Between two pings. A client that took nothing of what waits for it meanwhile is cut.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// A client that was silent for this long, pings included, is gone.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// Sockets closed in a second, about, when the server goes: those who come back then do not come at once.
const CLOSED_PER_SECOND: u32 = 1_000;

/// Serves one client on a connection that was upgraded; `early` is what it has sent already.
pub async fn serve(
    (stream, early): (TcpStream, Bytes),
    hub: Hub,
    session: SessionId,
    first: Option<ShowId>,
    drain: Drain,
) {
    let wire = Arc::new(Wire::new(stream));
    let outlet = Outlet::new(Arc::clone(&wire));
    let own = Own(Arc::clone(&wire));
    let socket = WebSocketStream::from_partially_read(own, early.into(), Role::Server, Some(limits())).await;
    hub.connect(&session, outlet.clone());
    let mut client = Client { socket, hub: hub.clone(), outlet: outlet.clone(), watched: HashSet::new() };
    if let Some(show) = first {
        client.watch(show).await;
    }
    let close = client.run(&wire, &drain).await;
    wire.leave();
    for show in &client.watched {
        hub.unwatch(show, &outlet).await;
    }
    hub.disconnect(&session, &outlet);
    if let Some(close) = close {
        let patience =
            if drain.is_stopped() { Duration::from_secs(LAST_CLOSE_SECONDS_MAX) } else { CLOSE_TIMEOUT };
        // A client that is gone has no use for it.
        drop(timeout(patience, client.close(close, &wire)).await);
    }
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX))
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
}

struct Client {
    socket: WebSocketStream<Own>,
    hub: Hub,
    outlet: Outlet,
    watched: HashSet<ShowId>,
}

impl Client {
    /// Until one side has enough; returns how to close, if the client is still there.
    async fn run(&mut self, wire: &Wire, drain: &Drain) -> Option<CloseFrame> {
        // Made once: what is made anew for every frame is registered anew with all the others'.
        let (mut delivering, mut going) = (pin!(wire.deliver()), pin!(going(self.hub.clone(), drain)));
        let mut pings = interval(PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut frames) = (Instant::now(), 0_u32);
        loop {
            tokio::select! {
                () = &mut going => return close(CloseCode::Restart, "the server restarts"),
                delivered = &mut delivering => {
                    delivered.ok()?;
                    return self.cut();
                }
                message = self.socket.next() => {
                    heard = Instant::now();
                    frames += 1;
                    if frames > FRAMES_PER_INTERVAL_MAX {
                        return close(CloseCode::Policy, "too many frames");
                    }
                    match message? {
                        Ok(message) => self.receive(message).await?,
                        Err(error) => return refusal(&error),
                    }
                }
                _ = pings.tick() => {
                    if heard.elapsed() > SILENCE_MAX {
                        return close(CloseCode::Away, "silent for too long");
                    }
                    if wire.stalled() {
                        return self.cut();
                    }
                    frames = 0;
                    self.socket.send(Message::Ping(Bytes::new())).await.ok()?;
                }
            }
        }
    }

    fn cut(&self) -> Option<CloseFrame> {
        self.hub.note_cut();
        close(CloseCode::Again, "too slow")
    }

    /// Nothing when the client closed.
    async fn receive(&mut self, message: Message) -> Option<()> {
        match message {
            Message::Text(frame) => {
                match serde_json::from_str(&frame) {
                    Ok(ClientFrame::Watch { show_id }) => self.watch(show_id).await,
                    Ok(ClientFrame::Unwatch { show_id }) => self.unwatch(&show_id).await,
                    Ok(ClientFrame::Unknown) => {}
                    Err(_) => self.refuse(None, "malformed_frame"),
                }
                Some(())
            }
            Message::Close(_) => None,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Some(()),
        }
    }

    async fn watch(&mut self, show: ShowId) {
        if !self.watched.contains(&show) && self.watched.len() >= WATCHED_MAX {
            return self.refuse(Some(show), "too_many_shows");
        }
        match self.hub.show_exists(&show).await {
            Ok(true) => {
                self.hub.watch(&show, &self.outlet).await;
                self.watched.insert(show);
            }
            Ok(false) => self.refuse(Some(show), "show_not_found"),
            Err(_) => self.refuse(Some(show), "unavailable"),
        }
    }

    async fn unwatch(&mut self, show: &ShowId) {
        if self.watched.remove(show) {
            self.hub.unwatch(show, &self.outlet).await;
        }
    }

    fn refuse(&self, show_id: Option<ShowId>, code: &str) {
        self.outlet.send(&frame(&ServerFrame::Error { show_id, code: code.to_owned() }));
    }

    /// Says why, and reads on until the client has heard it: a connection closed with something unread loses what was written.
    async fn close(&mut self, close: CloseFrame, wire: &Wire) -> Result<(), Error> {
        self.socket.send(Message::Close(Some(close))).await?;
        wire.emptied().await?;
        while let Some(Ok(message)) = self.socket.next().await {
            if message.is_close() {
                return Ok(());
            }
        }
        Ok(wire.discard().await?)
    }
}

/// Done when the server goes and it is this client's turn.
async fn going(hub: Hub, drain: &Drain) {
    drain.stopped().await;
    let span = span(hub.sockets(), hub.drain_spread());
    sleep(span.mul_f64(rand::random())).await;
}

/// Over how long so many sockets are closed.
fn span(sockets: u32, most: Duration) -> Duration {
    (Duration::from_secs(1) / CLOSED_PER_SECOND * sockets).min(most)
}

/// How to close on what is not understood, if the client is still there.
fn refusal(error: &Error) -> Option<CloseFrame> {
    match error {
        Error::Capacity(_) => close(CloseCode::Size, "the message is too large"),
        Error::Utf8(_) => close(CloseCode::Invalid, "text must be UTF-8"),
        Error::Protocol(_) => close(CloseCode::Protocol, "not as RFC 6455 says"),
        _ => None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "this is how `run` says that the client is still there")]
fn close(code: CloseCode, reason: &'static str) -> Option<CloseFrame> {
    Some(CloseFrame { code, reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_closed_soon_and_many_over_the_whole_span() {
        let most = Duration::from_secs(5);
        assert_eq!(span(3, most), Duration::from_millis(3));
        assert_eq!(span(2_000, most), Duration::from_secs(2));
        assert_eq!(span(u32::MAX, most), most);
        assert_eq!(span(10_000, Duration::ZERO), Duration::ZERO);
    }
}
