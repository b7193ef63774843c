//! The most popular new releases: counted here, kept in Redis by the cache-warmer, read by visitors in one round trip.
//!
//! A film counts as a new release by the first show of its present run in our theaters, not by `released_on`: what is new
//! is what just came to these screens (a restored classic too), many sources know no release day, and a demo catalogue
//! would have no new release a year after it was typed. It must have shows to come. Its score is the seats sold in the
//! last weeks, weighted by [`Popularity::weight`]; films of one score stand by opening, newest first and those yet to open last, then by title. On a
//! database without bookings that is the whole order.

mod compute;
mod fallback;
mod gate;

use domain::popularity::Popularity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::movies::Movie;

pub use compute::compute;
pub(crate) use fallback::Fallback;
pub(crate) use gate::read;
pub use gate::swap;

/// Days without a show after which a film that comes back opens anew.
pub const RUN_PAUSE_DAYS: f64 = 10.0;
/// The most films any list holds.
const MOVIES_MAX: usize = 1_000;

/// How the list is counted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PopularConfig {
    /// A film is a new release for so many days from its opening.
    pub window_days: u32,
    /// After this many hours a sold seat counts half.
    pub half_life_hours: f64,
    /// Bookings older than this are not looked at.
    pub history_days: u32,
    /// The most films on the list.
    pub movies_max: usize,
}

impl Default for PopularConfig {
    fn default() -> Self {
        Self { window_days: 60, half_life_hours: 72.0, history_days: 28, movies_max: 100 }
    }
}

impl PopularConfig {
    /// The first thing that is wrong, and the way out.
    pub fn validate(&self) -> Result<(), String> {
        let positive = [("window_days", self.window_days), ("history_days", self.history_days)];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("`{key}` must be at least 1"));
        }
        if !(self.half_life_hours.is_finite() && self.half_life_hours > 0.0) {
            return Err("`half_life_hours` must be more than 0".to_owned());
        }
        if !(1..=MOVIES_MAX).contains(&self.movies_max) {
            return Err(format!("`movies_max` must be from 1 to {MOVIES_MAX}"));
        }
        Ok(())
    }

    fn popularity(&self) -> Popularity {
        Popularity { window_days: self.window_days, half_life_hours: self.half_life_hours }
    }
}

/// The list, most popular first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Popular {
    /// When it was counted.
    pub as_of: Timestamp,
    /// The films.
    pub movies: Vec<Ranked>,
}

/// A film on the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ranked {
    /// The film.
    #[serde(flatten)]
    pub movie: Movie,
    /// From 1.
    pub rank: u32,
    /// Seats sold, recent ones counting more.
    pub score: f64,
}

impl Popular {
    /// The first `limit` of it.
    #[must_use]
    pub(crate) fn top(&self, limit: usize) -> Self {
        Self { as_of: self.as_of, movies: self.movies.iter().take(limit).cloned().collect() }
    }
}
