//! Many sockets that watch one show, and buyers who change its seats for them to see.
//!
//! Like a load, a crowd has one thread of its own. Sockets read frames and look at no more than their type.

mod changers;
mod socket;
pub(crate) mod stream;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use self::changers::Changers;
use self::socket::Sockets;
use super::seats::Seat;

/// How long every socket may take to see a change before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long messages may come together before they are read: what a delay that is measured may be too long by.
const GATHERING: Duration = Duration::from_micros(200);

/// Where a crowd stands and what it watches.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where the sockets go, in turns.
    pub watch_at: Vec<SocketAddr>,
    /// Where seats are held and released.
    pub buy_at: SocketAddr,
    /// The show.
    pub show: String,
    /// Free seats of it, one for each buyer.
    pub seats: Vec<Seat>,
}

/// The crowd's end of its thread. When it is dropped, all sockets are closed.
#[derive(Debug, Clone)]
pub struct Crowd(mpsc::Sender<Order>);

/// How fast seats change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The next one when every socket has seen the last.
    Seen,
    /// As fast as the buyers get their answers, whoever has seen what.
    Answered,
}

/// What all sockets together saw.
#[derive(Debug)]
pub struct Seen {
    /// Messages.
    pub messages: u64,
    /// From the first change to the last socket's seeing the last one.
    pub elapsed: Duration,
    /// From each change's request to each socket's seeing it, in nanoseconds; of changes that waited for it alone.
    pub delay: Histogram<u64>,
}

#[derive(Debug)]
enum Order {
    Open { sockets: usize, done: oneshot::Sender<Result<()>> },
    Change { length: Duration, pace: Pace, done: oneshot::Sender<Result<Seen>> },
}

impl Crowd {
    /// An empty one.
    pub fn gather(place: Place) -> Result<Self> {
        let (orders, inbox) = mpsc::channel(1);
        // A reader that sleeps between two messages is woken at each, by whoever writes: on this machine that costs both sides
        // more than the message does, and real clients sit elsewhere. So before it sleeps it lets some come together.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(|| std::thread::sleep(GATHERING))
            .build()?;
        std::thread::Builder::new()
            .name("crowd".to_owned())
            .spawn(move || LocalSet::new().block_on(&runtime, live(place, inbox)))?;
        Ok(Self(orders))
    }

    /// Opens so many more sockets; each has its first picture when this returns.
    pub async fn open(&self, sockets: usize) -> Result<()> {
        self.order(|done| Order::Open { sockets, done }).await
    }

    /// Changes seats for about so long.
    pub async fn change(&self, length: Duration, pace: Pace) -> Result<Seen> {
        self.order(|done| Order::Change { length, pace, done }).await
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<Result<T>>) -> Order) -> Result<T> {
        let (done, answer) = oneshot::channel();
        self.0.send(order(done)).await.ok().context("the crowd has left")?;
        answer.await.context("the crowd has left")?
    }
}

async fn live(place: Place, mut inbox: mpsc::Receiver<Order>) {
    let mut sockets = Sockets::default();
    let mut changers = None;
    while let Some(order) = inbox.recv().await {
        // Whoever ordered may have gone away meanwhile.
        match order {
            Order::Open { sockets: more, done } => {
                drop(done.send(sockets.open(&place, more).await));
            }
            Order::Change { length, pace, done } => {
                drop(done.send(Changers::change(&mut changers, &place, &sockets, (length, pace)).await));
            }
        }
    }
}
