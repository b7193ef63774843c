//! One client's socket, from upgrade to close.

use std::collections::HashSet;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use domain::id::{SessionId, ShowId};
use domain::live::{ClientFrame, ServerFrame};
use service::drain::Drain;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::hub::Hub;
use super::{Inlet, Outlet, outlet, text};

/// The largest frame a client may send.
pub const FRAME_BYTES_MAX: usize = 4 * 1024;
/// Shows one client may watch at once.
const WATCHED_MAX: usize = 8;
/// Frames a client may send in one ping interval.
const FRAMES_PER_INTERVAL_MAX: u32 = 100;
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// A client that was silent for this long, pings included, is gone.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// A client that does not take a frame in this time is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves one client.
pub async fn serve(socket: WebSocket, hub: Hub, session: SessionId, first: Option<ShowId>, drain: Drain) {
    let (outlet, inlet) = outlet();
    hub.connect(&session, outlet.clone());
    let mut client = Client { socket, hub: hub.clone(), outlet: outlet.clone(), watched: HashSet::new() };
    if let Some(show) = first {
        client.watch(show).await;
    }
    let close = client.run(inlet, &drain).await;
    for show in &client.watched {
        hub.unwatch(show, &outlet).await;
    }
    hub.disconnect(&session, &outlet);
    if let Some(close) = close {
        // A client that is gone has no use for it.
        drop(timeout(SEND_TIMEOUT, client.socket.send(Message::Close(Some(close)))).await);
    }
}

struct Client {
    socket: WebSocket,
    hub: Hub,
    outlet: Outlet,
    watched: HashSet<ShowId>,
}

impl Client {
    /// Until one side has enough; returns how to close, if the client is still there.
    async fn run(&mut self, mut inlet: Inlet, drain: &Drain) -> Option<CloseFrame> {
        let mut pings = interval(PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut frames) = (Instant::now(), 0_u32);
        loop {
            tokio::select! {
                () = drain.stopped() => return close(close_code::RESTART, "the server restarts"),
                frame = inlet.next() => match frame {
                    Some(frame) => self.send(Message::Text(frame)).await?,
                    None => return close(close_code::AGAIN, "too slow"),
                },
                message = self.socket.recv() => {
                    heard = Instant::now();
                    frames += 1;
                    if frames > FRAMES_PER_INTERVAL_MAX {
                        return close(close_code::POLICY, "too many frames");
                    }
                    self.receive(message?.ok()?).await?;
                }
                _ = pings.tick() => {
                    if heard.elapsed() > SILENCE_MAX {
                        return close(close_code::AWAY, "silent for too long");
                    }
                    frames = 0;
                    self.send(Message::Ping("".into())).await?;
                }
            }
        }
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
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => Some(()),
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
        self.outlet.send(text(&ServerFrame::Error { show_id, code: code.to_owned() }));
    }

    async fn send(&mut self, message: Message) -> Option<()> {
        timeout(SEND_TIMEOUT, self.socket.send(message)).await.ok()?.ok()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "this is how `run` says that the client is still there")]
fn close(code: u16, reason: &'static str) -> Option<CloseFrame> {
    Some(CloseFrame { code, reason: reason.into() })
}
