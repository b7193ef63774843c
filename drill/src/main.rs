//! `drill walk`: buys two seats as a buyer would, and says what came of it. `drill onsale`: many buyers at once, in figures.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use drill::onsale::{OnsaleArgs, onsale};
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
    Onsale(Box<OnsaleArgs>),
}

/// What to say, and whether all is as it should be.
type Answer = (String, bool);

#[tokio::main]
async fn main() -> ExitCode {
    let answer = match Args::parse().command {
        Command::Walk { url } => walk(&url).await.map(|walked| (walked.to_string(), true)),
        Command::Onsale(args) => sell(&args).await,
    };
    match answer {
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

async fn sell(args: &OnsaleArgs) -> Result<Answer> {
    let (_history, report) = onsale(args).await?;
    // The judgement of the history joins here: its verdict below the report, and good only when it holds too.
    Ok((report.to_string(), report.as_expected()))
}

#[expect(clippy::print_stdout, reason = "this is the program's answer")]
fn say(text: &str) {
    println!("{}", text.trim_end());
}
