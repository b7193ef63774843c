//! `redis-benchmark`: the gate's own script without the rest of the house, on the same Redis.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use tokio::process::Command;

use super::super::cpu::Part;
use super::super::measure::{Contender, Work};
use super::super::settings::Settings;
use crate::stores;

/// Where the script publishes; nobody listens there.
const CHANNEL: &str = "bench:live:bench";
/// Where it purges.
const PURGES: &str = "bench:purge";
/// Hours of a mirror.
const TTL_SECONDS: &str = "21600";
/// What the mirror's version is at first, and the state the script calls it with it.
const VERSION: &str = "4294967296";
const STATE: &str = "4294967296:0";
/// Calls of the first run, which shows how many a round wants.
const FIRST_CALLS: f64 = 10_000.0;
/// The numbers in place of `__rand_int__`: enough that two are rarely the same.
const RANDOM_MAX: &str = "1000000000";
/// Names of seats, in share of calls, that may have come up twice.
const TWICE_SHARE_MAX: f64 = 0.01;

/// Which seats it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    /// One that nobody had before.
    Fresh,
    /// One that is sold.
    Taken,
}

/// The claim script, again and again.
pub struct RedisBenchmark {
    program: PathBuf,
    url: String,
    connection: MultiplexedConnection,
    script: String,
    /// The mirror it works on, out of the way of the fleet's and of every other bench's.
    mirror: String,
    /// Where it would remember who had a key.
    remembered: String,
    claims: Claims,
    connections: usize,
    parts: Vec<Part>,
    rate: Option<f64>,
}

impl RedisBenchmark {
    /// Loads the script from the source of reservations.
    pub async fn new(
        program: PathBuf,
        url: &str,
        claims: Claims,
        parts: Vec<Part>,
        settings: &Settings,
    ) -> Result<Self> {
        let mut connection = stores::redis(url).await?;
        let gate = settings.root.join("backend/reservations/src/gate");
        let read = |name| {
            let file = gate.join(name);
            std::fs::read_to_string(&file)
                .with_context(|| format!("{} cannot be read; name the checkout with --root", file.display()))
        };
        let text = format!("local purges = '{PURGES}'\n")
            + &read("purge.lua")?
            + &read("publish.lua")?
            + &read("claim.lua")?;
        let script = redis::cmd("SCRIPT").arg("LOAD").arg(text).query_async(&mut connection).await?;
        let connections = settings.connections as usize;
        let show = uuid::Uuid::new_v4().simple().to_string();
        let (mirror, remembered) = (format!("bench:show:{{{show}}}"), format!("bench:keyed:{{{show}}}"));
        Ok(Self {
            program,
            url: url.to_owned(),
            connection,
            script,
            mirror,
            remembered,
            claims,
            connections,
            parts,
            rate: None,
        })
    }

    fn command(&self, calls: u64) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-u", &self.url, "-r", RANDOM_MAX, "--csv", "-c", &self.connections.to_string()]);
        command.args([
            "-n",
            &calls.to_string(),
            "EVALSHA",
            &self.script,
            "2",
            &self.mirror,
            &self.remembered,
        ]);
        command.args(["hold_0123456789abcdefghijklmnop", "2000", CHANNEL, "bench", TTL_SECONDS]);
        // Without a key: all calls have one owner, whose second would be taken for a repetition.
        command.args(["0", "1"]);
        // One seat by name: one candidate in a stretch of its own, of a mirror that the caller has seen as it is.
        command.args(["1", "0", STATE, "1:1"]);
        command.arg(if self.claims == Claims::Fresh { "__rand_int__" } else { "A1" });
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Whether the script did what it is for.
    async fn check(&mut self, calls: u64) -> Result<()> {
        let fields: u64 = redis::cmd("HLEN").arg(&self.mirror).query_async(&mut self.connection).await?;
        let wanted = if self.claims == Claims::Fresh { calls as f64 * (1.0 - TWICE_SHARE_MAX) } else { 0.0 };
        ensure!(fields as f64 >= wanted, "{calls} claims left {fields} fields in the mirror");
        Ok(())
    }
}

#[async_trait]
impl Contender for RedisBenchmark {
    fn name(&self) -> String {
        super::REDIS_BENCHMARK.name.to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        self.parts.clone()
    }

    async fn prepare(&mut self) -> Result<()> {
        redis::pipe()
            .del(&self.mirror)
            .hset_multiple(&self.mirror, &[("v", VERSION), ("q", "0"), ("s:A1", "b:7:0:hold_of_another")])
            .exec_async(&mut self.connection)
            .await
            .context("Redis does not answer")
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let calls = self.rate.map_or(FIRST_CALLS, |rate| rate * length.as_secs_f64()).max(1_000.0) as u64;
        let said = self.command(calls).output().await?;
        let text = String::from_utf8_lossy(&said.stdout);
        let wrong = String::from_utf8_lossy(&said.stderr);
        ensure!(said.status.success(), "redis-benchmark: {} {}", wrong.trim(), text.trim());
        let work = parse(&text, calls)
            .with_context(|| format!("redis-benchmark did not say how fast: {text}{wrong}"))?;
        self.rate = Some(calls as f64 / work.elapsed.as_secs_f64());
        self.check(calls).await?;
        Ok(work)
    }

    async fn tidy(&mut self) -> Result<()> {
        let forget = redis::cmd("DEL").arg(&self.mirror).exec_async(&mut self.connection).await;
        forget.context("Redis does not answer")
    }

    async fn note(&mut self) -> Result<String> {
        Ok("the gate's own claim.lua, on one show, nothing durable".to_owned())
    }
}

/// The last line's columns, from the right: its name, in quotes, may have commas in it.
fn parse(said: &str, calls: u64) -> Option<Work> {
    let line = said.lines().rev().find(|line| !line.trim().is_empty())?;
    let columns: Vec<f64> = line.rsplit(',').map_while(|cell| cell.trim_matches('"').parse().ok()).collect();
    // max, p99, p95, p50, min, mean, calls a second.
    let [_, p99_ms, _, p50_ms, _, _, rate] = *columns.first_chunk::<7>()?;
    let elapsed = Duration::try_from_secs_f64(calls as f64 / rate).ok()?;
    Some(Work { done: calls, elapsed, p50_ms: Some(p50_ms), p99_ms: Some(p99_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = r#""test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"EVALSHA 0ab 1 bench, 7","50000.00","0.500","0.100","0.400","0.900","1.200","9.000"
"#;

    #[test]
    fn what_redis_benchmark_says_is_read() {
        let work = parse(SAID, 100_000).expect("complete");
        assert_eq!((work.done, work.elapsed), (100_000, Duration::from_secs(2)));
        assert_eq!((work.p50_ms, work.p99_ms), (Some(0.4), Some(1.2)));
        assert!(parse("Error from server: NOSCRIPT", 1).is_none());
    }
}
