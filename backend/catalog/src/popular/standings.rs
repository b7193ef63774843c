//! Who stands where: from what people did about films in theaters to a list for every place. Pure.

use std::collections::{BTreeMap, HashMap};

use domain::popularity::{Decay, Interest, dampening};
use jiff::Timestamp;

use super::PopularConfig;
use super::program::{Place, Program};
use crate::store::demand::{Seats, Summed};

/// Sums are kept to so many digits, so that the order in which they were added up decides no rank.
const DIGITS: i32 = 12;
/// What is worth less than this is nothing: what rounding leaves of a sale that was taken back.
const NOTHING: f64 = 1e-9;
/// Scores are shown to this many places.
const SCORE_SCALE: f64 = 1e6;

/// What people did about films, by film and theater.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sums(HashMap<String, HashMap<String, Sum>>);

/// What people did about one film in one theater.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    seats: Seats,
    interest: Interest,
}

impl Sum {
    fn plus(self, other: Self) -> Self {
        Self { seats: self.seats.plus(other.seats), interest: self.interest.plus(other.interest) }
    }
}

impl From<&Summed> for Sum {
    fn from(summed: &Summed) -> Self {
        Self { seats: summed.seats, interest: summed.interest }
    }
}

impl Sums {
    /// Takes sums as they are now.
    pub(crate) fn set(&mut self, summed: &[Summed]) {
        for one in summed {
            let theaters = self.0.entry(one.movie_id.clone()).or_default();
            theaters.insert(one.theater_id.clone(), one.into());
        }
    }

    fn add(&mut self, summed: &[Summed]) {
        for one in summed {
            let theaters = self.0.entry(one.movie_id.clone()).or_default();
            let sum = theaters.entry(one.theater_id.clone()).or_default();
            *sum = sum.plus(one.into());
        }
    }

    fn of(&self, movie: &str, theater: &str) -> Option<Sum> {
        self.0.get(movie)?.get(theater).copied()
    }

    fn each(&self) -> impl Iterator<Item = (&str, &str, Sum)> {
        let theaters = |(movie, theaters)| {
            let (movie, theaters): (&String, &HashMap<String, Sum>) = (movie, theaters);
            theaters.iter().map(move |(theater, sum)| (movie.as_str(), theater.as_str(), *sum))
        };
        self.0.iter().flat_map(theaters)
    }
}

/// A film's place in a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    /// Which release of the program.
    pub(crate) release: usize,
    /// What it stands by, as it was summed: only the order counts, and what becomes of it by [`Standings::score`].
    pub(crate) sum: f64,
    /// All that was ever done about it here.
    pub(crate) seats: Seats,
    /// The same, as it was summed.
    pub(crate) interest: Interest,
    /// What each part adds to the sum.
    pub(crate) points: Interest,
}

/// A list for every place.
#[derive(Debug)]
pub(crate) struct Standings {
    /// When it was counted.
    pub(crate) as_of: Timestamp,
    /// From when on is summed.
    pub(crate) landmark: Timestamp,
    /// How fast that is forgotten.
    pub(crate) decay: Decay,
    /// Most popular first.
    pub(crate) lists: BTreeMap<Place, Vec<Standing>>,
    /// How much of what a chain sells counts, of those of which not all does.
    pub(crate) factors: HashMap<String, f64>,
}

impl Standings {
    /// Counts. `fresh` is on top of `sums`.
    pub(crate) fn count(
        program: &Program,
        sums: &Sums,
        fresh: &[Summed],
        config: &PopularConfig,
        (as_of, landmark, decay): (Timestamp, Timestamp, Decay),
    ) -> Self {
        let mut top = Sums::default();
        top.add(fresh);
        let weights = config.weights();
        let nothing = NOTHING / decay.backward(landmark, as_of);
        let factors = factors(program, sums, &top, config);
        let mut places: HashMap<&Place, Vec<Option<Standing>>> = HashMap::new();
        for (release, house, sum) in relevant(program, sums, &top) {
            let factor = factors.get(&house.chain).copied().unwrap_or(1.0);
            let points = sum.interest.weighted(&weights).times(factor);
            for place in &house.places {
                let standings = places.entry(place).or_insert_with(|| vec![None; program.releases.len()]);
                let standing = standings[release].get_or_insert_with(|| nobody_asked(release));
                standing.seats = standing.seats.plus(sum.seats);
                standing.interest = standing.interest.plus(sum.interest);
                standing.points = standing.points.plus(points);
            }
        }
        let list = |(place, playing): (&Place, &std::collections::BTreeSet<usize>)| {
            let counted = places.get(place);
            let standing = |release: &usize| {
                let found = counted.and_then(|standings| standings[*release]);
                found.unwrap_or_else(|| nobody_asked(*release)).summed(nothing)
            };
            let mut list: Vec<Standing> = playing.iter().map(standing).collect();
            list.sort_by(|a, b| b.sum.total_cmp(&a.sum).then_with(|| a.release.cmp(&b.release)));
            list.truncate(config.movies_max);
            (place.clone(), list)
        };
        let lists = program.playing.iter().map(list).collect();
        Self { as_of, landmark, decay, lists, factors }
    }

    /// What a sum is worth when it was counted.
    pub(crate) fn score(&self, sum: f64) -> f64 {
        score(sum, self.decay, self.landmark, self.as_of)
    }

    /// By what sums are multiplied to be worth what they were when it was counted.
    pub(crate) fn worth(&self) -> f64 {
        self.decay.backward(self.landmark, self.as_of)
    }
}

/// What a sum is worth at a time, as it is shown.
pub(crate) fn score(sum: f64, decay: Decay, landmark: Timestamp, now: Timestamp) -> f64 {
    shown(sum * decay.backward(landmark, now))
}

/// To as many places as are shown.
pub(crate) fn shown(score: f64) -> f64 {
    (score.max(0.0) * SCORE_SCALE).round() / SCORE_SCALE
}

fn nobody_asked(release: usize) -> Standing {
    Standing {
        release,
        sum: 0.0,
        seats: Seats::default(),
        interest: Interest::default(),
        points: Interest::default(),
    }
}

impl Standing {
    fn summed(self, nothing: f64) -> Self {
        let Interest { booked, held, joined } = self.points;
        let sum = booked + held + joined;
        Self { sum: if sum < nothing { 0.0 } else { rounded(sum) }, ..self }
    }
}

/// To [`DIGITS`] digits.
fn rounded(sum: f64) -> f64 {
    let scale = 10_f64.powi(DIGITS - 1 - sum.log10().floor() as i32);
    let whole = (sum * scale).round() / scale;
    if whole.is_finite() { whole } else { sum }
}

/// What was done about each release in each theater.
fn relevant<'a>(
    program: &'a Program,
    sums: &'a Sums,
    top: &'a Sums,
) -> impl Iterator<Item = (usize, &'a super::program::House, Sum)> {
    let summed = sums
        .each()
        .map(|(movie, theater, sum)| (movie, theater, sum.plus(top.of(movie, theater).unwrap_or_default())));
    let new = top.each().filter(|(movie, theater, _)| sums.of(movie, theater).is_none());
    summed.chain(new).filter_map(|(movie, theater, sum)| {
        Some((*program.numbers.get(movie)?, program.houses.get(theater)?, sum))
    })
}

/// How much of what a chain sells counts.
fn factors(program: &Program, sums: &Sums, top: &Sums, config: &PopularConfig) -> HashMap<String, f64> {
    if config.dampening <= 0.0 {
        return HashMap::new();
    }
    let weights = config.weights();
    let mut chains: HashMap<&str, f64> = HashMap::new();
    for (_, house, sum) in relevant(program, sums, top) {
        *chains.entry(&house.chain).or_default() += sum.interest.points(&weights);
    }
    chains.retain(|_, points| *points > 0.0);
    let fair_share = chains.values().sum::<f64>() / chains.len().max(1) as f64;
    let factor = |(chain, points): (&&str, &f64)| {
        // To a few digits: the lists are written anew when it changes.
        let factor = dampening(*points, fair_share, config.dampening);
        ((*chain).to_owned(), (factor * 1e4).round() / 1e4)
    };
    chains.iter().map(factor).filter(|(_, factor)| *factor < 1.0).collect()
}

#[cfg(test)]
mod tests {
    use domain::id::MovieId;

    use super::*;
    use crate::popular::program::Release;
    use crate::store::movies::Movie;
    use crate::store::theaters::Located;

    const NOW: i64 = 1_000_000;

    fn release(id: &str) -> Release {
        let movie = Movie {
            id: MovieId::parse(id).expect("an id"),
            title: id.to_owned(),
            year: 2026,
            released_on: None,
            runtime_minutes: None,
            mpaa_rating: None,
            genres: Vec::new(),
            directors: Vec::new(),
            cast: Vec::new(),
            synopsis: None,
            synopsis_source: None,
        };
        Release { movie, opened_at: Timestamp::UNIX_EPOCH }
    }

    fn theater(id: &str, chain: &str, city: &str) -> Located {
        Located {
            theater_id: id.to_owned(),
            chain: chain.to_owned(),
            city_id: city.to_owned(),
            city_key: city.to_owned(),
            country: "US".to_owned(),
        }
    }

    /// Films a, b and c; b plays in one city only.
    fn program() -> Program {
        let releases = ["a", "b", "c"].map(release).into();
        let playing = [("a", "t1"), ("b", "t2"), ("c", "t1"), ("c", "t2"), ("c", "t3"), ("gone", "t1")];
        let playing = playing.map(|(movie, theater)| (movie.to_owned(), theater.to_owned()));
        let houses = vec![
            theater("t1", "giant", "north"),
            theater("t2", "giant", "south"),
            theater("t3", "own", "south"),
        ];
        Program::of(releases, &playing, houses, 10)
    }

    fn did(movie: &str, theater: &str, booked: f64) -> Summed {
        Summed {
            movie_id: movie.to_owned(),
            theater_id: theater.to_owned(),
            seats: Seats { booked: booked as i64, ..Seats::default() },
            interest: Interest { booked, ..Interest::default() },
        }
    }

    fn count(sums: &[Summed], fresh: &[Summed], dampening: f64) -> Standings {
        let mut all = Sums::default();
        all.set(sums);
        let config = PopularConfig { dampening, ..PopularConfig::default() };
        let now = Timestamp::from_second(NOW).expect("a time");
        Standings::count(&program(), &all, fresh, &config, (now, now, config.decay()))
    }

    fn list(standings: &Standings, place: &str) -> Vec<(usize, f64)> {
        let found =
            standings.lists.iter().find(|(each, _)| each.to_string() == place).expect("it has a list");
        found.1.iter().map(|standing| (standing.release, standings.score(standing.sum))).collect()
    }

    #[test]
    fn a_place_counts_what_was_done_in_it_and_lists_what_plays_in_it() {
        let standings = count(&[did("a", "t1", 5.0), did("b", "t2", 7.0), did("gone", "t1", 99.0)], &[], 0.0);
        assert_eq!(list(&standings, "all"), [(1, 7.0), (0, 5.0), (2, 0.0)]);
        assert_eq!(list(&standings, "country:US"), list(&standings, "all"));
        assert_eq!(list(&standings, "city:north"), [(0, 5.0), (2, 0.0)]);
        assert_eq!(list(&standings, "city:south"), [(1, 7.0), (2, 0.0)]);
    }

    #[test]
    fn what_is_fresh_comes_on_top_and_what_was_taken_back_leaves_nothing() {
        let fresh = [did("a", "t1", 3.0), did("c", "t3", 1.0), did("b", "t2", -7.0 + 1e-15)];
        let standings = count(&[did("a", "t1", 5.0), did("b", "t2", 7.0)], &fresh, 0.0);
        assert_eq!(list(&standings, "all"), [(0, 8.0), (2, 1.0), (1, 0.0)]);
    }

    #[test]
    fn a_giant_chain_drowns_nobody_when_it_is_held_back() {
        let sold = [did("a", "t1", 90.0), did("c", "t3", 10.0)];
        assert_eq!(list(&count(&sold, &[], 0.0), "all"), [(0, 90.0), (2, 10.0), (1, 0.0)]);
        let even = count(&sold, &[], 1.0);
        assert_eq!(even.factors.len(), 1);
        let standing = list(&even, "all");
        assert_eq!(standing[0].0, 0);
        assert!(
            (standing[0].1 - 50.0).abs() < 0.01 && (standing[1].1 - 10.0).abs() < f64::EPSILON,
            "{standing:?}"
        );
    }
}
