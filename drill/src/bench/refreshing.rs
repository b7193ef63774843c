//! The warmer's job over a history of some length: one refresh after the other, while somebody buys. What it costs must not depend on
//! how much was sold before.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use tokio::time::{interval, sleep};
use tokio_postgres::Client;

use super::cpu::Part;
use super::load::{Line, request};
use super::marquee::Marquee;
use super::measure::{Contender, Work};
use super::program::{Directory, Program, free_address};
use super::scratch::Scratch;
use super::settings::Settings;

/// Bookings written at once, and how often: as many a second, whatever the history.
const BOUGHT: i64 = 20;
const BUY_PAUSE: Duration = Duration::from_millis(100);
/// How long adding up the whole history may take, once.
const FIRST_PATIENCE: Duration = Duration::from_mins(10);
const PAUSE: Duration = Duration::from_millis(50);
const COUNT: &str = "marquee_cache_warmer_refresh_duration_seconds_count ";
const SUM: &str = "marquee_cache_warmer_refresh_duration_seconds_sum ";

/// A warmer of the bench's own, over a database of the bench's own.
pub struct Refreshing {
    name: String,
    line: Line,
    client: Client,
    parts: Vec<Part>,
    bought: i64,
    first: Duration,
    total: (u64, f64),
    // Dropped last: the program writes there.
    _program: Program,
    _directory: Directory,
}

impl Refreshing {
    /// Starts a warmer and returns once it has added up the history.
    pub async fn new(
        name: String,
        marquee: &Marquee,
        scratch: &Scratch,
        settings: &Settings,
    ) -> Result<Self> {
        let directory = Directory::new("warmer")?;
        let listen = free_address()?;
        let prefix = format!("bench_{}", uuid::Uuid::new_v4().simple());
        let mut command = std::process::Command::new(settings.bin_dir.join("cache-warmer"));
        command.arg("--config").arg(settings.root.join("configs").join("cache-warmer.toml"));
        command.env("DATABASE_URL", &scratch.url).env("REDIS_URL", &marquee.redis_url);
        command.env("MARQUEE_CACHE_WARMER__LISTEN", listen.to_string());
        command.env("MARQUEE_CACHE_WARMER__REDIS__PREFIX", prefix);
        command.env("MARQUEE_CACHE_WARMER__INTERVAL_MS", "1").env("TOKIO_WORKER_THREADS", "1");
        let program = Program::start("cache-warmer", command, directory.path(), listen).await?;
        let mut parts = vec![Part::of("cache-warmer", program.pid())];
        parts.extend(marquee.parts(&["postgres", "redis"]));
        let client = scratch.connect().await?;
        let line = Line::connect(listen).await?;
        let (bought, first, total) = (0, Duration::ZERO, (0, 0.0));
        let mut refreshing = Self {
            name,
            line,
            client,
            parts,
            bought,
            first,
            total,
            _program: program,
            _directory: directory,
        };
        refreshing.await_first().await?;
        Ok(refreshing)
    }

    async fn await_first(&mut self) -> Result<()> {
        let began = Instant::now();
        while self.refreshed().await?.0 == 0 {
            if began.elapsed() > FIRST_PATIENCE {
                bail!("the history was not added up within {FIRST_PATIENCE:?}");
            }
            sleep(PAUSE).await;
        }
        self.first = began.elapsed();
        Ok(())
    }

    /// How many refreshes there were, and how long they took, in seconds.
    async fn refreshed(&mut self) -> Result<(u64, f64)> {
        let answer = self.line.exchange(&request::get("/metrics", "")).await?;
        let text = std::str::from_utf8(answer.body)?;
        let figure = |name: &str| -> Result<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.with_context(|| format!("the warmer has no {name}"))?.trim().parse()?)
        };
        Ok((figure(COUNT)? as u64, figure(SUM)?))
    }

    async fn buy(client: &Client, from: i64) -> Result<()> {
        let insert = "INSERT INTO reservations.bookings (id, hold_id, show_id, session_id, email, seats, status, price_minor,
                          currency, payment_reference, idempotency_key)
                      SELECT 'bought_' || n, 'bought_' || n, show.id, 's', 'e', '{A1,A2}', 'booked', 2500, 'USD', 'p', 'k'
                      FROM generate_series($1::bigint, $1::bigint + $2::bigint - 1) AS n,
                      LATERAL (SELECT 'show_' || n % 1000 AS id) AS show";
        client.execute(insert, &[&from, &BOUGHT]).await?;
        Ok(())
    }
}

#[async_trait]
impl Contender for Refreshing {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn parts(&self) -> Vec<Part> {
        self.parts.clone()
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let (began, before) = (Instant::now(), self.refreshed().await?);
        let mut pause = interval(BUY_PAUSE);
        while began.elapsed() < length {
            pause.tick().await;
            Self::buy(&self.client, self.bought).await?;
            self.bought += BOUGHT;
        }
        let (elapsed, after) = (began.elapsed(), self.refreshed().await?);
        let done = after.0 - before.0;
        self.total = (self.total.0 + done, self.total.1 + after.1 - before.1);
        Ok(Work { done, elapsed, p50_ms: None, p99_ms: None })
    }

    async fn note(&mut self) -> Result<String> {
        let mean_ms = self.total.1 * 1e3 / self.total.0.max(1) as f64;
        let first = self.first.as_secs_f64();
        Ok(format!(
            "one after the other, {} bookings bought a second; {mean_ms:.1} ms a refresh; all of the history added up once in {first:.1} s",
            BOUGHT * 1_000 / BUY_PAUSE.as_millis() as i64
        ))
    }
}
