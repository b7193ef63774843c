//! A live socket that is kept open: what it shows is written down, it is opened again when it breaks, and its owner can ask it
//! for the picture.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::id::ShowId;
use domain::live::{Seats, ServerFrame};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::changes::Seen;
use super::op::Op;
use super::sale::{Counted, Sale};
use crate::buyer::Buyer;
use crate::history::{Call, Sight, Step, What};
use crate::live::{Heard, Live, refused};

/// Messages to the session that wait for its owner; more are written down only.
const NOTICES_MAX: usize = 64;
/// Questions that wait for an answer: an owner asks one at a time.
const ASKS_MAX: usize = 1;
/// A server pings every 20 seconds; one that is silent for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// The pause before the first try to come back; it doubles, and is drawn from its upper half.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// How long a goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_millis(500);
/// Its owner has seen enough.
const NORMAL_CLOSURE: u16 = 1000;
const SWITCHING_PROTOCOLS: u16 = 101;

/// What a socket shows at one moment.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub(super) socket: u32,
    pub(super) version: u64,
    pub(super) seats: Seats,
}

/// A socket's owner's end. Dropping it closes the socket.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) number: u32,
    pub(super) show: ShowId,
    asks: mpsc::Sender<oneshot::Sender<Picture>>,
    notices: mpsc::Receiver<ServerFrame>,
}

type Asks = mpsc::Receiver<oneshot::Sender<Picture>>;

impl Watcher {
    /// Begins to watch a show with somebody's cookies.
    pub(super) fn start(sale: &Arc<Sale>, number: u32, buyer: &Buyer, show: &ShowId) -> Self {
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let (told, notices) = mpsc::channel(NOTICES_MAX);
        let socket = Socket {
            sale: Arc::clone(sale),
            buyer: buyer.clone(),
            number,
            show: show.clone(),
            connection: 0,
            version: None,
            told,
            chance: Xoshiro256PlusPlus::seed_from_u64(sale.plan.seed ^ u64::from(number)),
        };
        tokio::spawn(socket.keep_open(asked));
        Self { number, show: show.clone(), asks, notices }
    }

    /// What it shows now; nothing while it is not connected.
    pub(super) async fn picture(&self) -> Option<Picture> {
        let (answer, asked) = oneshot::channel();
        self.asks.send(answer).await.ok()?;
        asked.await.ok()
    }

    /// The first message to the session that is wanted, if it comes in time.
    pub(super) async fn notice<T>(
        &mut self,
        within: Duration,
        wanted: impl Fn(ServerFrame) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + within;
        loop {
            let frame = timeout_at(deadline, self.notices.recv()).await.ok()??;
            if let Some(found) = wanted(frame) {
                return Some(found);
            }
        }
    }
}

/// The other end.
struct Socket {
    sale: Arc<Sale>,
    buyer: Buyer,
    number: u32,
    show: ShowId,
    /// The present connection, counted over the run.
    connection: u32,
    /// The last version seen, on whatever connection.
    version: Option<u64>,
    told: mpsc::Sender<ServerFrame>,
    chance: Xoshiro256PlusPlus,
}

impl Socket {
    /// Until the owner goes.
    async fn keep_open(mut self, mut asks: Asks) {
        let sale = Arc::clone(&self.sale);
        let _counted = Counted::one(&sale.tally.sockets);
        let mut failures = 0;
        loop {
            let Some(opened) = blind(&mut asks, self.open()).await else { return };
            if let Some(live) = opened {
                if self.follow(live, &mut asks).await.is_none() {
                    return;
                }
                failures = 0;
            }
            let pause =
                (PAUSE * 2_u32.pow(failures)).min(PAUSE_MAX).mul_f64(self.chance.random_range(0.5..1.0));
            failures = (failures + 1).min(8);
            if blind(&mut asks, tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Connects, and waits for the first snapshot.
    async fn open(&mut self) -> Option<Live> {
        let sale = Arc::clone(&self.sale);
        self.connection = sale.recorder.socket();
        let op = Op::leave(&sale, self.number, Call::Read { step: Step::Live });
        match timeout(sale.plan.request_timeout, self.connect()).await {
            Ok(Ok(live)) => {
                op.done_plainly(SWITCHING_PROTOCOLS);
                self.saw(Sight::Opened { show: self.show.clone() });
                return Some(live);
            }
            Ok(Err(error)) => match refused(&error) {
                Some(status @ 400..500) => op.refused_plainly(status),
                status => op.unclear(status, &error.root_cause().to_string()),
            },
            Err(_) => op.unclear(None, "no snapshot in time"),
        }
        None
    }

    async fn connect(&mut self) -> anyhow::Result<Live> {
        let mut live = self.buyer.live(Some(self.show.as_str())).await?;
        live.version = self.version;
        loop {
            let heard = live.hear().await?;
            if let Heard::Closed(code) = heard {
                anyhow::bail!("closed with {code:?} before the first snapshot");
            }
            let snapshot = matches!(
                heard,
                Heard::Frame(ServerFrame::Snapshot { .. })
                    | Heard::OutOfStep { frame: ServerFrame::Snapshot { .. }, .. }
            );
            self.note(heard);
            if snapshot {
                self.version = live.version;
                return Ok(live);
            }
        }
    }

    /// Writes down what comes until the socket ends, and returns its close code; nothing when its owner went.
    async fn follow(&mut self, mut live: Live, asks: &mut Asks) -> Option<Option<u16>> {
        loop {
            tokio::select! {
                heard = timeout(SILENCE_MAX, live.hear()) => match heard {
                    Ok(Ok(Heard::Closed(code))) => return Some(self.closed(code)),
                    Ok(Ok(heard)) => {
                        self.note(heard);
                        self.version = live.version;
                    }
                    Ok(Err(_)) | Err(_) => return Some(self.closed(None)),
                },
                ask = asks.recv() => {
                    let Some(ask) = ask else { break };
                    if let Some(version) = live.version {
                        // Who asked may have gone meanwhile.
                        drop(ask.send(Picture { socket: self.connection, version, seats: live.seats.clone() }));
                    }
                }
            }
        }
        self.closed(Some(NORMAL_CLOSURE));
        drop(timeout(GOODBYE_MAX, live.close()).await);
        None
    }

    fn closed(&self, code: Option<u16>) -> Option<u16> {
        self.sale.changes.closed(&self.show, self.connection);
        self.saw(Sight::Closed { code });
        code
    }

    fn note(&mut self, heard: Heard) {
        match heard {
            Heard::Frame(frame) => self.note_frame(frame),
            Heard::OutOfStep { before, frame } => {
                self.note_out_of_step(before.unwrap_or_default(), &frame);
                self.note_frame(frame);
            }
            Heard::Ping | Heard::Closed(_) => {}
        }
    }

    fn note_out_of_step(&self, before: u64, frame: &ServerFrame) {
        let (after, snapshot) = match frame {
            ServerFrame::Snapshot { version, .. } => (*version, true),
            ServerFrame::Seats { version, .. } => (*version, false),
            _ => return,
        };
        self.saw(Sight::OutOfStep { show: self.show.clone(), before, after, snapshot });
    }

    fn note_frame(&self, frame: ServerFrame) {
        match &frame {
            ServerFrame::Seats { version, changes, .. } => {
                let at = self.sale.recorder.now();
                self.sale.last_change.fetch_max(at, Ordering::Relaxed);
                let seen = Seen { buyer: self.number, socket: self.connection, at };
                if let Some(behind) = self.sale.changes.seen(&self.show, *version, changes, seen) {
                    self.saw(Sight::Change { behind });
                }
                return;
            }
            ServerFrame::HoldExpired { hold_id, .. } => {
                self.saw(Sight::HoldExpired { hold: hold_id.clone() });
            }
            ServerFrame::Offer { entry_id, hold_id, show_id, seats, expires_at } => {
                let expires_at_ns = super::request::epoch_ns(*expires_at);
                self.sale.note_deadline(hold_id, expires_at_ns);
                self.saw(Sight::Offer {
                    entry: entry_id.clone(),
                    hold: hold_id.clone(),
                    show: show_id.clone(),
                    seats: seats.clone(),
                    expires_at_ns,
                });
            }
            ServerFrame::OfferLapsed { entry_id } => {
                self.saw(Sight::OfferLapsed { entry: entry_id.clone() });
            }
            ServerFrame::Sold { show_id, seats } => {
                self.saw(Sight::Sold { show: show_id.clone(), seats: seats.clone() });
            }
            ServerFrame::Snapshot { .. } => {
                let at = self.sale.recorder.now();
                return self.sale.changes.snapshot(&self.show, self.connection, at);
            }
            ServerFrame::Queue { .. }
            | ServerFrame::Closed { .. }
            | ServerFrame::Error { .. }
            | ServerFrame::Unknown => return,
        }
        // An owner who does not listen misses nothing that is not written down.
        drop(self.told.try_send(frame));
    }

    fn saw(&self, sight: Sight) {
        self.sale.recorder.record(What::Saw { buyer: self.number, socket: self.connection, sight });
    }
}

/// Does something while there is no picture to show; nothing when the owner went meanwhile.
async fn blind<T>(asks: &mut Asks, doing: impl Future<Output = T>) -> Option<T> {
    let mut doing = pin!(doing);
    loop {
        tokio::select! {
            done = &mut doing => return Some(done),
            // To forget the question is to answer that there is nothing.
            ask = asks.recv() => drop(ask?),
        }
    }
}

#[cfg(test)]
mod tests;
