//! Breaks a fleet on purpose while buyers are on it, and says how long it took to be whole again.
//!
//! One fault at a time, as a seed has it: so that what does not recover can be told from what broke it. The fleet is one of
//! our own, and everything that happens is part of the history that the checker judges.

mod act;
mod clock;
mod course;
pub mod link;
mod links;
mod marks;
mod outcome;
pub mod plan;
mod probe;
mod process;
mod recovery;
mod rehearsal;
mod settings;
mod store;
mod tally;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use course::Course;
use marks::Marks;
use plan::{Kind, Parts, Plan};
use recovery::Inspector;
use rehearsal::Rehearsal;

pub use outcome::Outcome;
pub use settings::Settings;

use crate::books::{Books, Ledger};
use crate::fleet::SERVICES;
use crate::history::Recorder;
use crate::onsale;
use crate::pulse::Pulse;

/// Runs to the end, or until a signal, and says what happens meanwhile.
pub async fn faults(settings: &Settings, say: impl Fn(&str)) -> Result<Outcome> {
    // Dropping the run stops the fleet, in order.
    tokio::select! {
        done = run(settings, &say) => done,
        stopped = asked_to_stop() => {
            stopped?;
            bail!("stopped as asked, before the end")
        }
    }
}

async fn run(settings: &Settings, say: &impl Fn(&str)) -> Result<Outcome> {
    // Links have two sockets for each of a fleet's connections. Where the limit cannot be raised, connections will say so.
    drop(rlimit::increase_nofile_limit(u64::MAX));
    let seed = settings.seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
    say(&format!("seed {seed}: starting a fleet in {}", settings.directory.display()));
    let rehearsal = Rehearsal::start(settings).await?;
    if let Ok(url) = rehearsal.fleet.variable("MARQUEE_PROMETHEUS_URL") {
        say(&format!("Prometheus: {url}; faults are annotations of the dashboards in configs/grafana"));
    }
    let marks = Marks::new()?.shown_to(&rehearsal.fleet).await?;
    let recorder = Recorder::new();
    let services = SERVICES.map(str::to_owned).to_vec();
    let inspector = Inspector::new(&rehearsal.fleet, &services, &recorder).await?;
    inspector.whole(&[]).await.context("the fleet was never whole")?;
    let links = rehearsal.links.names().map(str::to_owned).collect();
    let plan = Plan::new(seed, kinds_to_be_had(settings, say), Parts { services, links });

    let pulse = Pulse::watch(&recorder);
    let ledger = Ledger::watch(rehearsal.fleet.variable("DATABASE_URL")?);
    let mut course = Course::new(settings, (&rehearsal, &inspector), (&recorder, &marks), say);
    let sale = settings.sale(seed);
    // Boxed: it is large, and lives as long as the run.
    let breaking = Box::pin(course.run(plan));
    onsale::run_while(&rehearsal.fleet.url, &sale, &recorder, breaking).await?;

    drop(pulse);
    let evidence = (recorder.history(), books(&rehearsal, ledger).await?);
    let ended = course.end();
    rehearsal.stop()?;
    Outcome::judged(settings, seed, ended, evidence)
}

/// What Postgres says at the end, and said meanwhile.
async fn books(rehearsal: &Rehearsal, ledger: Ledger) -> Result<Books> {
    let mut books = Books::read(rehearsal.fleet.variable("DATABASE_URL")?).await?;
    books.samples = ledger.samples();
    books.complaints = ledger.stop().await;
    Ok(books)
}

/// What is wanted, as far as it can be had here.
fn kinds_to_be_had(settings: &Settings, say: &impl Fn(&str)) -> Vec<Kind> {
    let mut kinds = settings.kinds();
    if clock::library().is_none() && kinds.contains(&Kind::ClockSkew) {
        say("no wrong clocks: libfaketime is not installed");
        kinds.retain(|kind| *kind != Kind::ClockSkew);
    }
    kinds
}

pub(crate) async fn asked_to_stop() -> Result<()> {
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
