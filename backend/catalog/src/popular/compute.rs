//! Counting the list: the slow query, which runs for the warmer and never for a visitor while Redis has a list.

use std::cmp::Ordering;
use std::collections::HashMap;

use deadpool_postgres::GenericClient;
use domain::popularity::Popularity;
use jiff::Timestamp;
use service::postgres::Error;

use super::{Popular, PopularConfig, RUN_PAUSE_DAYS, Ranked};
use crate::store::bookings::{self, Sold};
use crate::store::movies;
use crate::store::shows::{self, Opening};

/// Scores are kept to this many places, so that noise decides no rank.
const SCORE_SCALE: f64 = 1e6;

/// Counts the list from what is in Postgres now.
pub async fn compute(client: &impl GenericClient, config: &PopularConfig) -> Result<Popular, Error> {
    let as_of: Timestamp = client.query_one("SELECT clock_timestamp()", &[]).await?.get(0);
    let openings = shows::openings(client, f64::from(config.window_days), RUN_PAUSE_DAYS).await?;
    let sold = bookings::sold(client, f64::from(config.history_days)).await?;
    let order = rank(openings, &sold, &config.popularity(), as_of, config.movies_max);
    let ids: Vec<&str> = order.iter().map(|(id, _)| id.as_str()).collect();
    let found = movies::find_all(client, &ids).await?;
    let mut by_id: HashMap<String, _> =
        found.into_iter().map(|movie| (movie.id.as_str().to_owned(), movie)).collect();
    let known = order.iter().filter_map(|(id, score)| by_id.remove(id).map(|movie| (movie, *score)));
    let ranked = (1..).zip(known).map(|(rank, (movie, score))| Ranked { movie, rank, score });
    Ok(Popular { as_of, movies: ranked.collect() })
}

/// The first `limit` films with their scores, in order. Pure.
fn rank(
    mut openings: Vec<Opening>,
    sold: &[Sold],
    popularity: &Popularity,
    now: Timestamp,
    limit: usize,
) -> Vec<(String, f64)> {
    let mut scores: HashMap<&str, f64> = HashMap::new();
    for sale in sold {
        *scores.entry(&sale.movie_id).or_default() += popularity.weight(sale.seats, sale.age_hours);
    }
    let score = |opening: &Opening| {
        let score = scores.get(opening.movie_id.as_str()).copied().unwrap_or_default();
        (score * SCORE_SCALE).round() / SCORE_SCALE
    };
    openings.sort_by(|a, b| score(b).total_cmp(&score(a)).then_with(|| undecided(now, a, b)));
    openings.truncate(limit);
    openings.iter().map(|opening| (opening.movie_id.clone(), score(opening))).collect()
}

/// Between films of one score: what already plays stands before what is to open.
fn undecided(now: Timestamp, a: &Opening, b: &Opening) -> Ordering {
    let to_open = |opening: &Opening| opening.opened_at > now;
    (to_open(a).cmp(&to_open(b)))
        .then_with(|| b.opened_at.cmp(&a.opened_at))
        .then_with(|| a.sort_title.cmp(&b.sort_title))
        .then_with(|| a.movie_id.cmp(&b.movie_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(id: &str, opened_second: i64) -> Opening {
        let opened_at = Timestamp::from_second(opened_second).expect("a time");
        Opening { movie_id: id.to_owned(), opened_at, sort_title: id.to_owned() }
    }

    fn sold(id: &str, seats: i64, age_hours: f64) -> Sold {
        Sold { movie_id: id.to_owned(), seats, age_hours }
    }

    #[test]
    fn recent_sales_count_more_ties_go_to_the_newer_and_old_films_do_not_count() {
        let openings =
            || vec![opening("a", 1), opening("b", 1), opening("c", 9), opening("d", 1), opening("e", 99)];
        let sales = [
            sold("a", 10, 0.0),
            sold("b", 19, 72.0),
            sold("b", 1, 72.0),
            sold("c", 4, 0.0),
            sold("gone", 99, 0.0),
        ];
        let popularity = Popularity { window_days: 60, half_life_hours: 72.0 };
        let now = Timestamp::from_second(50).expect("a time");
        let names = |limit| {
            rank(openings(), &sales, &popularity, now, limit)
                .into_iter()
                .map(|(id, _)| id)
                .collect::<Vec<_>>()
        };
        // a and b are even, of one opening: by title.
        assert_eq!(names(9), ["a", "b", "c", "d", "e"]);
        assert_eq!(names(2), ["a", "b"]);
        let none: Vec<_> = rank(openings(), &[], &popularity, now, 9);
        assert_eq!(none.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["c", "a", "b", "d", "e"]);
    }
}
