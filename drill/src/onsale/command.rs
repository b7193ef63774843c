//! `drill onsale`: a run, its report, and what is written to files.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;

use super::{Plan, run};
use crate::history::{History, Recorder};
use crate::report::Report;

/// What `drill onsale` is told.
#[derive(Debug, Args)]
pub struct OnsaleArgs {
    /// The balancer
    #[arg(long, env = "MARQUEE_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Everything else.
    #[command(flatten)]
    pub plan: Plan,
    /// Where to write plan and report as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where to write everything that was seen, a line each, to be judged again
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
}

/// What is written as JSON.
#[derive(Debug, Serialize)]
struct Written<'run> {
    plan: &'run Plan,
    report: &'run Report,
}

/// Runs an on-sale: everything that was seen, and its report.
pub async fn onsale(args: &OnsaleArgs) -> Result<(History, Report)> {
    // Two sockets a buyer. Where the limit cannot be raised, connections will say so.
    drop(rlimit::increase_nofile_limit(u64::MAX));
    let recorder = Recorder::new();
    run(&args.url, &args.plan, &recorder).await?;
    let history = recorder.history();
    if let Some(file) = &args.history {
        history.save(file)?;
    }
    let report = Report::of(&history);
    if let Some(file) = &args.json {
        write(file, &Written { plan: &args.plan, report: &report })?;
    }
    Ok((history, report))
}

fn write(path: &Path, written: &Written<'_>) -> Result<()> {
    let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
    let mut out = BufWriter::new(file);
    serde_json::to_writer_pretty(&mut out, written)?;
    Ok(out.flush()?)
}
