//! The files under `demo/`, read and checked.

use std::collections::BTreeMap;

use anyhow::Context;
use domain::seat_map::SeatMap;
use jiff::civil::{Date, DateTime, Weekday};
use serde::Deserialize;

use super::plan;
use crate::merging::Row;
use crate::store::cities::Place;
use crate::store::records::Record;

/// The evening's prices begin at this hour.
const EVENING_HOUR: i8 = 17;

/// Everything the demo consists of.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) films: Vec<Film>,
    pub(super) cities: Vec<Place>,
    pub(super) theaters: Vec<Theater>,
    pub(super) prices: Prices,
    plans: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilmsFile {
    films: Vec<Film>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TheatersFile {
    prices: Prices,
    cities: Vec<Place>,
    theaters: Vec<Theater>,
    plans: BTreeMap<String, String>,
}

/// One film; every fact is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Film {
    title: String,
    released_on: Date,
    pub(super) runtime_minutes: i16,
    mpaa_rating: String,
    genres: Vec<String>,
    directors: Vec<String>,
    cast: Vec<String>,
    synopsis: String,
}

/// One house.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Theater {
    pub(super) name: String,
    city: String,
    state: String,
    /// Whether buyers are asked not to leave a seat alone; what is not said here is the owner's to say.
    pub(super) orphan_rule: Option<bool>,
    pub(super) auditoriums: Vec<Auditorium>,
}

/// One room.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Auditorium {
    pub(super) name: String,
    /// A key of the plans.
    pub(super) plan: String,
}

/// What a seat costs, in minor units.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prices {
    pub(super) currency: String,
    matinee: i64,
    evening: i64,
    weekend: i64,
    tuesday: i64,
}

impl Prices {
    /// By the theater's own day and hour.
    pub(super) fn at(&self, starts: DateTime) -> i64 {
        match starts.weekday() {
            Weekday::Tuesday => self.tuesday,
            _ if starts.hour() < EVENING_HOUR => self.matinee,
            Weekday::Friday | Weekday::Saturday | Weekday::Sunday => self.weekend,
            _ => self.evening,
        }
    }
}

impl Catalogue {
    /// The films as rows of a source.
    pub(super) fn rows(&self) -> Vec<Row> {
        self.films.iter().map(row).collect()
    }

    pub(super) fn city_of(&self, theater: &Theater) -> anyhow::Result<&Place> {
        let here = |city: &&Place| city.name == theater.city && city.state == theater.state;
        self.cities
            .iter()
            .find(here)
            .with_context(|| format!("{} stands in no city of the file", theater.name))
    }

    pub(super) fn seat_map(&self, plan: &str) -> anyhow::Result<SeatMap> {
        let drawing = self.plans.get(plan).with_context(|| format!("there is no plan {plan}"))?;
        plan::read(drawing).with_context(|| format!("plan {plan}"))
    }
}

fn row(film: &Film) -> Row {
    let record = Record {
        title: film.title.clone(),
        year: film.released_on.year(),
        released_on: Some(film.released_on),
        runtime_minutes: Some(film.runtime_minutes),
        mpaa_rating: Some(film.mpaa_rating.clone()),
        genres: film.genres.clone(),
        directors: film.directors.clone(),
        cast: film.cast.clone(),
        synopsis: Some(film.synopsis.clone()),
        ..Record::default()
    };
    Row { article: String::new(), record }
}

/// What is built into the program.
pub(super) fn shipped() -> anyhow::Result<Catalogue> {
    let FilmsFile { films } =
        toml::from_str(include_str!("../../demo/films.toml")).context("demo/films.toml")?;
    let TheatersFile { prices, cities, theaters, plans } =
        toml::from_str(include_str!("../../demo/theaters.toml")).context("demo/theaters.toml")?;
    Ok(Catalogue { films, cities, theaters, prices, plans })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use domain::seat_map::SeatKind;

    use super::*;

    #[test]
    fn there_are_as_many_films_and_theaters_as_promised_and_none_twice() {
        let catalogue = shipped().expect("the files are good");
        let keys: HashSet<String> = catalogue.rows().iter().map(Row::key).collect();
        assert!(keys.len() >= 40 && keys.len() == catalogue.films.len());
        assert_eq!((catalogue.theaters.len(), catalogue.cities.len()), (6, 3));
        let sparing = catalogue.theaters.iter().filter(|theater| theater.orphan_rule == Some(true));
        assert_eq!(sparing.count(), 1, "one theater shows what the rule is");
        for theater in &catalogue.theaters {
            assert!(catalogue.city_of(theater).is_ok(), "{}", theater.name);
            assert!((1..=3).contains(&theater.auditoriums.len()), "{}", theater.name);
        }
    }

    #[test]
    fn every_room_can_be_sat_in_by_everyone() {
        let catalogue = shipped().expect("the files are good");
        let mut shapes = HashSet::new();
        for auditorium in catalogue.theaters.iter().flat_map(|theater| &theater.auditoriums) {
            let map = catalogue.seat_map(&auditorium.plan).expect("the plan is good");
            map.validate().expect("the seat map is good");
            assert!((40..=250).contains(&map.capacity()), "{}: {}", auditorium.plan, map.capacity());
            for kind in [SeatKind::Wheelchair, SeatKind::Companion] {
                assert!(map.seats().any(|seat| seat.kind == kind), "{} has no {kind:?}", auditorium.plan);
            }
            let aisle = |row: &domain::seat_map::Row| row.seats.windows(2).any(|two| two[1].x > two[0].x + 1);
            assert!(map.rows.iter().any(aisle), "{} has no aisle", auditorium.plan);
            shapes.insert(&auditorium.plan);
        }
        assert!(shapes.len() >= 5);
    }

    #[test]
    fn prices_follow_the_hour_and_the_day() {
        let prices = shipped().expect("the files are good").prices;
        let at = |day: i8, hour: i8| prices.at(jiff::civil::date(2026, 3, day).at(hour, 30, 0, 0));
        // 2026-03-02 is a Monday.
        assert!(at(2, 13) < at(2, 19) && at(2, 19) < at(6, 19));
        assert_eq!(at(3, 13), at(3, 21));
    }
}
