//! An actor's live socket: what it shows is written down until it is dropped.

use std::time::Duration;

use domain::id::HoldId;
use domain::live::ServerFrame;
use drill::history::{Recorder, Sight, What};
use drill::live::{Heard, Live};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Actor, epoch_ns};

/// Frames that wait for whoever looks at a socket; more are written down only.
const FRAMES_MAX: usize = 64;
/// Its owner has seen enough.
const NORMAL_CLOSURE: u16 = 1000;

/// A socket's owner's end.
#[derive(Debug)]
pub(crate) struct Socket {
    frames: mpsc::Receiver<ServerFrame>,
    following: JoinHandle<()>,
    recorder: Recorder,
    /// What is written down when it is closed from this end.
    closed: What,
}

impl Socket {
    /// Returns with the first snapshot.
    pub(super) async fn follow(live: Live, actor: &Actor) -> Self {
        let (shown, frames) = mpsc::channel(FRAMES_MAX);
        let recorder = actor.recorder.clone();
        let eye = Eye { actor: actor.clone(), socket: recorder.socket(), shown };
        let sight = Sight::Closed { code: Some(NORMAL_CLOSURE) };
        let closed = What::Saw { buyer: actor.number, socket: eye.socket, sight };
        let (opened, open) = oneshot::channel();
        let following = tokio::spawn(eye.follow(live, opened));
        open.await.expect("a first snapshot");
        Self { frames, following, recorder, closed }
    }

    /// The first frame that is wanted, if it comes in time.
    pub(crate) async fn shows<T>(
        &mut self,
        within: Duration,
        wanted: impl Fn(ServerFrame) -> Option<T>,
    ) -> Option<T> {
        let found = async {
            loop {
                if let Some(found) = wanted(self.frames.recv().await?) {
                    return Some(found);
                }
            }
        };
        tokio::time::timeout(within, found).await.ok().flatten()
    }

    /// The hold that is offered, if one is in time and before what they wait for is sold.
    pub(crate) async fn offered(&mut self, within: Duration) -> Option<HoldId> {
        let hold = |frame| match frame {
            ServerFrame::Offer { hold_id, .. } => Some(Some(hold_id)),
            ServerFrame::Sold { .. } => Some(None),
            _ => None,
        };
        self.shows(within, hold).await.flatten()
    }

    /// Whether it says in time that a hold is over.
    pub(crate) async fn expired(&mut self, within: Duration) -> bool {
        let over = |frame| matches!(frame, ServerFrame::HoldExpired { .. }).then_some(());
        self.shows(within, over).await.is_some()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.following.is_finished() {
            self.following.abort();
            self.recorder.record(self.closed.clone());
        }
    }
}

/// The other end.
struct Eye {
    actor: Actor,
    socket: u32,
    shown: mpsc::Sender<ServerFrame>,
}

impl Eye {
    async fn follow(self, mut live: Live, opened: oneshot::Sender<()>) {
        let mut opened = Some(opened);
        while let Ok(heard) = live.hear().await {
            match heard {
                Heard::Frame(frame) => {
                    if let (ServerFrame::Snapshot { .. }, Some(opened)) = (&frame, opened.take()) {
                        self.saw(Sight::Opened { show: self.actor.show.clone() });
                        opened.send(()).ok();
                    }
                    self.note(frame);
                }
                Heard::OutOfStep { before, frame } => self.note_out_of_step(before, &frame),
                Heard::Closed(code) => return self.saw(Sight::Closed { code }),
                Heard::Ping => {}
            }
        }
        self.saw(Sight::Closed { code: None });
    }

    fn note(&self, frame: ServerFrame) {
        match frame.clone() {
            ServerFrame::HoldExpired { hold_id: hold, .. } => self.saw(Sight::HoldExpired { hold }),
            ServerFrame::Offer { entry_id: entry, hold_id: hold, show_id: show, seats, expires_at } => {
                self.saw(Sight::Offer { entry, hold, show, seats, expires_at_ns: epoch_ns(expires_at) });
            }
            ServerFrame::OfferLapsed { entry_id: entry } => self.saw(Sight::OfferLapsed { entry }),
            ServerFrame::Sold { show_id: show, seats } => self.saw(Sight::Sold { show, seats }),
            _ => {}
        }
        self.shown.try_send(frame).ok();
    }

    fn note_out_of_step(&self, before: Option<u64>, frame: &ServerFrame) {
        let (after, snapshot) = match frame {
            ServerFrame::Snapshot { version, .. } => (*version, true),
            ServerFrame::Seats { version, .. } => (*version, false),
            _ => return,
        };
        let (show, before) = (self.actor.show.clone(), before.unwrap_or_default());
        self.saw(Sight::OutOfStep { show, before, after, snapshot });
    }

    fn saw(&self, sight: Sight) {
        self.actor.recorder.record(What::Saw { buyer: self.actor.number, socket: self.socket, sight });
    }
}
