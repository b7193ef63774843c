//! `pgbench`: the statements of a claim without the rest of the house, on the same Postgres.
//!
//! It is started once and stands still (SIGSTOP) between its turns: what connecting and preparing costs is not the claim's,
//! and the house does not connect anew for every round either. What it did is counted by the tokens it took.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio_postgres::Client;

use super::super::claim::CONSTANTS;
use super::super::cpu::Part;
use super::super::marquee::connect;
use super::super::measure::{Contender, Work};

/// Longer than any bench: it is ended by us.
const SECONDS: u32 = 1_000_000;
/// How long it may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// One script on one database.
pub struct Pgbench {
    /// Where pgbench is.
    pub program: PathBuf,
    /// The database.
    pub url: String,
    /// The script.
    pub script: PathBuf,
    /// Its clients.
    pub connections: usize,
    /// The server's processes.
    pub parts: Vec<Part>,
    /// Which pgbench this is on that database: each has seats of its own.
    pub series: u32,
    /// Fencing tokens that one transaction of the script takes.
    pub tokens_each: u64,
    /// What a reader must know.
    pub note: String,
    /// Since its first turn.
    pub running: Option<Running>,
}

/// A pgbench at work, or standing still.
pub struct Running {
    child: Child,
    client: Client,
}

impl Pgbench {
    async fn start(&self) -> Result<Running> {
        let mut command = Command::new(&self.program);
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=1"]);
        command.arg(format!("--client={}", self.connections)).arg(format!("--time={SECONDS}"));
        command.arg("--file").arg(&self.script).arg(format!("--define=series={}", self.series));
        command.args(CONSTANTS.map(|(name, value)| format!("--define={name}={value}")));
        command.arg(&self.url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.kill_on_drop(true).spawn().context("pgbench cannot be started")?;
        Ok(Running { child, client: connect(&self.url).await? })
    }
}

impl Running {
    /// Tokens taken so far.
    async fn tokens(&self) -> Result<u64> {
        let row = self.client.query_one("SELECT last_value FROM reservations.fence", &[]).await?;
        Ok(u64::try_from(row.get::<_, i64>(0))?)
    }

    /// Returns once every client has had time to do its first one; then it stands still.
    async fn begin(&mut self, connections: usize) -> Result<()> {
        let (deadline, first) = (Instant::now() + PATIENCE, self.tokens().await?);
        while self.tokens().await? < first + 2 * connections as u64 {
            self.check().await?;
            if Instant::now() > deadline {
                bail!("pgbench does not begin");
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.signal(Signal::SIGSTOP)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.id().context("pgbench has ended")?;
        kill(Pid::from_raw(pid.cast_signed()), signal).context("pgbench cannot be signalled")
    }

    /// It must not end before it is told to.
    async fn check(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            return Ok(());
        }
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut said).await?;
        }
        bail!("pgbench ended: {}", said.trim())
    }
}

#[async_trait]
impl Contender for Pgbench {
    fn name(&self) -> String {
        super::PGBENCH.name.to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        self.parts.clone()
    }

    async fn prepare(&mut self) -> Result<()> {
        if self.running.is_none() {
            let running = self.start().await?;
            self.running.insert(running).begin(self.connections).await?;
        }
        Ok(())
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let running = self.running.as_mut().context("pgbench was not started")?;
        let before = running.tokens().await?;
        running.signal(Signal::SIGCONT)?;
        let began = Instant::now();
        tokio::time::sleep(length).await;
        running.signal(Signal::SIGSTOP)?;
        let elapsed = began.elapsed();
        running.check().await?;
        let done = (running.tokens().await? - before) / self.tokens_each;
        Ok(Work { done, elapsed, p50_ms: None, p99_ms: None })
    }

    async fn note(&mut self) -> Result<String> {
        // It has had its turns.
        self.running = None;
        Ok(std::mem::take(&mut self.note))
    }
}
