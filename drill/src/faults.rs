//! Breaks a fleet on purpose while buyers are on it, and says how long it took to be whole again.
//!
//! One fault at a time, as a seed has it: so that what does not recover can be told from what broke it. The fleet is one of
//! our own, and everything that happens is part of the history that the checker judges.

mod act;
mod clock;
mod course;
pub mod link;
mod links;
pub mod plan;
mod probe;
mod process;
mod recovery;
mod rehearsal;
mod store;
mod tally;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use course::Course;
use plan::{Kind, Parts, Plan};
use recovery::Inspector;
use rehearsal::Rehearsal;
use tally::Tally;

use crate::books::{Books, Ledger};
use crate::checker::{Verdict, judge};
use crate::history::{History, Recorder};
use crate::onsale;
use crate::report::Report;

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
    /// Buyers that arrive in a second, in the mean
    #[arg(long, default_value_t = 25.0)]
    pub rate: f64,
    /// Only these kinds of faults
    #[arg(long, value_enum, value_delimiter = ',')]
    pub kinds: Vec<Kind>,
    /// Where the fleet, its logs and the history are kept
    #[arg(long, default_value = ".run/drill", overrides_with = "directory")]
    pub directory: PathBuf,
    /// What starts a fleet
    #[arg(long, default_value = "scripts/run", overrides_with = "run")]
    pub run: PathBuf,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    seed: u64,
    report: Report,
    verdict: Verdict,
    tally: Tally,
    /// Why the run ended before there was enough.
    cut_short: Option<String>,
    evidence: Evidence,
}

/// Where everything that a verdict is based on is kept, to be judged again (`drill check`).
#[derive(Debug)]
struct Evidence {
    history: PathBuf,
    books: PathBuf,
}

impl Outcome {
    /// Whether there were as many faults and operations as wanted, and all was well.
    pub fn good(&self) -> bool {
        self.cut_short.is_none() && self.verdict.holds()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n{}\n{}", self.report, self.tally, self.verdict)?;
        if let Some(why) = &self.cut_short {
            writeln!(f, "not enough: {why}")?;
        }
        let Evidence { history, books } = &self.evidence;
        writeln!(
            f,
            "judge it again:   drill check --history {} --books {}",
            history.display(),
            books.display()
        )?;
        write!(f, "break it again:   drill faults --seed {} --faults {}", self.seed, self.tally.faults())
    }
}

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
    let rehearsal = Rehearsal::start(&settings.run, &settings.directory).await?;
    let recorder = Recorder::new();
    let services = SERVICES.map(str::to_owned).to_vec();
    let inspector = Inspector::new(&rehearsal.fleet, &services, &recorder).await?;
    inspector.whole(&[]).await.context("the fleet was never whole")?;
    let plan = plan_of(settings, seed, services, &rehearsal, say);

    let ledger = Ledger::watch(rehearsal.fleet.variable("DATABASE_URL")?);
    let mut course = Course::new(settings, &rehearsal, &inspector, &recorder, say);
    let sale = settings.sale(seed);
    // Boxed: it is large, and lives as long as the run.
    let breaking = Box::pin(course.run(plan));
    onsale::run_while(&rehearsal.fleet.url, &sale, &recorder, breaking).await?;

    let (tally, cut_short) = course.end();
    let (history, books) = evidence(&rehearsal, &recorder, ledger).await?;
    rehearsal.stop()?;
    let evidence = Evidence::of(settings, seed);
    history.save(&evidence.history)?;
    books.save(&evidence.books)?;
    let (report, verdict) = (Report::of(&history), judge(&history, &books));
    Ok(Outcome { seed, report, verdict, tally, cut_short, evidence })
}

/// What the run saw, and what Postgres says at its end.
async fn evidence(rehearsal: &Rehearsal, recorder: &Recorder, ledger: Ledger) -> Result<(History, Books)> {
    let mut books = Books::read(rehearsal.fleet.variable("DATABASE_URL")?).await?;
    books.samples = ledger.samples();
    books.complaints = ledger.stop().await;
    Ok((recorder.history(), books))
}

impl Evidence {
    /// A file each; those of another seed are left alone.
    fn of(settings: &Settings, seed: u64) -> Self {
        let file = |name: &str| settings.directory.join(format!("{name}-{seed}.json"));
        Self { history: file("history"), books: file("books") }
    }
}

impl Settings {
    /// The buyers: a sale that is busy from its beginning to its end, with much that is given back.
    fn sale(&self, seed: u64) -> onsale::Plan {
        onsale::Plan {
            seed,
            curve: onsale::Curve::Steady,
            rate: self.rate,
            duration: self.bound(),
            shows: 160,
            skew: 0.8,
            abandon: 0.15,
            release: 0.15,
            cancel: 0.3,
            patience: Duration::from_secs(10),
            quiet: true,
            ..onsale::Plan::default()
        }
    }

    /// How long a run may take.
    fn bound(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }
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
