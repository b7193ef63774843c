//! Millions of past bookings for the popular list to be counted from: films sell by their box office, cities by their
//! population, and everything from one seed.

pub mod weights;
mod write;

use std::ops::Range;

use anyhow::Result;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::weighted::WeightedAliasIndex;
use rand_distr::{Distribution, Exp};

use self::weights::Weights;

pub use write::write;

/// The same sales every time.
const SEED: u64 = 20_26;
const DAY_SECONDS: f64 = 86_400.0;
/// Shows of this time around now, in days. All that is sold for them counts for the list, which looks back 28 days.
const SHOW_DAYS: Range<f64> = -27.0..7.0;
/// The earliest booking, in days from now.
const BOOKED_DAYS_MIN: f64 = -27.9;
/// Shows of each city, evenly over that time.
const SHOWS_PER_CITY: usize = 170;
/// How long before a show, or before now, half of its seats are sold is `ln 2` of this.
const AHEAD_DAYS: f64 = 1.5;
const CANCELLED_SHARE: f64 = 0.02;
/// Seats of a booking, one to four, and how often.
const PARTIES: [f64; 4] = [0.25, 0.5, 0.15, 0.1];

/// One show: its number is its place in the list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Show {
    pub(crate) film: usize,
    pub(crate) city: usize,
    /// Seconds from now.
    pub(crate) starts: f64,
}

/// One booking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Booking {
    pub(crate) show: usize,
    pub(crate) seats: usize,
    /// Seconds from now.
    pub(crate) booked: f64,
    pub(crate) cancelled: bool,
}

/// Bookings without end.
pub(crate) struct Sales {
    pub(crate) shows: Vec<Show>,
    random: SmallRng,
    cities: WeightedAliasIndex<f64>,
    parties: WeightedAliasIndex<f64>,
    ahead: Exp<f64>,
}

impl Sales {
    pub(crate) fn of(weights: &Weights) -> Result<Self> {
        let mut random = SmallRng::seed_from_u64(SEED);
        let films = WeightedAliasIndex::new(weights.films.iter().map(|film| film.weight).collect())?;
        let cities = WeightedAliasIndex::new(weights.cities.iter().map(|city| city.weight).collect())?;
        let pause = (SHOW_DAYS.end - SHOW_DAYS.start) / SHOWS_PER_CITY as f64;
        let shows = (0..weights.cities.len() * SHOWS_PER_CITY).map(|at| Show {
            film: films.sample(&mut random),
            city: at / SHOWS_PER_CITY,
            starts: (SHOW_DAYS.start + (at % SHOWS_PER_CITY) as f64 * pause) * DAY_SECONDS,
        });
        let shows = shows.collect();
        let parties = WeightedAliasIndex::new(PARTIES.to_vec())?;
        Ok(Self { shows, random, cities, parties, ahead: Exp::new(1.0 / (AHEAD_DAYS * DAY_SECONDS))? })
    }
}

impl Iterator for Sales {
    type Item = Booking;

    fn next(&mut self) -> Option<Booking> {
        let city = self.cities.sample(&mut self.random);
        let show = city * SHOWS_PER_CITY + self.random.random_range(0..SHOWS_PER_CITY);
        let last = self.shows[show].starts.min(0.0);
        let booked = last - self.ahead.sample(&mut self.random);
        Some(Booking {
            show,
            seats: 1 + self.parties.sample(&mut self.random),
            booked: booked.max(BOOKED_DAYS_MIN * DAY_SECONDS),
            cancelled: self.random.random_bool(CANCELLED_SHARE),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::weights::Weighted;
    use super::*;

    fn weights() -> Weights {
        let weighted = |name: &str, weight| Weighted { name: name.to_owned(), weight };
        Weights {
            films: vec![weighted("hit", 9.0), weighted("flop", 1.0)],
            cities: vec![weighted("large", 8.0), weighted("small", 2.0)],
            origin: String::new(),
        }
    }

    #[test]
    fn films_sell_by_box_office_and_cities_by_population() {
        let sales = Sales::of(&weights()).unwrap();
        let shows = sales.shows.clone();
        let bookings: Vec<_> = sales.take(20_000).collect();
        let share = |chosen: &dyn Fn(&Show) -> bool| {
            let count = bookings.iter().filter(|booking| chosen(&shows[booking.show])).count();
            count as f64 / bookings.len() as f64
        };
        let (large, hit) = (share(&|show| show.city == 0), share(&|show| show.film == 0));
        assert!((0.78..0.82).contains(&large) && (0.85..0.95).contains(&hit), "{large} {hit}");
    }

    #[test]
    fn every_booking_is_in_time_for_the_list_and_before_its_show() {
        let sales = Sales::of(&weights()).unwrap();
        let shows = sales.shows.clone();
        for booking in sales.take(20_000) {
            let earliest = BOOKED_DAYS_MIN * DAY_SECONDS;
            assert!(booking.booked >= earliest && booking.booked <= shows[booking.show].starts.min(0.0));
            assert!((1..=4).contains(&booking.seats));
        }
    }

    #[test]
    fn one_seed_one_history() {
        let first: Vec<_> = Sales::of(&weights()).unwrap().take(100).collect();
        let again: Vec<_> = Sales::of(&weights()).unwrap().take(100).collect();
        assert_eq!(first, again);
    }
}
