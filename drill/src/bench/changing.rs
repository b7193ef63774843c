//! An answer that changes all the time, read through balancers that store it: how old is what readers get, and how often is the
//! origin asked? A writer changes it and purges it in Redis, as reservations does with every seat.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use tokio::time::MissedTickBehavior;

use super::cpu::Part;
use super::load::{self, End, Line, Talk, request};
use super::measure::{Contender, Work};
use super::program::Program;

/// What is read.
const PATH: &str = "/cached/changing";
/// How it is purged.
const PURGE: &str = r#"{"tags":["changing"]}"#;
/// Changes a second.
const CHANGES: f64 = 200.0;
/// Reads a second, through all balancers together.
const READS: f64 = 10_000.0;
/// A purge on its way through Redis, on a machine on which everything runs at once.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// Balancers in front of what changes.
pub struct Changing {
    /// Where they listen.
    pub balancers: Vec<SocketAddr>,
    /// The origin.
    pub origin: SocketAddr,
    /// Where purges are said.
    pub redis: MultiplexedConnection,
    /// And on which channel.
    pub channel: String,
    /// How long a balancer believes what it has not heard about.
    pub lease: Duration,
    /// Connections to each balancer.
    pub connections: usize,
    /// Whose time it costs.
    pub parts: Vec<Part>,
    /// Kept running as long as this.
    pub programs: Vec<Program>,
    /// Emptied behind every round.
    pub logs: Vec<PathBuf>,
    /// What was seen.
    pub seen: Arc<Seen>,
}

/// What readers saw, and what there was to see.
#[derive(Debug, Default)]
pub struct Seen {
    /// When each version was there and purged, the first one at 0; whoever asks later should see it.
    changed_at: RwLock<Vec<Instant>>,
    reads: AtomicU64,
    /// Reads of what had been replaced for longer than it may.
    older: AtomicU64,
    /// For how long the oldest one had been replaced, in microseconds.
    oldest_us: AtomicU64,
    changes: AtomicU64,
    fetches: AtomicU64,
}

impl Seen {
    fn changed(&self, version: usize) {
        let mut changed_at = self.changed_at.write().unwrap_or_else(PoisonError::into_inner);
        changed_at.resize(version + 1, Instant::now());
    }

    /// A reader that asked then was told this version.
    fn read(&self, version: usize, asked: Instant, allowed: Duration) {
        let replaced = {
            let changed_at = self.changed_at.read().unwrap_or_else(PoisonError::into_inner);
            changed_at.get(version + 1).map(|at| asked.saturating_duration_since(*at))
        };
        let age = replaced.unwrap_or_default();
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.older.fetch_add(u64::from(age > allowed), Ordering::Relaxed);
        self.oldest_us.fetch_max(u64::try_from(age.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What a reader of the table must know; fails when something was older than it may be.
    fn note(&self, balancers: usize) -> Result<String> {
        let value = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (reads, older, changes) = (value(&self.reads), value(&self.older), value(&self.changes));
        let oldest_ms = value(&self.oldest_us) as f64 / 1e3;
        ensure!(older == 0, "{older} of {reads} reads were too old, the oldest by {oldest_ms:.1} ms");
        let each = value(&self.fetches) as f64 / (changes.max(1) as f64 * balancers as f64);
        Ok(format!(
            "{balancers} balancers, {CHANGES} changes a second: 0 of {reads} reads older than the lease and a round trip, the oldest \
             replaced {oldest_ms:.1} ms before it was asked for; {each:.2} fetches from the origin for each change and balancer"
        ))
    }
}

/// A reader.
struct Reader {
    seen: Arc<Seen>,
    request: Arc<[u8]>,
    allowed: Duration,
}

impl Talk for Reader {
    async fn ask(&mut self, line: &mut Line) -> Result<bool> {
        let asked = Instant::now();
        let answer = line.exchange(&self.request).await?;
        ensure!(answer.status == 200, "expected 200, got {answer}");
        let version = std::str::from_utf8(answer.body)?.trim().parse().context("not a version")?;
        self.seen.read(version, asked, self.allowed);
        Ok(true)
    }
}

async fn number(line: &mut Line, path: &str) -> Result<u64> {
    let answer = line.exchange(&request::get(path, "")).await?;
    Ok(std::str::from_utf8(answer.body)?.trim().parse()?)
}

impl Changing {
    fn readers(&self) -> Vec<Reader> {
        let reader = |_| Reader {
            seen: Arc::clone(&self.seen),
            request: request::get(PATH, "").into(),
            allowed: self.lease + ROUND_TRIP,
        };
        (0..self.connections).map(reader).collect()
    }

    /// Changes and purges at a constant rate until it is dropped.
    async fn write(&self) -> Result<()> {
        let mut line = Line::connect(self.origin).await?;
        let mut redis = self.redis.clone();
        let mut due = tokio::time::interval(Duration::from_secs_f64(1.0 / CHANGES));
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            due.tick().await;
            let version = number(&mut line, "/change").await?;
            let mut publish = redis::cmd("PUBLISH");
            publish.arg(&self.channel).arg(PURGE).query_async::<u64>(&mut redis).await?;
            self.seen.changed(usize::try_from(version)?);
            self.seen.changes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[async_trait]
impl Contender for Changing {
    fn name(&self) -> String {
        "balancer".to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        self.parts.clone()
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let mut line = Line::connect(self.origin).await?;
        let before = number(&mut line, "/asked").await?;
        let paced = End::Paced { length, rate: READS / self.balancers.len() as f64 };
        let loads = self.balancers.iter().map(|balancer| load::run(*balancer, self.readers(), paced));
        let loaded = tokio::select! {
            loaded = futures_util::future::try_join_all(loads) => loaded?,
            written = self.write() => return Err(written.err().context("the writer stopped")?),
        };
        self.seen.fetches.fetch_add(number(&mut line, "/asked").await? - before, Ordering::Relaxed);
        let works: Vec<_> = loaded.iter().map(Work::of).collect();
        let slowest = |value: fn(&Work) -> Option<f64>| works.iter().filter_map(value).reduce(f64::max);
        Ok(Work {
            done: works.iter().map(|work| work.done).sum(),
            elapsed: works.iter().map(|work| work.elapsed).max().unwrap_or_default(),
            p50_ms: slowest(|work| work.p50_ms),
            p99_ms: slowest(|work| work.p99_ms),
        })
    }

    async fn tidy(&mut self) -> Result<()> {
        for log in &self.logs {
            std::fs::File::options().write(true).open(log)?.set_len(0)?;
        }
        Ok(())
    }

    async fn note(&mut self) -> Result<String> {
        self.seen.note(self.balancers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_is_as_old_as_its_replacement() {
        let seen = Seen::default();
        let began = Instant::now();
        seen.changed(0);
        seen.changed(1);
        let later = began + Duration::from_secs(2);
        seen.read(1, later, Duration::from_secs(1));
        assert!(seen.note(1).is_ok(), "nothing has replaced it");
        seen.read(0, began, Duration::from_secs(1));
        assert!(seen.note(1).is_ok(), "it was asked for before it was replaced");
        seen.read(0, later, Duration::from_secs(1));
        let error = seen.note(1).expect_err("two seconds are too many").to_string();
        assert!(error.contains("1 of 3 reads were too old"), "{error}");
    }
}
