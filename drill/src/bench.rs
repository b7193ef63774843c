//! Figures beside the peers': every contender of a row does the same thing in the same run, in turns, and what counts is
//! the ratio between them. Machines are noisy; a figure of one day on one machine proves nothing.
//!
//! Nothing here decides whether a figure is good. A row that cannot be measured is said, and so is a peer that is not here.

pub mod attack;
pub mod balancer;
pub mod block;
pub mod buying;
pub mod changing;
pub mod claim;
pub mod counting;
pub mod cpu;
pub mod crowd;
pub mod fetching;
pub mod figures;
pub mod lines;
pub mod load;
pub mod machine;
pub mod marquee;
pub mod measure;
pub mod memory;
pub mod origin;
pub mod peers;
pub mod program;
pub mod refreshing;
pub mod relay;
pub mod rival;
pub mod rows;
pub mod sales;
pub mod scratch;
pub mod seats;
pub mod settings;
pub mod stage;
pub mod table;
pub mod visitors;

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use self::machine::Machine;
use self::settings::{Row, Settings};
use self::table::{How, Table, Trouble};

/// The order of measuring, not of the table: memory is looked at while the fleet is young.
const ORDER: [Row; Row::ALL.len()] = [
    Row::Proxied,
    Row::Attacked,
    Row::Cached,
    Row::Changing,
    Row::Watching,
    Row::Sellout,
    Row::Queueing,
    Row::Losing,
    Row::Holds,
    Row::Popular,
];

/// The small parts that the bench plays itself, each in a process of its own.
#[derive(Debug, clap::Subcommand)]
pub enum Part {
    /// A tiny HTTP origin.
    Origin {
        /// Where.
        #[arg(long)]
        listen: SocketAddr,
    },
    /// A relay of bytes.
    Relay {
        /// Where.
        #[arg(long)]
        listen: SocketAddr,
        /// Where to.
        #[arg(long)]
        to: SocketAddr,
    },
}

impl Part {
    /// Plays it until the process is stopped.
    pub fn play(self) -> Result<()> {
        match self {
            Self::Origin { listen } => origin::serve(listen),
            Self::Relay { listen, to } => relay::serve(listen, to),
        }
    }
}

/// Measures what is wanted. SIGINT and SIGTERM end it, with all that it started.
pub async fn run(settings: &Settings) -> Result<Table> {
    let (mut interrupted, mut asked) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        table = measure(settings) => table,
        _ = interrupted.recv() => bail!("interrupted"),
        _ = asked.recv() => bail!("asked to stop"),
    }
}

async fn measure(settings: &Settings) -> Result<Table> {
    let machine = Machine::describe(settings).await;
    let (mut measured, mut troubles) = (Vec::new(), Vec::new());
    let wanted = settings.wanted();
    for row in ORDER.into_iter().filter(|row| wanted.contains(row)) {
        tell(&format!("{}: {} rounds of {} s", row.name(), settings.rounds, settings.seconds));
        match rows::measure(row, settings).await {
            Ok(blocks) => measured.push((row, blocks)),
            Err(error) => troubles.push(Trouble { row: row.name(), why: format!("{error:#}") }),
        }
    }
    measured.sort_by_key(|(row, _)| *row);
    let blocks = measured.into_iter().flat_map(|(_, blocks)| blocks).collect();
    let table = Table { machine, how: How::of(settings), blocks, troubles };
    write(&table, settings)?;
    Ok(table)
}

/// `bench.md` and `bench.json`, where they are wanted.
fn write(table: &Table, settings: &Settings) -> Result<()> {
    let Some(directory) = &settings.out else { return Ok(()) };
    std::fs::create_dir_all(directory)?;
    let files = [("bench.md", table.to_string()), ("bench.json", serde_json::to_string_pretty(table)?)];
    for (name, text) in files {
        let file = directory.join(name);
        std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(())
}

/// Tells whoever waits what is going on. The answer goes elsewhere.
pub(crate) fn tell(line: &str) {
    eprintln!("  bench        {line}");
}
