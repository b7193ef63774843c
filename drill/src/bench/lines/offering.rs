//! Seats that come free, each wanted by somebody with an open socket, and how long the offer takes to be there.
//!
//! Like a load, all of it has one thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use hdrhistogram::Histogram;
use tokio::task::LocalSet;
use tokio_postgres::Client;

use crate::bench::crowd::stream::Stream;
use crate::bench::load::{Line, histogram, request};
use crate::bench::marquee::connect;

/// Sockets that are opened at once.
const OPENING_MAX: usize = 32;
/// How long an offer may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);
const OFFER: &[u8] = br#"{"type":"offer""#;

/// A hold's deadline is now: waiting for it would take minutes. Whoever announces lapses finds it like any other.
const LAPSE: &str = "
    WITH due AS (UPDATE reservations.holds SET expires_at = clock_timestamp()
                 WHERE id = $1 AND status = 'on_hold' RETURNING show_id, seats)
    UPDATE reservations.claims c SET expires_at = clock_timestamp() FROM due
    WHERE c.show_id = due.show_id AND c.seat_id = ANY(due.seats) AND c.status = 'held'";
/// When a hold was written to be over, in the transaction that frees its seats.
const ENDED_AT: &str = "
    SELECT (extract(epoch FROM ended_at) * 1e6)::bigint FROM reservations.holds WHERE id = $1 AND ended_at IS NOT NULL";

/// How a seat comes free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Its owner gives it back; counted from the request.
    GivenBack,
    /// Its time runs out; counted from when that was written.
    Lapsed,
}

/// A held seat, and who wants it.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The hold.
    pub hold: String,
    /// Whose it is.
    pub owner: String,
    /// The place of whoever wants its seat.
    pub entry: String,
    /// Who wants it.
    pub waiter: String,
}

/// Where, and how fast.
#[derive(Debug, Clone)]
pub struct Course {
    /// The balancer.
    pub address: SocketAddr,
    /// The fleet's database.
    pub database_url: String,
    /// How seats come free.
    pub how: How,
    /// So many a second, evenly, whatever becomes of those before.
    pub rate: f64,
}

/// Lets the seats of all scenes come free. Returns how long that took, and how long each offer did, in nanoseconds.
pub async fn run(course: Course, scenes: Vec<Scene>) -> Result<(Duration, Histogram<u64>)> {
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, all(course, scenes))
    })
    .await
    .context("the thread of the sockets died")?
}

async fn all(course: Course, scenes: Vec<Scene>) -> Result<(Duration, Histogram<u64>)> {
    let database = Arc::new(connect(&course.database_url).await?);
    let mut stages: Vec<Stage> = stream::iter(scenes)
        .map(|scene| Stage::open(course.address, scene))
        .buffered(OPENING_MAX)
        .try_collect()
        .await?;
    let began = Instant::now();
    let delays = stages.iter_mut().enumerate().map(async |(at, stage)| {
        tokio::time::sleep_until((began + Duration::from_secs_f64(at as f64 / course.rate)).into()).await;
        let told = tokio::time::timeout(PATIENCE, stage.free(course.how, &database)).await;
        told.ok().with_context(|| format!("the offer of {} did not come", stage.scene.hold))?
    });
    let delays = futures_util::future::try_join_all(delays).await?;
    let elapsed = began.elapsed();
    let mut latency = histogram();
    for delay in delays {
        latency.saturating_record(delay.as_nanos() as u64);
    }
    Ok((elapsed, latency))
}

/// A scene with the connections it needs.
struct Stage {
    scene: Scene,
    socket: Stream,
    line: Line,
}

impl Stage {
    async fn open(address: SocketAddr, scene: Scene) -> Result<Self> {
        let socket = Stream::open(address, "/api/live", &scene.waiter).await?;
        Ok(Self { scene, socket, line: Line::connect(address).await? })
    }

    /// Frees the seat, and returns how long the offer took.
    async fn free(&mut self, how: How, database: &Client) -> Result<Duration> {
        match how {
            How::GivenBack => self.give_back().await,
            How::Lapsed => self.lapse(database).await,
        }
    }

    async fn give_back(&mut self) -> Result<Duration> {
        let asked_at = Instant::now();
        let path = format!("/api/holds/{}", self.scene.hold);
        self.line.send(&request::delete(&path, &self.scene.owner)).await?;
        self.offered().await?;
        let delay = asked_at.elapsed();
        let answer = self.line.receive().await?;
        ensure!(answer.status == 204, "giving back got {answer}");
        Ok(delay)
    }

    async fn lapse(&mut self, database: &Client) -> Result<Duration> {
        let lapsed = database.execute(LAPSE, &[&self.scene.hold]).await?;
        ensure!(lapsed > 0, "{} was over already", self.scene.hold);
        self.offered().await?;
        let seen_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let ended_at: i64 = database.query_one(ENDED_AT, &[&self.scene.hold]).await?.get(0);
        Ok(seen_at.saturating_sub(Duration::from_micros(ended_at.unsigned_abs())))
    }

    async fn offered(&mut self) -> Result<()> {
        let entry = self.scene.entry.as_bytes();
        let mut offered = false;
        while !offered {
            let see = |text: &[u8]| offered |= text.starts_with(OFFER) && contains(text, entry);
            self.socket.read(see).await.context("a waiter's socket")?;
        }
        Ok(())
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
