//! Arguments, configuration, run.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use balancer::Start;
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
    /// Take the listening sockets over from the balancer that runs with the same public address, which then drains and ends.
    #[arg(long)]
    upgrade: bool,
    /// Write the process id to this file once requests are served.
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
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
        config
            .tls
            .as_ref()
            .map_or(Ok(()), balancer::operate::tls::check)
            .context("key `tls.certificates`")?;
        eprintln!("balancer: {} is valid", arguments.config.display());
        return Ok(());
    }
    let start = Start { upgrade: arguments.upgrade, pid_file: arguments.pid_file.clone() };
    balancer::run(&arguments.config, config, start)
}
