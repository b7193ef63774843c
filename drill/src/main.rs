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
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Walk { url } = Args::parse().command;
    match drill::walk::walk(&url).await {
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
