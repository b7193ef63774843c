//! The command line every service shares: `<program> [--config PATH] [--check] [COMMAND [ARG…]]`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::{config, telemetry};

/// What the command line said.
#[derive(Debug, Parser)]
pub struct Args {
    /// The configuration file; `configs/<program>.toml` when not given.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Read the configuration, say whether it is good, and exit.
    #[arg(long)]
    pub check: bool,
    /// What to do; `serve` when not given.
    pub command: Option<String>,
    /// What the command wants to know besides.
    pub rest: Vec<String>,
}

/// One order to the program: a verb and its arguments.
#[derive(Debug)]
pub struct Command {
    /// `serve`, `migrate`, …
    pub verb: String,
    /// The words behind the verb.
    pub args: Vec<String>,
}

/// Reads the command line and the configuration, then hands both to `act` on a fresh runtime.
///
/// # Errors
/// What is wrong goes to stderr as one line, and the exit code is 2 for a bad configuration, 1 otherwise.
pub fn main<C, F>(program: &'static str, act: impl FnOnce(C, Command) -> F) -> ExitCode
where
    C: config::Program,
    F: Future<Output = anyhow::Result<()>>,
{
    let args = Args::parse();
    let path = args.config.unwrap_or_else(|| PathBuf::from(format!("configs/{program}.toml")));
    let loaded: C = match config::load(program, &path) {
        Ok(loaded) => loaded,
        Err(error) => return fail(program, &format!("{error}"), 2),
    };
    if args.check {
        say(&format!("{program}: {} is good", path.display()));
        return ExitCode::SUCCESS;
    }
    let command = Command { verb: args.command.unwrap_or_else(|| "serve".to_owned()), args: args.rest };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(program, &format!("cannot start a runtime: {error}"), 1),
    };
    match runtime.block_on(observed(program, loaded, command, act)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(program, &format!("{error:#}"), 1),
    }
}

/// Acts, and says all that there is to say of it.
async fn observed<C, F>(
    program: &'static str,
    loaded: C,
    command: Command,
    act: impl FnOnce(C, Command) -> F,
) -> anyhow::Result<()>
where
    C: config::Program,
    F: Future<Output = anyhow::Result<()>>,
{
    let telemetry = telemetry::start(program, loaded.traces())?;
    raise_open_files();
    let outcome = act(loaded, command).await;
    telemetry.finish().await;
    outcome
}

/// Every client is an open file; many systems start a process with room for 1,024.
fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(open_files_max) => tracing::debug!(open_files_max, "limit of open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
    }
}

#[expect(clippy::print_stdout, reason = "the answer to --check is for the person at the terminal")]
fn say(line: &str) {
    println!("{line}");
}

fn fail(program: &str, message: &str, code: u8) -> ExitCode {
    eprintln!("{program}: {message}");
    ExitCode::from(code)
}
