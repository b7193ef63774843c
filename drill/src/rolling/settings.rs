//! What a run is told.

use std::path::PathBuf;

use clap::Args;

use crate::fleet::SERVICES;

/// What a run is to do.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where all chance comes from; chosen and said when left out
    #[arg(long)]
    pub seed: Option<u64>,
    /// How often every service is restarted and the balancer upgraded
    #[arg(long, default_value_t = 20)]
    pub rounds: u32,
    /// How many instances are killed (-9) after that
    #[arg(long, default_value_t = 20)]
    pub kills: u32,
    /// Requests a second, evenly, whatever becomes of those before
    #[arg(long, default_value_t = 1_000.0, value_parser = rate)]
    pub rate: f64,
    /// Browsers that ask in turn; more come when all of them wait
    #[arg(long, default_value_t = 256)]
    pub buyers: usize,
    /// Only these are restarted in a round
    #[arg(long, value_delimiter = ',', default_values_t = SERVICES.map(str::to_owned))]
    pub services: Vec<String>,
    /// Where to write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where the fleet and its logs are kept
    #[arg(long, default_value = ".run/drill", overrides_with = "directory")]
    pub directory: PathBuf,
    /// What starts a fleet
    #[arg(long, default_value = "scripts/run", overrides_with = "run")]
    pub run: PathBuf,
    /// What upgrades its balancer
    #[arg(long, default_value = "scripts/upgrade", overrides_with = "upgrade")]
    pub upgrade: PathBuf,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1.0..=20_000.0).contains(&rate) { Ok(rate) } else { Err("from 1 to 20000".to_owned()) }
}
