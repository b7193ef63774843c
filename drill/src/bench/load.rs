//! Load over HTTP/1.1. Closed loops: so many connections, each asks again as soon as it is answered. Or open: questions are due at
//! a constant rate, whoever is free asks the next, and what counts is how long after it was due it was answered, so that a stall
//! is felt by all who were due meanwhile.
//!
//! All of it runs on one thread of its own, whoever is measured, so that it costs every contender of a row the same.

pub mod line;
pub mod request;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use tokio::task::LocalSet;

pub use line::{Answer, Line};

/// How long a load may go on behind its end before whoever is loaded counts as stuck.
const PATIENCE: Duration = Duration::from_mins(1);

/// One connection's conversation.
pub trait Talk: Send + 'static {
    /// Asks once and reads the answer. `false` when there is nothing left to ask.
    fn ask(&mut self, line: &mut Line) -> impl Future<Output = Result<bool>>;
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// When all that was due within this time is answered: so many questions a second, evenly. More connections than are
    /// needed cost nothing; with fewer, questions wait for one, and that counts.
    Paced {
        /// Within this time.
        length: Duration,
        /// Questions a second.
        rate: f64,
    },
    /// After this time, or earlier when nobody has anything left to ask.
    After(Duration),
    /// When nobody has anything left to ask.
    Exhausted,
}

/// What a load came to.
#[derive(Debug)]
pub struct Loaded<T> {
    /// Questions asked and answered.
    pub done: u64,
    /// From the first question to the last answer.
    pub elapsed: Duration,
    /// From each question, or from when it was due, to its answer, in nanoseconds.
    pub latency: Histogram<u64>,
    /// The conversations, with what they have gathered.
    pub talks: Vec<T>,
}

/// An empty histogram of nanoseconds, up to a minute.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("the bounds are in order")
}

/// A quantile of a histogram of nanoseconds, in milliseconds; nothing when it is empty.
pub fn quantile_ms(latency: &Histogram<u64>, quantile: f64) -> Option<f64> {
    (!latency.is_empty()).then(|| latency.value_at_quantile(quantile) as f64 / 1e6)
}

/// Runs all conversations at once, each on a connection of its own.
pub async fn run<T: Talk>(address: SocketAddr, talks: Vec<T>, end: End) -> Result<Loaded<T>> {
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, all(address, talks, end))
    })
    .await
    .context("the load's thread died")?
}

async fn all<T: Talk>(address: SocketAddr, talks: Vec<T>, end: End) -> Result<Loaded<T>> {
    let mut lines = Vec::with_capacity(talks.len());
    for _ in &talks {
        lines.push(Line::connect(address).await?);
    }
    let latency = Rc::new(RefCell::new(histogram()));
    let began = Instant::now();
    let (length, clock) = match end {
        End::After(length) => (length, Clock::Until(began + length)),
        End::Exhausted => (PATIENCE, Clock::Forever),
        End::Paced { length, rate } => (length, Clock::Paced(Rc::new(Pace::new(began, length, rate)))),
    };
    let running: Vec<_> = std::iter::zip(talks, lines)
        .map(|(talk, line)| tokio::task::spawn_local(lane(talk, line, clock.clone(), Rc::clone(&latency))))
        .collect();
    let ended = tokio::time::timeout(length + PATIENCE, futures_util::future::try_join_all(running)).await;
    let ended = ended.with_context(|| format!("{address} does not answer any more"))??;
    let elapsed = began.elapsed();
    let talks = ended.into_iter().collect::<Result<_>>()?;
    let latency = latency.replace(histogram());
    Ok(Loaded { done: latency.len(), elapsed, latency, talks })
}

async fn lane<T: Talk>(
    mut talk: T,
    mut line: Line,
    clock: Clock,
    latency: Rc<RefCell<Histogram<u64>>>,
) -> Result<T> {
    while let Some(due) = clock.next().await {
        if !talk.ask(&mut line).await? {
            break;
        }
        latency.borrow_mut().saturating_record(due.elapsed().as_nanos() as u64);
    }
    Ok(talk)
}

/// When questions are asked.
#[derive(Clone)]
enum Clock {
    /// At once, until then.
    Until(Instant),
    /// At once.
    Forever,
    /// When they are due.
    Paced(Rc<Pace>),
}

impl Clock {
    /// Returns when the next question is due, with when it was: now, in a closed loop. Nothing at the end.
    async fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        match self {
            Self::Until(end) => (now < *end).then_some(now),
            Self::Forever => Some(now),
            Self::Paced(pace) => {
                let due = pace.take()?;
                tokio::time::sleep_until(due.into()).await;
                Some(due)
            }
        }
    }
}

/// Questions that are due one after another. Each is taken once, by whoever is free.
struct Pace {
    began: Instant,
    rate: f64,
    count: u64,
    taken: Cell<u64>,
}

impl Pace {
    fn new(began: Instant, length: Duration, rate: f64) -> Self {
        Self { began, rate, count: (length.as_secs_f64() * rate) as u64, taken: Cell::new(0) }
    }

    /// When the next one is due, or was.
    fn take(&self) -> Option<Instant> {
        let next = self.taken.get();
        self.taken.set(next + 1);
        (next < self.count).then(|| self.began + Duration::from_secs_f64(next as f64 / self.rate))
    }
}

/// The same question again and again, whose answer must have this status.
#[derive(Debug, Clone)]
pub struct Same {
    /// The whole request.
    pub request: std::sync::Arc<[u8]>,
    /// What must be answered.
    pub status: u16,
}

impl Talk for Same {
    async fn ask(&mut self, line: &mut Line) -> Result<bool> {
        let answer = line.exchange(&self.request).await?;
        ensure!(answer.status == self.status, "expected {}, got {answer}", self.status);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn what_is_due_is_spread_evenly_and_taken_once() {
        let began = Instant::now();
        let pace = Pace::new(began, Duration::from_secs(2), 4.0);
        let due: Vec<_> = std::iter::from_fn(|| pace.take()).map(|at| (at - began).as_millis()).collect();
        assert_eq!(due, [0, 250, 500, 750, 1_000, 1_250, 1_500, 1_750]);
    }

    /// Answers each request after it has stood still once, for so long.
    async fn stalling(stall: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1_024];
            let mut pause = stall;
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                tokio::time::sleep(std::mem::take(&mut pause)).await;
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn who_was_due_while_everything_stood_still_has_waited_too() {
        let stall = Duration::from_millis(400);
        let talk = || Same { request: request::get("/", "").into(), status: 204 };
        let paced = End::Paced { length: stall, rate: 50.0 };
        let open = run(stalling(stall).await, vec![talk()], paced).await.unwrap();
        // Twenty were due within the stall; the tenth of them waited for half of it, and not for its own answer alone.
        assert_eq!(open.done, 20);
        assert!(open.latency.value_at_quantile(0.5) >= stall.as_nanos() as u64 / 4);
        let closed = run(stalling(stall).await, vec![talk()], End::After(stall * 2)).await.unwrap();
        let median = |latency: &Histogram<u64>| latency.value_at_quantile(0.5);
        assert!(median(&closed.latency) < median(&open.latency), "only the first one waited");
    }
}
