//! `drill walk`: buys two seats as a buyer would, and says what came of it. `drill onsale`: many buyers at once, in figures.
//! `drill faults`: the same on a fleet of its own that is broken meanwhile. `drill check`: judges a run that was written down.
//! `drill rolling`: what it costs to replace every part of a fleet. `drill bench`: figures beside the peers'. `drill canary`: how old
//! the live views of a fleet are, for Prometheus.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
#[cfg(target_os = "linux")]
use drill::bench;
use drill::books::{Books, Ledger};
use drill::canary;
use drill::checker::command::Check;
use drill::checker::judge;
use drill::faults;
use drill::onsale::{OnsaleArgs, onsale};
#[cfg(target_os = "linux")]
use drill::rolling;
use drill::walk::walk;

#[derive(Debug, Parser)]
#[command(about = "Drives real traffic through the balancer and checks what came back")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One buyer's walk from the popular list to a booked seat.
    Walk {
        /// The balancer.
        #[arg(long, env = "MARQUEE_URL", default_value = "http://127.0.0.1:8080")]
        url: String,
    },
    /// An on-sale: buyers come as planned, buy, wait in line, go away, and everything they see is written down.
    Onsale(Box<Sale>),
    /// Breaks a fleet of its own while buyers are on it, and judges what they saw.
    Faults(faults::Settings),
    /// Judges a run that was written down: does what was told, seen and written agree?
    Check(Check),
    /// Restarts every service and upgrades the balancer, then kills instances, while buyers are on them; counts failed requests.
    #[cfg(target_os = "linux")]
    Rolling(rolling::Settings),
    /// Watches seats as a buyer's page does, compares them with Postgres, and tells Prometheus how old they are. Changes nothing.
    Canary(canary::Settings),
    /// Figures beside the peers'. `scripts/bench` builds what it wants and starts a fleet for it.
    #[cfg(target_os = "linux")]
    Bench(bench::settings::Settings),
    /// A small part that a bench plays in a process of its own.
    #[cfg(target_os = "linux")]
    #[command(hide = true, subcommand)]
    BenchPart(bench::Part),
}

/// An on-sale, and who judges it.
#[derive(Debug, clap::Args)]
struct Sale {
    #[command(flatten)]
    onsale: OnsaleArgs,
    /// The database behind the balancer: it is looked at during the run, and the run is judged at its end
    #[arg(long)]
    database_url: Option<String>,
}

/// What to say, and whether all is as it should be.
type Answer = (String, bool);

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse().command).await {
        Ok((text, good)) => {
            say(&text);
            if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("drill: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<Answer> {
    match command {
        Command::Walk { url } => walk(&url).await.map(|walked| (walked.to_string(), true)),
        Command::Onsale(sale) => sell(&sale).await,
        Command::Faults(settings) => {
            faults::faults(&settings, say).await.map(|outcome| (outcome.to_string(), outcome.good()))
        }
        Command::Check(check) => check.run().await.map(|(verdict, text)| (text, verdict.holds())),
        Command::Canary(settings) => canary::watch(&settings).await.map(|()| (String::new(), true)),
        #[cfg(target_os = "linux")]
        Command::Rolling(settings) => roll(&settings).await,
        #[cfg(target_os = "linux")]
        Command::Bench(settings) => {
            bench::run(&settings).await.map(|table| (table.to_string(), table.whole()))
        }
        #[cfg(target_os = "linux")]
        Command::BenchPart(part) => {
            tokio::task::spawn_blocking(|| part.play()).await??;
            Ok((String::new(), true))
        }
    }
}

async fn sell(sale: &Sale) -> Result<Answer> {
    let ledger = sale.database_url.as_deref().map(Ledger::watch);
    let (history, report) = onsale(&sale.onsale).await?;
    let (mut text, mut good) = (report.to_string(), report.as_expected());
    if let (Some(url), Some(ledger)) = (&sale.database_url, ledger) {
        let verdict = judge(&history, &Books::after(url, ledger).await?);
        good &= verdict.holds();
        text = format!("{text}\n{verdict}");
    }
    Ok((text, good))
}

#[cfg(target_os = "linux")]
async fn roll(settings: &rolling::Settings) -> Result<Answer> {
    let report = rolling::rolling(settings, say).await?;
    if let Some(file) = &settings.json {
        report.save(file)?;
    }
    Ok((report.to_string(), report.good()))
}

#[expect(clippy::print_stdout, reason = "this is the program's answer")]
fn say(text: &str) {
    if !text.is_empty() {
        println!("{}", text.trim_end());
    }
}
