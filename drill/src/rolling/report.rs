//! What a run came to, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::history::Step;
use crate::report::Latency;

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where all chance came from.
    pub seed: u64,
    /// Requests a second that were wanted.
    pub rate: f64,
    /// Rounds that were wanted.
    pub rounds: u32,
    /// Kills that were wanted.
    pub kills: u32,
    /// While everything was restarted and upgraded in good order.
    pub rolled: Part,
    /// While instances were killed.
    pub killed: Part,
}

/// What buyers got during a part of the run.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// For so long requests were sent.
    pub seconds: f64,
    /// Services that were restarted.
    pub restarts: u32,
    /// Upgrades of the balancer.
    pub upgrades: u32,
    /// Instances that were killed.
    pub kills: u32,
    /// Requests that were sent.
    pub requests: u64,
    /// Over the whole time.
    pub requests_per_second: f64,
    /// Those without a whole answer, or with a 5xx. All of them could be repeated: each was idempotent or had a key.
    pub failed: u64,
    /// Those that were told to come less often.
    pub limited: u64,
    /// Those that were due and not sent, because too many waited.
    pub missed: u64,
    /// From the first byte of a request, or its connect, to the last one of its answer.
    pub latency: Latency,
    /// A row for each kind.
    pub rows: Vec<Row>,
    /// The first of those that failed.
    pub failures: Vec<Failure>,
}

/// One kind of request.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Which.
    pub step: Step,
    /// How many.
    pub count: u64,
    /// How many were answered how.
    pub answers: BTreeMap<String, u64>,
}

/// A request that failed.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// When, by the clock on the wall.
    pub at: String,
    /// When, since the part began.
    pub after_seconds: f64,
    /// How long it had taken.
    pub took_ms: f64,
    /// What was asked.
    pub method: String,
    /// Where.
    pub path: String,
    /// The answer, or why there was none.
    pub what: String,
    /// What was being done to the fleet.
    pub during: String,
}

impl Report {
    /// Whether no request failed.
    pub fn good(&self) -> bool {
        [&self.rolled, &self.killed].iter().all(|part| part.failed == 0 && part.missed == 0)
    }

    /// Writes it as JSON.
    pub fn save(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, rate, rounds, kills, rolled, killed } = self;
        if *rounds > 0 {
            writeln!(out, "\n{} restarts and {} upgrades of the balancer", rolled.restarts, rolled.upgrades)?;
            write!(out, "{rolled}")?;
        }
        if *kills > 0 {
            writeln!(out, "\n{} instances killed (-9)\n{killed}", killed.kills)?;
        }
        write!(
            out,
            "\nthe same again:  drill rolling --seed {seed} --rounds {rounds} --kills {kills} --rate {rate}"
        )
    }
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50_ms, p99_ms, p99_9_ms, max_ms, .. } = self.latency;
        let (requests, seconds, rate) = (self.requests, self.seconds, self.requests_per_second);
        writeln!(
            out,
            "{requests} requests in {seconds:.1} s, {rate:.0} a second; p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, p99.9 {p99_9_ms:.1} ms, max {max_ms:.0} ms"
        )?;
        for row in &self.rows {
            let answers: Vec<_> =
                row.answers.iter().map(|(answer, count)| format!("{answer} × {count}")).collect();
            writeln!(out, "  {:<9}{:>9}  {}", row.step.name(), row.count, answers.join(", "))?;
        }
        write!(out, "{} failed", self.failed)?;
        for (count, what) in
            [(self.limited, "told to come less often (429)"), (self.missed, "due and not sent")]
        {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        writeln!(out)?;
        self.failures.iter().try_for_each(|failure| writeln!(out, "  {failure}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, after_seconds, took_ms, method, path, what, during } = self;
        write!(out, "{at} ({after_seconds:.2} s): {method} {path}: {what} [after {took_ms:.1} ms; {during}]")
    }
}
