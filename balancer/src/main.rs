//! Arguments, configuration, run.

use std::path::PathBuf;
use std::process::ExitCode;

use balancer::config::Config;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The load balancer.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, default_value = "configs/balancer.toml")]
    config: PathBuf,
    /// Read and validate the configuration, and exit.
    #[arg(long)]
    check: bool,
    /// What to do.
    #[arg(value_enum, default_value = "serve")]
    command: Command,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Command {
    /// Serve until SIGTERM.
    Serve,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Command::Serve = arguments.command;
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("balancer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    if arguments.check {
        eprintln!("balancer: {} is valid", arguments.config.display());
        return Ok(());
    }
    balancer::run(&arguments.config, config)
}
