//! Closed-loop load over HTTP/1.1: so many connections, each asks again as soon as it is answered.
//!
//! All of it runs on one thread of its own, whoever is measured, so that it costs every contender of a row the same.

pub mod line;
pub mod request;

use std::cell::RefCell;
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
    /// From each question to its answer, in nanoseconds.
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
    let (length, deadline) = match end {
        End::After(length) => (length, Some(began + length)),
        End::Exhausted => (PATIENCE, None),
    };
    let running: Vec<_> = std::iter::zip(talks, lines)
        .map(|(talk, line)| tokio::task::spawn_local(lane(talk, line, deadline, Rc::clone(&latency))))
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
    deadline: Option<Instant>,
    latency: Rc<RefCell<Histogram<u64>>>,
) -> Result<T> {
    loop {
        let asked_at = Instant::now();
        if deadline.is_some_and(|deadline| asked_at >= deadline) || !talk.ask(&mut line).await? {
            return Ok(talk);
        }
        latency.borrow_mut().saturating_record(asked_at.elapsed().as_nanos() as u64);
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
