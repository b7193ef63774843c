//! What is on sale: the shows of the most popular films, in the order in which they are wanted. Those that are half sold already
//! are left out, so that a run after another one has something to sell.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::id::ShowId;
use domain::seat_map::SeatMap;
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::Value;

use crate::buyer::Buyer;

/// Films looked through.
const FILMS_MAX: usize = 100;
/// Shows of one film looked through.
const SHOWS_OF_FILM_MAX: usize = 200;
/// A show that begins sooner is left out: the run must not outlast its sale.
const LEAD: Duration = Duration::from_hours(1);

/// The sale's shows, most wanted first.
#[derive(Debug)]
pub(super) struct Program {
    /// At least one.
    pub(super) shows: Vec<Show>,
}

/// One show in the sale.
#[derive(Debug)]
pub(super) struct Show {
    /// Which.
    pub(super) id: ShowId,
    /// Of which film.
    pub(super) movie: String,
    /// Where its seats are.
    pub(super) map: SeatMap,
}

impl Program {
    /// Reads as many shows as wanted, of the most popular film first.
    pub(super) async fn read(target: &str, wanted: usize) -> Result<Self> {
        let buyer = Buyer::new(target)?;
        let popular = buyer.get(&format!("/api/movies/popular?limit={FILMS_MAX}")).await?;
        let mut shows = Vec::new();
        for movie in popular.expect(StatusCode::OK)?.list("movies")? {
            let movie = movie["id"].as_str().context("a film without an id")?;
            for id in upcoming(&buyer, movie).await? {
                if shows.len() == wanted {
                    return Ok(Self { shows });
                }
                let map = seat_map(&buyer, &id).await?;
                if 2 * taken(&buyer, &id).await? <= map.capacity() {
                    shows.push(Show { id, movie: movie.to_owned(), map });
                }
            }
        }
        ensure!(!shows.is_empty(), "no popular film has a show to sell");
        Ok(Self { shows })
    }
}

/// A film's shows that can be sold for as long as a run lasts.
async fn upcoming(buyer: &Buyer, movie: &str) -> Result<Vec<ShowId>> {
    let path = format!("/api/movies/{movie}/shows?limit={SHOWS_OF_FILM_MAX}");
    let shows = buyer.get(&path).await?.expect(StatusCode::OK)?;
    let earliest = Timestamp::now() + LEAD;
    let late_enough = |show: &&Value| {
        show["starts_at"].as_str().and_then(|at| at.parse().ok()).is_some_and(|at: Timestamp| at > earliest)
    };
    let id = |show: &Value| Ok(ShowId::parse(show["id"].as_str().context("a show without an id")?)?);
    shows.list("shows")?.iter().filter(late_enough).map(id).collect()
}

async fn taken(buyer: &Buyer, show: &ShowId) -> Result<usize> {
    let seats = buyer.seats(show.as_str()).await?;
    Ok(seats.body["seats"].as_object().context("no `seats` of a show")?.len())
}

async fn seat_map(buyer: &Buyer, show: &ShowId) -> Result<SeatMap> {
    let map = buyer.get(&format!("/api/shows/{show}/seat-map")).await?.expect(StatusCode::OK)?;
    Ok(serde_json::from_value(map.body)?)
}
