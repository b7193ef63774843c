//! All settings of a run. The same plan makes the same arrivals and the same choices; only the answers differ.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::{Args, FromArgMatches, ValueEnum};
use domain::hold::PARTY_MAX;
use jiff::SignedDuration;
use serde::Serialize;

/// The most arrivals of one run: their times are kept in memory.
const ARRIVALS_MAX: usize = 10_000_000;

/// How arrivals are spread over a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Curve {
    /// As many at any time.
    Steady,
    /// From none to twice the mean.
    Ramp,
    /// The doors open: eight times the mean at once, then fewer and fewer.
    DoorsOpen,
}

/// A run's settings. Shares are between 0 and 1.
#[derive(Debug, Clone, PartialEq, Serialize, Args)]
pub struct Plan {
    /// Where all chance comes from
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// How arrivals are spread over the run
    #[arg(long, value_enum, default_value_t = Curve::DoorsOpen)]
    pub curve: Curve,
    /// Buyers that arrive in a second, in the mean
    #[arg(long, default_value_t = 20.0)]
    pub rate: f64,
    /// How long buyers arrive
    #[arg(long, default_value = "30s", value_parser = duration)]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub duration: Duration,
    /// How many buyers arrive; their rate then says how long that takes
    #[arg(long, conflicts_with = "duration")]
    pub buyers: Option<usize>,
    /// Buyers inside at once; who arrives when it is full is counted as missed
    #[arg(long, default_value_t = 4000)]
    pub buyers_open_max: usize,

    /// Shows in the sale: those of the most popular films
    #[arg(long, default_value_t = 20)]
    pub shows: usize,
    /// How much more the first show is wanted than the others (Zipf's exponent; 0 is not at all)
    #[arg(long, default_value_t = 1.0)]
    pub skew: f64,
    /// How often parties of 1, 2, 3… come
    #[arg(long, value_delimiter = ',', default_value = "20,45,12,15,4,4")]
    pub parties: Vec<u32>,
    /// Robots: no thinking, the most wanted shows, held and never paid
    #[arg(long, default_value_t = 0.05)]
    pub bots: f64,

    /// Who takes the best seats instead of picking them
    #[arg(long, default_value_t = 0.3)]
    pub best: f64,
    /// Who goes away with a hold and lets it lapse
    #[arg(long, default_value_t = 0.1)]
    pub abandon: f64,
    /// Who gives a hold back
    #[arg(long, default_value_t = 0.05)]
    pub release: f64,
    /// Whose first payment is declined
    #[arg(long, default_value_t = 0.05)]
    pub declined: f64,
    /// Whose payment gets no answer from its provider
    #[arg(long, default_value_t = 0.02)]
    pub payment_timeout: f64,
    /// Who asks for more time, where a hold can have it
    #[arg(long, default_value_t = 0.2)]
    pub extend: f64,
    /// Whose bank takes its time, and who pays at the last moment when that is near
    #[arg(long, default_value_t = 0.1)]
    pub slow: f64,
    /// Who takes the booking back
    #[arg(long, default_value_t = 0.05)]
    pub cancel: f64,
    /// Who sends an answered hold (or joining), and an answered confirmation, once more under the same key
    #[arg(long, default_value_t = 0.05)]
    pub replay: f64,
    /// Who sends something else under a key that was used
    #[arg(long, default_value_t = 0.02)]
    pub reuse: f64,
    /// Who waits in line when it is sold out
    #[arg(long, default_value_t = 0.7)]
    pub join: f64,
    /// Who of them waits for certain seats only
    #[arg(long, default_value_t = 0.1)]
    pub picky: f64,
    /// Who of them, if not alone, waits for seats beside each other only
    #[arg(long, default_value_t = 0.4)]
    pub together: f64,
    /// Who needs room for a wheelchair, and waits for it
    #[arg(long, default_value_t = 0.05)]
    pub wheelchair: f64,
    /// Who leaves the line before their patience ends
    #[arg(long, default_value_t = 0.15)]
    pub leave: f64,
    /// Who lets an offer lapse
    #[arg(long, default_value_t = 0.15)]
    pub lapse: f64,

    /// How long a person thinks between two steps, in the mean
    #[arg(long, default_value = "1s", value_parser = duration)]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub think: Duration,
    /// How long a person stays in line
    #[arg(long, default_value = "20s", value_parser = duration)]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub patience: Duration,
    /// How long a visit may take in all
    #[arg(long, default_value = "90s", value_parser = duration)]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub deadline: Duration,
    /// Requests of one visit
    #[arg(long, default_value_t = 60)]
    pub steps_max: u32,
    /// How long a request may take before its buyer gives up on it
    #[arg(long, default_value = "10s", value_parser = duration)]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub request_timeout: Duration,

    /// Sockets that only watch, spread over the most wanted shows
    #[arg(long, default_value_t = 20)]
    pub watchers: usize,
    /// How long nothing may change before the run is at rest
    #[arg(long, default_value = "2s", value_parser = duration)]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub rest: Duration,
    /// How long to wait for that
    #[arg(long, default_value = "60s", value_parser = duration)]
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub rest_max: Duration,

    /// No progress while it runs
    #[arg(long)]
    pub quiet: bool,
}

impl Default for Plan {
    /// As on a command line that says nothing.
    fn default() -> Self {
        let matches = Self::augment_args(clap::Command::new("plan")).get_matches_from(["plan"]);
        Self::from_arg_matches(&matches).expect("every setting has a default, or may be left out")
    }
}

impl Plan {
    /// How many arrive.
    pub fn arrivals(&self) -> usize {
        self.buyers.unwrap_or((self.rate * self.duration.as_secs_f64()).round() as usize)
    }

    /// How long they take to arrive.
    pub fn arriving(&self) -> Duration {
        self.buyers.map_or(self.duration, |buyers| Duration::from_secs_f64(buyers as f64 / self.rate))
    }

    /// This plan, if it can be followed.
    pub fn check(&self) -> Result<()> {
        ensure!(self.rate > 0.0 && self.rate.is_finite(), "rate must be above zero");
        ensure!(self.arrivals() <= ARRIVALS_MAX, "more than {ARRIVALS_MAX} arrivals");
        ensure!(self.shows > 0, "a sale needs a show");
        ensure!(self.skew >= 0.0 && self.skew.is_finite(), "skew must not be below zero");
        ensure!((1..=PARTY_MAX).contains(&self.parties.len()), "parties are of 1 to {PARTY_MAX}");
        ensure!(self.parties.iter().any(|weight| *weight > 0), "no party ever comes");
        for (name, share) in self.shares() {
            ensure!((0.0..=1.0).contains(&share), "{name} must be between 0 and 1, not {share}");
        }
        let ends = self.abandon + self.release + self.declined + self.payment_timeout;
        ensure!(
            ends <= 1.0,
            "abandon, release, declined and payment-timeout are {ends} together, more than 1"
        );
        Ok(())
    }

    fn shares(&self) -> [(&'static str, f64); 17] {
        [
            ("bots", self.bots),
            ("best", self.best),
            ("abandon", self.abandon),
            ("release", self.release),
            ("declined", self.declined),
            ("payment-timeout", self.payment_timeout),
            ("extend", self.extend),
            ("slow", self.slow),
            ("cancel", self.cancel),
            ("replay", self.replay),
            ("reuse", self.reuse),
            ("join", self.join),
            ("picky", self.picky),
            ("together", self.together),
            ("wheelchair", self.wheelchair),
            ("leave", self.leave),
            ("lapse", self.lapse),
        ]
    }
}

/// `90s`, `1m 30s`, `500ms`…
fn duration(text: &str) -> Result<Duration> {
    match text.parse::<SignedDuration>() {
        Ok(duration) if duration.is_positive() || duration.is_zero() => Ok(duration.unsigned_abs()),
        Ok(_) => bail!("must not be negative"),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_plan_can_be_followed() {
        let plan = Plan::default();
        plan.check().unwrap();
        assert_eq!((plan.arrivals(), plan.arriving()), (600, Duration::from_secs(30)));
        let plan = Plan { buyers: Some(100), rate: 50.0, ..plan };
        assert_eq!((plan.arrivals(), plan.arriving()), (100, Duration::from_secs(2)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refused = |plan: Plan| plan.check().unwrap_err().to_string();
        assert!(refused(Plan { rate: 0.0, ..Plan::default() }).contains("rate"));
        assert!(refused(Plan { lapse: 1.5, ..Plan::default() }).contains("lapse"));
        assert!(refused(Plan { parties: vec![0, 0], ..Plan::default() }).contains("party"));
        assert!(refused(Plan { parties: vec![1; 11], ..Plan::default() }).contains("parties"));
        assert!(refused(Plan { abandon: 0.9, release: 0.2, ..Plan::default() }).contains("together"));
        assert!(refused(Plan { rate: 1e9, ..Plan::default() }).contains("arrivals"));
    }

    #[test]
    fn durations_are_written_as_people_write_them() {
        assert_eq!(duration("1m 30s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        assert!(duration("-1s").is_err() && duration("soon").is_err());
    }
}
