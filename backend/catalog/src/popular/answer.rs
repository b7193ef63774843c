//! What visitors ask of the popular list, and what they are told.

use domain::popularity::Interest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PopularConfig;
use super::program::{Place, Program};
use super::standings::{Standing, Standings, shown};
use crate::store::movies::Movie;

const HOUR_SECONDS: f64 = 3_600.0;

/// Which list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// How many films of it.
    pub(crate) limit: usize,
    /// Of a country, by its two letters.
    pub(crate) country: Option<String>,
    /// Of a city, by its id or as people search for it.
    pub(crate) city: Option<String>,
}

/// The list, most popular first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Popular {
    /// When it was counted; what was booked since is in it too.
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
    /// What people did about it, by what they did and how long ago.
    pub score: f64,
    /// Why it stands where it stands, when that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
}

/// Why a film stands where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The first show of its present run in our theaters; films of one score stand by it.
    pub opened_at: Timestamp,
    /// It counts as a new release for so many days from then.
    pub window_days: u32,
    /// After so many hours a seat counts half.
    pub half_life_hours: f64,
    /// What adds up to the score.
    pub parts: Vec<Part>,
}

/// What one kind of interest adds to a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// `booked`, `held` or `joined`, which is waited for.
    pub kind: String,
    /// Seats, whatever their age.
    pub seats: i64,
    /// What is left of them, each half-life having halved them.
    pub recent: f64,
    /// What a seat of this kind counts.
    pub weight: f64,
    /// What chains that have more than their fair share were held back by: 1 when they were not.
    pub dampened: f64,
    /// `recent` × `weight` × `dampened`.
    pub points: f64,
}

impl Popular {
    /// The list of a place, as it was counted, with reasons. Nothing when the place has no list.
    pub(crate) fn explained(
        program: &Program,
        standings: &Standings,
        config: &PopularConfig,
        place: &Place,
    ) -> Option<Self> {
        let list = standings.lists.get(place)?;
        let ranked = |(rank, standing): (u32, &Standing)| {
            let release = program.releases.get(standing.release)?;
            Some(Ranked {
                movie: release.movie.clone(),
                rank,
                score: standings.score(standing.sum),
                explain: Some(Explanation {
                    opened_at: release.opened_at,
                    window_days: config.window_days,
                    half_life_hours: standings.decay.half_life_seconds as f64 / HOUR_SECONDS,
                    parts: parts(standing, standings.worth(), &config.weights()),
                }),
            })
        };
        let movies = (1..).zip(list).filter_map(ranked).collect();
        Some(Self { as_of: standings.as_of, movies })
    }

    /// The first of it, with or without reasons.
    #[must_use]
    pub(crate) fn top(mut self, limit: usize, explain: bool) -> Self {
        self.movies.truncate(limit);
        if !explain {
            self.movies.iter_mut().for_each(|ranked| ranked.explain = None);
        }
        self
    }
}

fn parts(standing: &Standing, worth: f64, weights: &Interest) -> Vec<Part> {
    let Standing { seats, interest, points, .. } = standing;
    let part = |kind: &str, seats: i64, interest: f64, weight: f64, points: f64| {
        let whole = interest.max(0.0) * weight;
        Part {
            kind: kind.to_owned(),
            seats,
            recent: shown(interest * worth),
            weight,
            dampened: shown(if whole > 0.0 { points / whole } else { 1.0 }),
            points: shown(points * worth),
        }
    };
    vec![
        part("booked", seats.booked, interest.booked, weights.booked, points.booked),
        part("held", seats.held, interest.held, weights.held, points.held),
        part("joined", seats.joined, interest.joined, weights.joined, points.joined),
    ]
}
