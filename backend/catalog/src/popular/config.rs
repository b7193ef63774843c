//! How the list is counted: what may be set, its defaults and its limits.

use domain::popularity::{Decay, Interest};
use serde::Deserialize;

/// The most films any list holds.
const MOVIES_MAX: usize = 1_000;
/// The most cities that may have a list of their own.
const CITIES_MAX: usize = 5_000;
const HOUR_SECONDS: f64 = 3_600.0;
/// Half-lives: from a minute to ten years.
const HALF_LIFE_HOURS: std::ops::RangeInclusive<f64> = 1.0 / 60.0..=87_600.0;

/// How the list is counted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PopularConfig {
    /// A film is a new release for so many days from its opening.
    pub window_days: u32,
    /// After this many hours a seat counts half. When it changes, all is added up anew, once.
    pub half_life_hours: f64,
    /// What a seat counts by what was done about it.
    pub weights: Weights,
    /// How much chains that have more than their fair share are held back: 0 not at all, 1 down to that share.
    pub dampening: f64,
    /// The most films on a list.
    pub movies_max: usize,
    /// The most cities that have a list of their own, the largest first.
    pub cities_max: usize,
}

/// What a seat counts.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    /// One that is sold.
    pub booked: f64,
    /// One that was held.
    pub held: f64,
    /// One that somebody waits for.
    pub joined: f64,
}

impl Default for PopularConfig {
    fn default() -> Self {
        Self {
            window_days: 28,
            half_life_hours: 72.0,
            weights: Weights::default(),
            dampening: 0.0,
            movies_max: 100,
            cities_max: 1_000,
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self { booked: 1.0, held: 0.2, joined: 0.1 }
    }
}

impl PopularConfig {
    /// The first thing that is wrong, and the way out.
    pub fn validate(&self) -> Result<(), String> {
        if self.window_days == 0 {
            return Err("`window_days` must be at least 1".to_owned());
        }
        if !HALF_LIFE_HOURS.contains(&self.half_life_hours) {
            return Err("`half_life_hours` must be from a minute (0.017) to ten years (87600)".to_owned());
        }
        let Weights { booked, held, joined } = self.weights;
        if !(booked.is_finite() && booked > held && held > joined && joined >= 0.0) {
            return Err(
                "`weights`: `booked` must be more than `held`, that more than `joined`, and none below 0"
                    .to_owned(),
            );
        }
        if !(0.0..=1.0).contains(&self.dampening) {
            return Err("`dampening` must be from 0 to 1".to_owned());
        }
        if !(1..=MOVIES_MAX).contains(&self.movies_max) {
            return Err(format!("`movies_max` must be from 1 to {MOVIES_MAX}"));
        }
        if self.cities_max > CITIES_MAX {
            return Err(format!("`cities_max` must be at most {CITIES_MAX}"));
        }
        Ok(())
    }

    /// How fast interest is forgotten.
    pub(crate) fn decay(&self) -> Decay {
        Decay { half_life_seconds: (self.half_life_hours * HOUR_SECONDS).round() as i64 }
    }

    /// What a seat counts by what was done about it.
    pub(crate) fn weights(&self) -> Interest {
        let Weights { booked, held, joined } = self.weights;
        Interest { booked, held, joined }
    }
}
