//! `drill walk [--url URL]`: buys two seats as a buyer would, and says what came of it.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Figures beside the peers'. `scripts/bench` builds what it wants and starts a fleet for it.
    #[cfg(target_os = "linux")]
    Bench(drill::bench::settings::Settings),
    /// A small part that a bench plays in a process of its own.
    #[cfg(target_os = "linux")]
    #[command(hide = true, subcommand)]
    BenchPart(drill::bench::Part),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Walk { url } => walk(&url).await,
        #[cfg(target_os = "linux")]
        Command::Bench(settings) => bench(&settings).await,
        #[cfg(target_os = "linux")]
        Command::BenchPart(part) => {
            tokio::task::spawn_blocking(|| part.play()).await.unwrap_or_else(|error| Err(error.into()))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("drill: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn walk(url: &str) -> anyhow::Result<()> {
    let walked = drill::walk::walk(url).await?;
    say(&format!(
        "booked {} of “{}”: {} ({})",
        walked.seats.join(" and "),
        walked.title,
        walked.booking_id,
        walked.show_id
    ));
    Ok(())
}

#[cfg(target_os = "linux")]
async fn bench(settings: &drill::bench::settings::Settings) -> anyhow::Result<()> {
    let table = drill::bench::run(settings).await?;
    say(&table.to_string());
    anyhow::ensure!(table.whole(), "not everything could be measured: see the table");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is the program's answer")]
fn say(line: &str) {
    println!("{line}");
}
