//! `pgbench`: the statements of a claim without the rest of the house, on the same Postgres.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use tokio::process::Command;

use super::super::claim::CONSTANTS;
use super::super::cpu::Part;
use super::super::measure::{Contender, Work};

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
    /// Runs on this database so far, of any script: each has seats of its own.
    pub series: Arc<AtomicU32>,
    /// What a reader must know.
    pub note: String,
}

#[async_trait]
impl Contender for Pgbench {
    fn name(&self) -> String {
        super::PGBENCH.name.to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        self.parts.clone()
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let series = self.series.fetch_add(1, Ordering::Relaxed);
        let mut command = Command::new(&self.program);
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=1"]);
        command.arg(format!("--client={}", self.connections));
        // It counts whole seconds.
        command.arg(format!("--time={}", length.as_secs().max(1)));
        command.arg("--file").arg(&self.script).arg(format!("--define=series={series}"));
        command.args(CONSTANTS.map(|(name, value)| format!("--define={name}={value}")));
        command.arg(&self.url).stdin(Stdio::null()).kill_on_drop(true);
        let said = command.output().await?;
        let text = String::from_utf8_lossy(&said.stdout);
        let wrong = String::from_utf8_lossy(&said.stderr);
        ensure!(said.status.success(), "pgbench: {}", wrong.trim());
        parse(&text).with_context(|| format!("pgbench said neither how many nor how fast: {text}{wrong}"))
    }

    async fn note(&mut self) -> Result<String> {
        Ok(std::mem::take(&mut self.note))
    }
}

/// How many transactions it did, and how fast once it was connected.
fn parse(said: &str) -> Option<Work> {
    let after = |words: &str| said.lines().find_map(|line| line.trim().strip_prefix(words));
    let done: u64 = after("number of transactions actually processed:")?.trim().parse().ok()?;
    let rate: f64 = after("tps =")?.split_whitespace().next()?.parse().ok()?;
    let elapsed = Duration::try_from_secs_f64(done as f64 / rate).ok()?;
    Some(Work { done, elapsed, p50_ms: None, p99_ms: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "transaction type: hold.sql\nquery mode: prepared\nduration: 3 s\n\
        number of transactions actually processed: 6000\nnumber of failed transactions: 0 (0.000%)\n\
        latency average = 15.9 ms\ninitial connection time = 48.1 ms\ntps = 2000.000000 (without initial connection time)\n";

    #[test]
    fn what_pgbench_says_is_read() {
        let work = parse(SAID).expect("complete");
        assert_eq!((work.done, work.elapsed), (6_000, Duration::from_secs(3)));
        assert!(parse("number of transactions actually processed: 0\ntps = 0.0").is_none());
        assert!(parse("pgbench: error").is_none());
    }
}
