//! Breaks a fleet on purpose while buyers are on it, and says how long it took to be whole again.
//!
//! One fault at a time, as a seed has it: so that what does not recover can be told from what broke it. The fleet is one of
//! our own, and everything that happens is part of the history that the checker judges.

mod act;
mod clock;
mod crowd;
pub mod link;
mod links;
mod load;
pub mod plan;
mod probe;
mod process;
mod recovery;
mod rehearsal;
mod store;
mod tally;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use act::Stage;
use load::Load;
use plan::{Kind, Parts, Plan};
use recovery::Inspector;
use rehearsal::Rehearsal;
use tally::Tally;

use crate::history::{Recorder, What};

/// The services of a fleet that can be asked to stop, and the warmer.
const SERVICES: [&str; 7] = [
    "catalog-1",
    "catalog-2",
    "reservations-1",
    "reservations-2",
    "waitlist-1",
    "waitlist-2",
    "cache-warmer",
];

/// What a run of faults is to do. It ends when there were as many faults and operations as wanted.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where all chance comes from; chosen and said when left out
    #[arg(long)]
    pub seed: Option<u64>,
    /// At least so many faults
    #[arg(long, default_value_t = 20)]
    pub faults: usize,
    /// At least so many requests of buyers
    #[arg(long, default_value_t = 0)]
    pub operations: u64,
    /// When to give up on that
    #[arg(long, default_value_t = 30.0)]
    pub minutes: f64,
    /// Only these kinds of faults
    #[arg(long, value_enum, value_delimiter = ',')]
    pub kinds: Vec<Kind>,
    /// Where the fleet, its logs and the history are kept
    #[arg(long, default_value = ".run/drill")]
    pub directory: PathBuf,
    /// What starts a fleet
    #[arg(long, default_value = "scripts/run")]
    pub run: PathBuf,
}

/// Runs to the end, or until a signal. Says what happens while it does; whether all was well.
pub async fn run(settings: &Settings, say: impl Fn(&str)) -> Result<bool> {
    // Dropping the run stops the fleet, in order.
    tokio::select! {
        done = drill(settings, &say) => done,
        stopped = asked_to_stop() => {
            stopped?;
            bail!("stopped as asked, before the end")
        }
    }
}

async fn drill(settings: &Settings, say: &impl Fn(&str)) -> Result<bool> {
    let seed = settings.seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
    say(&format!("seed {seed}: starting a fleet in {}", settings.directory.display()));
    let rehearsal = Rehearsal::start(&settings.run, &settings.directory).await?;
    let recorder = Recorder::new();
    let services: Vec<String> = SERVICES.map(str::to_owned).to_vec();
    let inspector = Inspector::new(&rehearsal.fleet, &services, &recorder).await?;
    inspector.whole(&[]).await.context("the fleet was never whole")?;
    let plan = plan_of(settings, seed, services, &rehearsal, say);
    let load = Load::start(&rehearsal.fleet.url, seed, &recorder);
    let stage = Stage { rehearsal: &rehearsal, inspector: &inspector };
    let (tally, reached) = break_it(settings, plan, &stage, &recorder, say).await?;
    say(&format!("{} faults and {} operations: waiting for the last buyers", tally.faults(), recorder.ops()));
    load.stop().await?;
    let history = recorder.history();
    history.save(&settings.directory.join("history.jsonl"))?;
    rehearsal.stop()?;
    say(&format!("\n{tally}\nagain: drill faults --seed {seed} --faults {}", tally.faults()));
    Ok(reached)
}

/// What is wanted, as far as it can be had here.
fn plan_of(
    settings: &Settings,
    seed: u64,
    services: Vec<String>,
    rehearsal: &Rehearsal,
    say: &impl Fn(&str),
) -> Plan {
    let mut kinds = if settings.kinds.is_empty() { Kind::all().to_vec() } else { settings.kinds.clone() };
    if clock::library().is_none() && kinds.contains(&Kind::ClockSkew) {
        say("no wrong clocks: libfaketime is not installed");
        kinds.retain(|kind| *kind != Kind::ClockSkew);
    }
    Plan::new(seed, kinds, Parts { services, links: rehearsal.links.names().map(str::to_owned).collect() })
}

/// Fault after fault until there were enough, or the time is over; whether there were enough.
async fn break_it(
    settings: &Settings,
    plan: Plan,
    stage: &Stage<'_>,
    recorder: &Recorder,
    say: &impl Fn(&str),
) -> Result<(Tally, bool)> {
    let began = Instant::now();
    let bound = Duration::from_secs_f64(settings.minutes * 60.0);
    let mut tally = Tally::default();
    for (fault, number) in plan.zip(1..) {
        let enough = tally.faults() >= settings.faults && recorder.ops() >= settings.operations;
        if enough || began.elapsed() > bound {
            return Ok((tally, enough));
        }
        tokio::time::sleep(fault.calm).await;
        let at = began.elapsed().as_secs_f64();
        let said = format!("{number:4} {at:7.1} s  {:20} {}", fault.kind, fault.part);
        recorder.record(What::Fault { fault: number, name: fault.kind.name(), part: fault.part.clone() });
        let harmed = stage.act(&fault).await.with_context(|| said.clone())?;
        let whole = stage.inspector.whole(&harmed.gone).await.with_context(|| said.clone())?;
        recorder.record(What::Recovered { fault: number });
        tally.count(fault.kind, whole.after);
        say(&format!("{said} ({}): whole {whole}", harmed.what));
    }
    bail!("there is nothing to break")
}

async fn asked_to_stop() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
