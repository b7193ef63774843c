//! `drill walk [--url URL]`: buys two seats as a buyer would, and says what came of it.
//! `drill check --history FILE …`: judges a run that was written down.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use drill::checker::command::Check;

/// Exit code of a check that could not be made; a run that is judged and fails is 1.
const CANNOT_JUDGE: u8 = 2;

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
    /// Judges a run that was written down: does what was told, seen and written agree?
    Check(Check),
}

#[tokio::main]
async fn main() -> ExitCode {
    match Args::parse().command {
        Command::Walk { url } => walk(&url).await,
        Command::Check(check) => judge(&check).await,
    }
}

async fn judge(check: &Check) -> ExitCode {
    match check.run().await {
        Ok((verdict, text)) => {
            say(text.trim_end());
            if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("drill: {error:#}");
            ExitCode::from(CANNOT_JUDGE)
        }
    }
}

async fn walk(url: &str) -> ExitCode {
    match drill::walk::walk(url).await {
        Ok(walked) => {
            say(&format!(
                "booked {} of “{}”: {} ({})",
                walked.seats.join(" and "),
                walked.title,
                walked.booking_id,
                walked.show_id
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("drill: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is the program's answer")]
fn say(line: &str) {
    println!("{line}");
}
