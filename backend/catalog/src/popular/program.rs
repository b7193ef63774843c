//! What the list is of: new releases, the places they play in, and whose theaters those are. It changes with the program, not with
//! what is sold, so it is read now and then and kept.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service::postgres::Error;

use super::{PopularConfig, RUN_PAUSE_DAYS};
use crate::store::movies::{self, Movie};
use crate::store::shows::{self, Opening};
use crate::store::theaters::{self, Located};

/// Where a film is popular.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// Everywhere.
    All,
    /// A country, by its two letters.
    Country(String),
    /// A city, by its id.
    City(String),
}

impl fmt::Display for Place {
    /// As in the keys of Redis.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all"),
            Self::Country(letters) => write!(formatter, "country:{letters}"),
            Self::City(id) => write!(formatter, "city:{id}"),
        }
    }
}

/// A new release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Release {
    #[serde(flatten)]
    pub(crate) movie: Movie,
    /// The first show of its present run.
    pub(crate) opened_at: Timestamp,
}

/// A city that has a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListedCity {
    pub(crate) id: String,
    /// As people search for it.
    pub(crate) key: String,
    pub(crate) country: String,
}

/// What the list is of.
#[derive(Debug)]
pub(crate) struct Program {
    /// In the order in which those stand that nobody asked for yet.
    pub(crate) releases: Vec<Release>,
    /// Which of them a film is.
    pub(crate) numbers: HashMap<String, usize>,
    /// Of every theater.
    pub(crate) houses: HashMap<String, House>,
    /// The films that play in each place, by number.
    pub(crate) playing: BTreeMap<Place, BTreeSet<usize>>,
    /// The cities that have a list, the largest first.
    pub(crate) cities: Vec<ListedCity>,
}

/// A theater.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) chain: String,
    /// Where what is sold here counts.
    pub(crate) places: Vec<Place>,
}

impl Program {
    /// Reads it as of now.
    pub(crate) async fn read(
        client: &impl GenericClient,
        config: &PopularConfig,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let openings = shows::openings(client, f64::from(config.window_days), RUN_PAUSE_DAYS).await?;
        let playing = shows::playing(client).await?;
        let located = theaters::located(client).await?;
        let openings = ordered(openings, now);
        let ids: Vec<&str> = openings.iter().map(|opening| opening.movie_id.as_str()).collect();
        let found = movies::find_all(client, &ids).await?;
        let mut found: HashMap<String, Movie> =
            found.into_iter().map(|movie| (movie.id.as_str().to_owned(), movie)).collect();
        let release = |opening: Opening| {
            let movie = found.remove(&opening.movie_id)?;
            Some(Release { movie, opened_at: opening.opened_at })
        };
        let releases = openings.into_iter().filter_map(release).collect();
        Ok(Self::of(releases, &playing, located, config.cities_max))
    }

    /// Puts it together. Pure.
    pub(crate) fn of(
        releases: Vec<Release>,
        playing: &[(String, String)],
        located: Vec<Located>,
        cities_max: usize,
    ) -> Self {
        let cities = cities(&located, cities_max);
        let listed: BTreeSet<&str> = cities.iter().map(|city| city.id.as_str()).collect();
        let house = |theater: Located| {
            let mut places = vec![Place::All, Place::Country(theater.country)];
            if listed.contains(theater.city_id.as_str()) {
                places.push(Place::City(theater.city_id));
            }
            (theater.theater_id, House { chain: theater.chain, places })
        };
        let houses: HashMap<String, House> = located.into_iter().map(house).collect();
        let number = |(number, release): (usize, &Release)| (release.movie.id.as_str().to_owned(), number);
        let numbers: HashMap<String, usize> = releases.iter().enumerate().map(number).collect();
        let mut everywhere: BTreeMap<Place, BTreeSet<usize>> =
            BTreeMap::from([(Place::All, BTreeSet::new())]);
        for place in houses.values().flat_map(|house| &house.places) {
            everywhere.entry(place.clone()).or_default();
        }
        for (movie, theater) in playing {
            let (Some(number), Some(house)) = (numbers.get(movie), houses.get(theater)) else { continue };
            for place in &house.places {
                everywhere.entry(place.clone()).or_default().insert(*number);
            }
        }
        Self { releases, numbers, houses, playing: everywhere, cities }
    }
}

/// The largest cities with theaters; they come in this order.
fn cities(located: &[Located], most: usize) -> Vec<ListedCity> {
    let mut cities: Vec<ListedCity> = Vec::new();
    for theater in located {
        if cities.last().is_none_or(|last| last.id != theater.city_id) {
            cities.push(ListedCity {
                id: theater.city_id.clone(),
                key: theater.city_key.clone(),
                country: theater.country.clone(),
            });
        }
    }
    if cities.len() > most {
        tracing::debug!(cities = cities.len(), most, "small cities have no popular list of their own");
        cities.truncate(most);
    }
    cities
}

/// The order of films that nobody asked for: what plays already stands before what is to open, the newest first.
fn ordered(mut openings: Vec<Opening>, now: Timestamp) -> Vec<Opening> {
    let order = |a: &Opening, b: &Opening| -> Ordering {
        let to_open = |opening: &Opening| opening.opened_at > now;
        (to_open(a).cmp(&to_open(b)))
            .then_with(|| b.opened_at.cmp(&a.opened_at))
            .then_with(|| a.sort_title.cmp(&b.sort_title))
            .then_with(|| a.movie_id.cmp(&b.movie_id))
    };
    openings.sort_by(order);
    openings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(id: &str, opened_second: i64) -> Opening {
        let opened_at = Timestamp::from_second(opened_second).expect("a time");
        Opening { movie_id: id.to_owned(), opened_at, sort_title: id.to_owned() }
    }

    fn located(theater: &str, city: &str, country: &str) -> Located {
        let own = |text: &str| text.to_owned();
        Located {
            theater_id: own(theater),
            chain: own(theater),
            city_id: own(city),
            city_key: own(city),
            country: own(country),
        }
    }

    #[test]
    fn what_plays_stands_before_what_is_to_open_and_the_newest_first() {
        let openings = vec![opening("e", 99), opening("b", 1), opening("c", 9), opening("a", 1)];
        let now = Timestamp::from_second(50).expect("a time");
        let order: Vec<String> = ordered(openings, now).into_iter().map(|opening| opening.movie_id).collect();
        assert_eq!(order, ["c", "a", "b", "e"]);
    }

    #[test]
    fn small_cities_have_no_list_and_still_count_for_their_country() {
        let houses =
            vec![located("t1", "large", "US"), located("t2", "large", "US"), located("t3", "small", "CA")];
        let program = Program::of(Vec::new(), &[], houses, 1);
        let places: Vec<String> = program.playing.keys().map(Place::to_string).collect();
        assert_eq!(places, ["all", "country:CA", "country:US", "city:large"]);
        assert_eq!(program.houses["t3"].places, [Place::All, Place::Country("CA".to_owned())]);
        assert_eq!(program.cities.len(), 1);
    }
}
