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
    /// Breaks a fleet of its own while buyers are on it, and judges what they saw.
    Faults(drill::faults::Settings),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Walk { url } => walk(&url).await,
        Command::Faults(settings) => drill::faults::run(&settings, say).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("drill: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn walk(url: &str) -> anyhow::Result<bool> {
    let walked = drill::walk::walk(url).await?;
    let seats = walked.seats.join(" and ");
    say(&format!("booked {seats} of “{}”: {} ({})", walked.title, walked.booking_id, walked.show_id));
    Ok(true)
}

#[expect(clippy::print_stdout, reason = "this is the program's answer")]
fn say(line: &str) {
    println!("{line}");
}
