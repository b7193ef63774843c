//! The films and the places of the lists, which change with the program and not with what is sold: readers keep them in memory.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::answer::Asked;
use super::program::{ListedCity, Place, Program, Release};
use crate::error::Error;

/// Enough of a hash to tell two directories apart.
const VERSION_CHARACTERS: usize = 16;
/// The members of a sorted set that have one score stand by their letters, backwards.
const ORDER_MAX: usize = 999_999;
const CITY_ID: &str = "city_";

/// Films and places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Directory {
    pub(crate) releases: BTreeMap<String, Release>,
    pub(crate) countries: BTreeSet<String>,
    pub(crate) cities: Vec<ListedCity>,
}

impl Directory {
    pub(crate) fn of(program: &Program) -> Self {
        let country = |place: &Place| match place {
            Place::Country(letters) => Some(letters.clone()),
            Place::All | Place::City(_) => None,
        };
        let named = |release: &Release| (release.movie.id.as_str().to_owned(), release.clone());
        Self {
            releases: program.releases.iter().map(named).collect(),
            countries: program.playing.keys().filter_map(country).collect(),
            cities: program.cities.clone(),
        }
    }

    /// As Redis keeps it, with its version.
    pub(crate) fn encoded(&self) -> (String, String) {
        let text = serde_json::to_string(self).expect("films and places have a JSON form");
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
        (hash[..VERSION_CHARACTERS].to_owned(), text)
    }

    /// The place that is asked for.
    pub(crate) fn place(&self, asked: &Asked) -> Result<Place, Error> {
        let country = asked.country.as_deref();
        if country.is_some_and(|country| !self.countries.contains(country)) {
            return Err(Error::CountryNotFound);
        }
        match (&asked.city, country) {
            (Some(city), _) => self.city(city, country).map(|city| Place::City(city.id.clone())),
            (None, Some(country)) => Ok(Place::Country(country.to_owned())),
            (None, None) => Ok(Place::All),
        }
    }

    fn city(&self, wanted: &str, country: Option<&str>) -> Result<&ListedCity, Error> {
        let called = |city: &&ListedCity| {
            let name = if wanted.starts_with(CITY_ID) { &city.id } else { &city.key };
            name == wanted && country.is_none_or(|country| city.country == country)
        };
        let mut found = self.cities.iter().filter(called);
        match (found.next(), found.next()) {
            (None, _) => Err(Error::CityNotFound),
            (Some(city), None) => Ok(city),
            (Some(_), Some(_)) => Err(Error::CityAmbiguous),
        }
    }
}

/// A film's member in the lists: those of one sum stand in the program's order.
pub(crate) fn member(order: usize, movie_id: &str) -> String {
    format!("{:06}:{movie_id}", ORDER_MAX.saturating_sub(order))
}

/// The film of a member.
pub(crate) fn movie_of(member: &str) -> Option<&str> {
    member.split_once(':').map(|(_, movie_id)| movie_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(country: Option<&str>, city: Option<&str>) -> Asked {
        Asked { limit: 1, country: country.map(str::to_owned), city: city.map(str::to_owned) }
    }

    #[test]
    fn a_place_is_found_by_its_letters_its_id_or_its_name_and_nothing_is_guessed() {
        let city = |id: &str, key: &str, country: &str| ListedCity {
            id: id.to_owned(),
            key: key.to_owned(),
            country: country.to_owned(),
        };
        let directory = Directory {
            releases: BTreeMap::new(),
            countries: ["CA", "US"].map(str::to_owned).into(),
            cities: vec![
                city("city_1", "london", "CA"),
                city("city_2", "london", "US"),
                city("city_3", "boston", "US"),
            ],
        };
        let place = |country, city| directory.place(&asked(country, city)).map(|place| place.to_string());
        assert_eq!(place(None, None).ok().as_deref(), Some("all"));
        assert_eq!(place(Some("US"), None).ok().as_deref(), Some("country:US"));
        assert_eq!(place(None, Some("boston")).ok().as_deref(), Some("city:city_3"));
        assert_eq!(place(None, Some("city_1")).ok().as_deref(), Some("city:city_1"));
        assert_eq!(place(Some("CA"), Some("london")).ok().as_deref(), Some("city:city_1"));
        assert!(matches!(place(None, Some("london")), Err(Error::CityAmbiguous)));
        assert!(matches!(place(Some("CA"), Some("boston")), Err(Error::CityNotFound)));
        assert!(matches!(place(None, Some("atlantis")), Err(Error::CityNotFound)));
        assert!(matches!(place(Some("FR"), Some("boston")), Err(Error::CountryNotFound)));
    }

    #[test]
    fn members_of_one_score_stand_backwards_by_their_letters() {
        assert!(member(0, "a") > member(1, "z"));
        assert_eq!(movie_of(&member(3, "movie_x")), Some("movie_x"));
    }
}
