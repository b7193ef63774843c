//! What a run of faults is told, and what follows from it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::plan::Kind;
use crate::onsale;

/// What a run is to do. It ends when there were as many faults and operations as wanted.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where all chance comes from; chosen and said when left out
    #[arg(long)]
    pub seed: Option<u64>,
    /// At least so many faults
    #[arg(long, default_value_t = 20)]
    pub faults: usize,
    /// At least so many requests of buyers
    #[arg(long, default_value_t = 0)]
    pub operations: u64,
    /// When to give up on that
    #[arg(long, default_value_t = 30.0)]
    pub minutes: f64,
    /// Buyers that arrive in a second, in the mean
    #[arg(long, default_value_t = 25.0)]
    pub rate: f64,
    /// Only these kinds of faults
    #[arg(long, value_enum, value_delimiter = ',')]
    pub kinds: Vec<Kind>,
    /// Start a Prometheus and a canary with the fleet, and mark the faults for its dashboards
    #[arg(long)]
    pub observe: bool,
    /// Where the fleet, its logs and all evidence are kept
    #[arg(long, default_value = ".run/drill", overrides_with = "directory")]
    pub directory: PathBuf,
    /// What starts a fleet
    #[arg(long, default_value = "scripts/run", overrides_with = "run")]
    pub run: PathBuf,
}

impl Settings {
    /// How long there are new faults.
    pub(super) fn bound(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }

    /// The kinds that are wanted.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        if self.kinds.is_empty() { Kind::all().to_vec() } else { self.kinds.clone() }
    }

    /// The buyers: a sale that is busy from its beginning to its end, with much that is given back.
    pub(super) fn sale(&self, seed: u64) -> onsale::Plan {
        onsale::Plan {
            seed,
            curve: onsale::Curve::Steady,
            rate: self.rate,
            duration: self.bound(),
            shows: 160,
            skew: 0.8,
            abandon: 0.15,
            release: 0.15,
            extend: 0.3,
            slow: 0.25,
            cancel: 0.3,
            patience: Duration::from_secs(10),
            quiet: true,
            ..onsale::Plan::default()
        }
    }

    /// What makes the same faults again, where the same kinds can be had.
    pub(super) fn again(&self, seed: u64, faults: usize) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(|kind| kind.name()).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" --kinds {}", kinds.join(",")) };
        format!("drill faults --seed {seed} --faults {faults} --rate {}{kinds}", self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn parsed(line: &str) -> Settings {
        Line::parse_from(line.split(' ')).settings
    }

    #[test]
    fn what_is_said_to_break_it_again_is_understood() {
        let settings = parsed("drill --seed 9 --faults 3 --rate 12.5 --kinds link_cut,kill");
        let again = settings.again(9, 4);
        let second = parsed(again.strip_prefix("drill ").unwrap().replacen("faults", "drill", 1).as_str());
        assert_eq!((second.seed, second.faults, second.kinds), (Some(9), 4, settings.kinds));
        assert!((second.rate - 12.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_wrapper_may_say_where_and_be_corrected() {
        let settings = parsed("drill --directory here --run that --directory there");
        assert_eq!((settings.directory, settings.run), ("there".into(), "that".into()));
    }

    #[test]
    fn the_sale_can_be_held() {
        parsed("drill").sale(1).check().unwrap();
    }
}
