//! What just happened, added to the lists before anybody counts: a sale moves its film at once.
//!
//! Sales and their cancellations only. Holds come by the thousand and weigh little, so they wait for the next count, and so do those
//! who join a line. All of this may be lost or come twice: a fact is added once, and the next count is right without it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::event::{Fact, Told};
use domain::popularity::Interest;
use jiff::Timestamp;
use service::postgres::{self, Pool};
use service::redis::{self, Redis};

use super::gate::{self, Added};
use super::program::{Place, Program};
use crate::keys::PopularKeys;
use crate::store::shows;

/// Shows whose film and theater are kept in mind.
const SHOWS_MAX: usize = 50_000;

/// A sale, or one taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// What it is called, whoever tells it and how often.
    fact: String,
    /// The transaction it was written by.
    written_in: u64,
    show_id: String,
    /// Less than 0 when they were taken back.
    seats: f64,
    /// When they were sold.
    at: Timestamp,
}

impl Happened {
    /// What an event says; nothing when it is of no concern here, or of an older program, which says too little.
    pub fn read(event: &str) -> Option<Self> {
        let told: Told = serde_json::from_str(event).ok()?;
        let (fact, seats, at) = match &told.event.fact {
            Fact::BookingConfirmed(sale) => {
                (format!("+{}", sale.booking_id), sale.seats.len() as f64, sale.booked_at.unwrap_or(told.at))
            }
            Fact::BookingCancelled(back) => {
                (format!("-{}", back.booking_id), -(back.seats.len() as f64), back.booked_at?)
            }
            _ => return None,
        };
        let show_id = told.event.show_id.as_str().to_owned();
        Some(Self { fact, written_in: told.written_in?, show_id, seats, at })
    }
}

/// What is added to the lists of some places.
#[derive(Debug)]
pub(crate) struct Addition {
    pub(crate) fact: String,
    pub(crate) written_in: u64,
    pub(crate) movie_id: String,
    /// What it counts, apart from its time.
    pub(crate) points: f64,
    pub(crate) at: Timestamp,
    pub(crate) places: Vec<Place>,
}

/// What additions go by: as the leader counted last.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) program: Arc<Program>,
    pub(crate) factors: HashMap<String, f64>,
    pub(crate) weights: Interest,
}

/// Terms that change with every count.
pub(crate) type Shared = Arc<Mutex<Option<Arc<Terms>>>>;

/// Why something was not added; the next count has it.
#[derive(Debug, thiserror::Error)]
pub enum Unadded {
    /// Which film it was of could not be looked up.
    #[error("its film is not known")]
    Postgres(#[from] postgres::Error),
    /// The lists are away.
    #[error("it cannot be added to the lists")]
    Redis(#[from] redis::Error),
}

/// Adds what just happened.
#[derive(Debug)]
pub struct Live {
    pool: Pool,
    redis: Redis,
    keys: PopularKeys,
    terms: Shared,
    /// Film and theater by show.
    shows: HashMap<String, (String, String)>,
}

impl Live {
    pub(crate) fn new(pool: Pool, redis: Redis, terms: Shared) -> Self {
        let keys = PopularKeys::new(redis.prefix());
        Self { pool, redis, keys, terms, shows: HashMap::new() }
    }

    /// Adds these, each once. Says how many were.
    pub async fn add(&mut self, happened: &[Happened]) -> Result<u64, Unadded> {
        let terms = self.terms.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(terms) = terms else { return Ok(0) };
        self.learn(happened).await?;
        let additions: Vec<Addition> = happened.iter().filter_map(|one| self.addition(one, &terms)).collect();
        if additions.is_empty() {
            return Ok(0);
        }
        let Added { new, before, refused } = gate::add(&self.redis, &self.keys, &additions).await?;
        if refused > 0 {
            tracing::info!(new, before, refused, "more happened than is kept in mind: the next count has it");
        }
        Ok(new)
    }

    fn addition(&self, happened: &Happened, terms: &Terms) -> Option<Addition> {
        let (movie_id, theater_id) = self.shows.get(&happened.show_id)?;
        let house = terms.program.houses.get(theater_id)?;
        let factor = terms.factors.get(&house.chain).copied().unwrap_or(1.0);
        terms.program.numbers.get(movie_id)?;
        Some(Addition {
            fact: happened.fact.clone(),
            written_in: happened.written_in,
            movie_id: movie_id.clone(),
            points: happened.seats * terms.weights.booked * factor,
            at: happened.at,
            places: house.places.clone(),
        })
    }

    /// Looks up the shows that are new to us.
    async fn learn(&mut self, happened: &[Happened]) -> Result<(), postgres::Error> {
        let mut unknown: Vec<&str> = happened
            .iter()
            .map(|one| one.show_id.as_str())
            .filter(|show_id| !self.shows.contains_key(*show_id))
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        if self.shows.len() + unknown.len() > SHOWS_MAX {
            self.shows.clear();
        }
        let found = shows::films_of(&self.pool.get().await?, &unknown).await?;
        self.shows.extend(found.into_iter().map(|(show, movie, theater)| (show, (movie, theater))));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, data: serde_json::Value) -> String {
        let at = "2026-01-01T00:00:00Z";
        json!({ "id": "r-1", "at": at, "written_in": 7, "type": kind, "version": 1, "show_id": "show_1", "data": data })
            .to_string()
    }

    #[test]
    fn a_cancellation_takes_back_what_its_sale_added_however_late() {
        let sale = json!({ "booking_id": "b", "hold_id": "h", "session_id": "s", "seats": ["A1", "A2"], "entry_id": null });
        let sale = Happened::read(&event("BookingConfirmed", sale)).expect("it is read");
        let back = json!({ "booking_id": "b", "seats": ["A1", "A2"], "booked_at": "2026-01-01T00:00:00Z" });
        let back = Happened::read(&event("BookingCancelled", back)).expect("it is read");
        assert_eq!((sale.seats, sale.at), (-back.seats, back.at));
        assert_ne!(sale.fact, back.fact);
    }

    #[test]
    fn what_an_older_program_tells_waits_for_the_count() {
        let back = json!({ "booking_id": "b", "seats": ["A1"] });
        assert_eq!(Happened::read(&event("BookingCancelled", back)), None);
        assert_eq!(Happened::read("{"), None);
    }
}
