//! Which film plays where and when. Pure: a day's program depends on its date alone, so that any run of `demo`, on any
//! day, plans the same shows.
//!
//! Films come and go, or there would be no new releases after a while: each runs for ten weeks, at first on many screens,
//! then rests for two, and its turn comes round every twelve.

use jiff::civil::{Date, DateTime, Weekday, date};
use jiff::{SignedDuration, ToSpan};

/// Weeks from one opening of a film to its next.
const CYCLE_WEEKS: i64 = 12;
/// Weeks of a run. The rest must be longer than the pause that ends a run ([`crate::popular::RUN_PAUSE_DAYS`]).
const RUN_WEEKS: i64 = 10;
/// How many times a film stands in the rotation in its first weeks, and in those until the sixth.
const TURNS: [(i64, usize); 3] = [(3, 3), (6, 2), (RUN_WEEKS, 1)];
/// Between the end of a film and the next one: trailers, cleaning, people.
const CHANGEOVER_MINUTES: i64 = 35;
const FIRST_START: (i8, i8) = (10, 30);
/// The first shows of neighboring rooms begin this much apart.
const STAGGER_MINUTES: i64 = 15;
const STAGGERED_ROOMS: usize = 5;
/// No show begins later.
const LAST_START: (i8, i8) = (22, 15);
/// Starts are multiples of it.
const GRID_MINUTES: i64 = 5;
/// How far a day's rotation begins behind the day before; prime to most lengths, so that rooms change films.
const DAY_STEP: usize = 47;

/// One show of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    /// Index of the room.
    pub(super) room: usize,
    /// Index of the film.
    pub(super) film: usize,
    /// On the theater's own clock.
    pub(super) at: DateTime,
}

/// The shows of one day in `rooms` rooms, of films that take so many minutes each.
pub(super) fn of_day(day: Date, rooms: usize, film_minutes: &[i16]) -> Vec<Planned> {
    let rotation = rotation(weeks_since_epoch(day), film_minutes.len());
    if rotation.is_empty() {
        return Vec::new();
    }
    let mut turn = days_since_epoch(day) as usize * DAY_STEP;
    let mut planned = Vec::new();
    for room in 0..rooms {
        let stagger = index(room % STAGGERED_ROOMS) * STAGGER_MINUTES;
        let mut at = day.at(FIRST_START.0, FIRST_START.1, 0, 0) + stagger.minutes();
        while at <= day.at(LAST_START.0, LAST_START.1, 0, 0) {
            let film = rotation[turn % rotation.len()];
            planned.push(Planned { room, film, at });
            at += occupied_minutes(film_minutes[film]).minutes();
            turn += 1;
        }
    }
    planned
}

/// The films of a week, each as often as it is to be shown in one round.
fn rotation(week: i64, films: usize) -> Vec<usize> {
    let rounds = TURNS.iter().map(|(_, turns)| *turns).max().unwrap_or_default();
    (0..rounds).flat_map(|round| (0..films).filter(move |film| turns(week, *film) > round)).collect()
}

fn turns(week: i64, film: usize) -> usize {
    let age = (week - index(film)).rem_euclid(CYCLE_WEEKS);
    TURNS.iter().find(|(until, _)| age < *until).map_or(0, |(_, turns)| *turns)
}

fn index(of: usize) -> i64 {
    i64::try_from(of).expect("nobody has so many rooms or films")
}

fn occupied_minutes(film_minutes: i16) -> i64 {
    (i64::from(film_minutes) + CHANGEOVER_MINUTES + GRID_MINUTES - 1) / GRID_MINUTES * GRID_MINUTES
}

/// Weeks of the movie trade begin on Friday.
fn weeks_since_epoch(day: Date) -> i64 {
    const FRIDAY: Date = date(1970, 1, 2);
    debug_assert_eq!(FRIDAY.weekday(), Weekday::Friday);
    days_between(FRIDAY, day).div_euclid(7)
}

fn days_since_epoch(day: Date) -> i64 {
    days_between(date(1970, 1, 1), day).max(0)
}

fn days_between(from: Date, until: Date) -> i64 {
    from.duration_until(until).as_secs() / SignedDuration::from_hours(24).as_secs()
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    const ROOMS: usize = 12;

    fn minutes() -> Vec<i16> {
        (0..48).map(|film| 95 + (film * 37 % 112)).collect()
    }

    fn days(from: Date, count: i32) -> impl Iterator<Item = Date> {
        (0..count).map(move |offset| from.checked_add(offset.days()).expect("within the calendar"))
    }

    #[test]
    fn shows_of_a_room_never_overlap() {
        for day in days(date(2026, 11, 1), 90) {
            let mut busy_until: HashMap<usize, DateTime> = HashMap::new();
            for show in of_day(day, ROOMS, &minutes()) {
                if let Some(until) = busy_until.get(&show.room) {
                    assert!(show.at >= *until, "{show:?}");
                }
                busy_until.insert(show.room, show.at + i64::from(minutes()[show.film]).minutes());
            }
            assert_eq!(busy_until.len(), ROOMS);
        }
    }

    #[test]
    fn at_any_time_of_any_year_five_of_six_films_are_on_within_a_week() {
        for first in (0..800).step_by(5).filter_map(|day| date(2026, 1, 1).checked_add(day.days()).ok()) {
            let week: HashSet<usize> =
                days(first, 7).flat_map(|day| of_day(day, ROOMS, &minutes())).map(|show| show.film).collect();
            assert!(week.len() >= 40, "{first}: {}", week.len());
        }
    }

    #[test]
    fn a_film_rests_long_enough_to_be_new_again_and_has_no_such_pause_within_its_run() {
        let mut last: HashMap<usize, Date> = HashMap::new();
        let mut rests = 0;
        for day in days(date(2026, 1, 1), 400) {
            for show in of_day(day, ROOMS, &minutes()) {
                let gap = last.insert(show.film, day).map_or(0, |before| days_between(before, day));
                let pause = crate::popular::RUN_PAUSE_DAYS as i64;
                assert!(!(6..=pause).contains(&gap), "film {} pauses {gap} days", show.film);
                rests += usize::from(gap > pause);
            }
        }
        assert!(rests >= 48 * 3);
    }

    #[test]
    fn starts_are_within_opening_hours() {
        for show in of_day(date(2026, 11, 24), ROOMS, &minutes()) {
            assert!((10..=22).contains(&show.at.hour()) && show.at.minute() % 5 == 0, "{show:?}");
        }
    }
}
