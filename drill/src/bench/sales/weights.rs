//! How much films and cities weigh: from real figures where they are, made up where they are not.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The films with the largest box office.
const FILMS_MAX: usize = 120;
/// The cities with the most people.
const CITIES_MAX: usize = 200;
/// Where there are no figures.
const MADE_UP_FILMS: usize = 40;
const MADE_UP_CITIES: usize = 60;

/// Films and cities, heaviest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// By box office.
    pub films: Vec<Weighted>,
    /// By population.
    pub cities: Vec<Weighted>,
    /// Where they come from, for the table.
    pub origin: String,
}

/// A name and what it weighs.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighted {
    /// The name.
    pub name: String,
    /// Above zero.
    pub weight: f64,
}

#[derive(Deserialize)]
struct Film {
    title: String,
    us_gross: Option<f64>,
}

#[derive(Deserialize)]
struct City {
    name: String,
    population: Option<f64>,
}

impl Weights {
    /// From `box_office.csv` and `cities.csv` in a directory; made up when there is none.
    pub fn find(data: Option<&Path>) -> Result<Self> {
        match data {
            Some(directory) if directory.is_dir() => Self::read(directory),
            _ => Ok(Self::made_up()),
        }
    }

    fn read(directory: &Path) -> Result<Self> {
        let films = rows(&directory.join("box_office.csv"), |film: Film| (film.title, film.us_gross))?;
        let cities = rows(&directory.join("cities.csv"), |city: City| (city.name, city.population))?;
        Ok(Self {
            films: heaviest(films, FILMS_MAX),
            cities: heaviest(cities, CITIES_MAX),
            origin: "weighted by box_office.csv and cities.csv".to_owned(),
        })
    }

    /// The nth weighs a nth of the first.
    fn made_up() -> Self {
        let list = |kind: &str, count: usize| {
            (1..=count).map(|at| Weighted { name: format!("{kind} {at}"), weight: 1.0 / at as f64 }).collect()
        };
        Self {
            films: list("Film", MADE_UP_FILMS),
            cities: list("City", MADE_UP_CITIES),
            origin: "with made-up weights: there is no data directory".to_owned(),
        }
    }
}

/// The rows that have a weight.
fn rows<T: DeserializeOwned>(
    file: &Path,
    weigh: impl Fn(T) -> (String, Option<f64>),
) -> Result<Vec<Weighted>> {
    let mut reader =
        csv::Reader::from_path(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let mut found = Vec::new();
    for row in reader.deserialize() {
        let (name, weight) = weigh(row.with_context(|| file.display().to_string())?);
        found.extend(weight.filter(|weight| *weight > 0.0).map(|weight| Weighted { name, weight }));
    }
    ensure!(!found.is_empty(), "{} has no row with a weight", file.display());
    Ok(found)
}

fn heaviest(mut all: Vec<Weighted>, count: usize) -> Vec<Weighted> {
    all.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.name.cmp(&b.name)));
    all.truncate(count);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files(std::path::PathBuf);

    impl Files {
        fn new(films: &str, cities: &str) -> Self {
            let directory = std::env::temp_dir().join(format!("weights-{}", uuid::Uuid::new_v4().simple()));
            std::fs::create_dir(&directory).unwrap();
            std::fs::write(directory.join("box_office.csv"), films).unwrap();
            std::fs::write(directory.join("cities.csv"), cities).unwrap();
            Self(directory)
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    fn names(list: &[Weighted]) -> Vec<&str> {
        list.iter().map(|one| one.name.as_str()).collect()
    }

    #[test]
    fn the_heaviest_come_first_and_what_weighs_nothing_is_left_out() {
        let files = Files::new(
            "title,released_on,us_gross\n\"One, two\",2020-01-01,5\nThree,,\nFour,,9\nFive,,0\n",
            "name,state,population,timezone\nA,NY,1,x\nB,NY,2,x\n",
        );
        let weights = Weights::find(Some(&files.0)).unwrap();
        assert_eq!(
            (names(&weights.films), names(&weights.cities)),
            (vec!["Four", "One, two"], vec!["B", "A"])
        );
        assert!(weights.origin.contains("box_office.csv"));
    }

    #[test]
    fn without_figures_weights_are_made_up_and_it_is_said() {
        for missing in [None, Some(Path::new("/no/such/directory"))] {
            let weights = Weights::find(missing).unwrap();
            assert!(weights.origin.contains("made-up"), "{}", weights.origin);
            assert_eq!((weights.films.len(), weights.cities.len()), (MADE_UP_FILMS, MADE_UP_CITIES));
        }
    }

    #[test]
    fn files_of_another_shape_are_an_error() {
        let files = Files::new("name,gross\nOne,5\n", "name,population\nA,1\n");
        assert!(Weights::find(Some(&files.0)).is_err());
        let empty = Files::new("title,us_gross\nOne,\n", "name,population\nA,1\n");
        assert!(Weights::find(Some(&empty.0)).unwrap_err().to_string().contains("no row with a weight"));
    }
}
