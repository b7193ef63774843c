//! Refusals: `409 seats_unavailable` names seats, and each of them was not free at some moment.
//!
//! At some moment of the request, or of the two seconds before it: the gate is a view ([`VIEWS_SETTLE`]). And what the
//! design allows a refusal to be because of, besides an owner whom this run knows:
//!
//! - another request that was at work. The gate lets one at a time pass with a seat, and takes its claim back when
//!   Postgres refuses, or when it asked for other seats too which were taken.
//! - a hold or a booking that stands in the books and that nobody of this run knows of: its answer was lost.
//! - people in line. While a show has a queue, seats that come free wait for it, and lapsed holds are its own: so it must be
//!   a seat that somebody had.

use std::collections::HashMap;
use std::hash::Hash;

use domain::id::{SeatId, ShowId};

use super::super::allowances::{CLOCKS, ESCROWED, LOST_REQUEST_WORKS, VIEWS_SETTLE};
use super::super::attempts::{Attempt, Attempts, End, held};
use super::super::lives::{Life, Lives, Place, Source};
use super::super::windows::Windows;
use super::model::Refusal;
use crate::books::{Books, Entry};
use crate::history::{Call, History, Nanos};

/// The refusals of every seat that need an owner whom this run knows. Of two, one within the other, only the inner: where
/// that is true, so is the outer.
pub(super) fn refusals<'a>(
    history: &History,
    attempts: &Attempts<'a>,
    lives: &Lives<'a>,
    books: &'a Books,
) -> HashMap<Place<'a>, Vec<Refusal>> {
    let reasons = Reasons::of(history, attempts, lives, books);
    let mut seats: HashMap<Place<'a>, Vec<Refusal>> = HashMap::new();
    for (at, attempt) in attempts.iter().enumerate() {
        let (Call::Hold { show, .. }, End::Fail { lost, .. }) = (attempt.call, attempt.end) else { continue };
        for seat in lost {
            let from = attempt.invoked.saturating_sub(VIEWS_SETTLE);
            if !reasons.explain((show, seat), from, attempt.ended) {
                let refusal = Refusal { attempt: at, from, until: attempt.ended };
                seats.entry((show, seat)).or_default().push(refusal);
            }
        }
    }
    seats.into_iter().map(|(place, refusals)| (place, innermost(refusals))).collect()
}

/// Those that have no other within them. All begin in order of `from`.
fn innermost(mut refusals: Vec<Refusal>) -> Vec<Refusal> {
    refusals.sort_by_key(|refusal| (refusal.from, std::cmp::Reverse(refusal.until)));
    let mut inner: Vec<Refusal> = Vec::new();
    for refusal in refusals {
        while inner.last().is_some_and(|outer| outer.until >= refusal.until) {
            inner.pop();
        }
        inner.push(refusal);
    }
    inner
}

/// When each seat may have been refused for a reason of the design.
struct Reasons<'a> {
    seats: HashMap<Place<'a>, Windows>,
    /// Of any seat.
    shows: HashMap<&'a ShowId, Windows>,
    /// Of any seat that somebody had before.
    lines: HashMap<&'a ShowId, Windows>,
    /// Since when somebody may have had each seat.
    had: HashMap<Place<'a>, Nanos>,
}

/// Intervals, not yet put in order.
#[derive(Default)]
struct Collected<'a> {
    seats: HashMap<Place<'a>, Vec<(Nanos, Nanos)>>,
    shows: HashMap<&'a ShowId, Vec<(Nanos, Nanos)>>,
    lines: HashMap<&'a ShowId, Vec<(Nanos, Nanos)>>,
    had: HashMap<Place<'a>, Nanos>,
}

impl<'a> Reasons<'a> {
    fn of(history: &History, attempts: &Attempts<'a>, lives: &Lives<'a>, books: &'a Books) -> Self {
        let mut collected = Collected::default();
        attempts.iter().for_each(|attempt| collected.add_attempt(attempt));
        lives.iter().for_each(|life| collected.add_life(history, life));
        books.entries.iter().for_each(|entry| collected.add_waiting(history, entry));
        let Collected { seats, shows, lines, had } = collected;
        Self { seats: in_order(seats), shows: in_order(shows), lines: in_order(lines), had }
    }

    fn explain(&self, place: Place<'a>, from: Nanos, until: Nanos) -> bool {
        let touch = |windows: Option<&Windows>| windows.is_some_and(|windows| windows.touch(from, until));
        let had = || self.had.get(&place).is_some_and(|since| *since <= until);
        touch(self.seats.get(&place))
            || touch(self.shows.get(place.0))
            || (touch(self.lines.get(place.0)) && had())
    }
}

fn in_order<K: Eq + Hash>(times: HashMap<K, Vec<(Nanos, Nanos)>>) -> HashMap<K, Windows> {
    times.into_iter().map(|(key, times)| (key, times.into_iter().collect())).collect()
}

impl<'a> Collected<'a> {
    /// The seats with which a request may have stood at the gate, and for how long.
    fn add_attempt(&mut self, attempt: &Attempt<'a>) {
        let Call::Hold { show, seats, .. } = attempt.call else { return };
        let at_work = (attempt.invoked, attempt.ended);
        match attempt.end {
            End::Ok(_, effect) => {
                let seats = held(effect).map_or(&[][..], |(_, seats, _)| seats);
                self.add(show, seats, at_work);
            }
            End::Info { .. } => {
                self.add_asked(
                    show,
                    seats,
                    (attempt.invoked, attempt.ended.saturating_add(LOST_REQUEST_WORKS)),
                );
            }
            // It lost at the gate, where it got none; or, with seats that it did not lose, in Postgres.
            End::Fail { code: "seats_unavailable", lost, .. } => {
                for seat in seats.iter().filter(|seat| !lost.contains(seat)) {
                    self.add(show, std::slice::from_ref(seat), at_work);
                }
            }
            End::Fail { .. } => self.add_asked(show, seats, at_work),
        }
    }

    /// Seats by name; any, when the best were asked for.
    fn add_asked(&mut self, show: &'a ShowId, seats: &'a [SeatId], times: (Nanos, Nanos)) {
        if seats.is_empty() {
            self.shows.entry(show).or_default().push(times);
        }
        self.add(show, seats, times);
    }

    fn add(&mut self, show: &'a ShowId, seats: &'a [SeatId], times: (Nanos, Nanos)) {
        for seat in seats {
            self.seats.entry((show, seat)).or_default().push(times);
        }
    }

    /// Holds that nobody knows of, until they lapse; or until their bookings are taken back.
    fn add_life(&mut self, history: &History, life: &Life<'a>) {
        for seat in life.seats {
            let since = self.had.entry((life.show, seat)).or_insert(Nanos::MAX);
            *since = life.placed.from.min(*since);
        }
        if life.source != Source::Books {
            return;
        }
        let until = match life.booking {
            Some(booking) => booking.cancelled_at_ns.map_or(Nanos::MAX, |at| history.at_wall(at)),
            None => life.deadline,
        };
        self.add(life.show, life.seats, (life.placed.from, until.saturating_add(CLOCKS)));
    }

    /// Somebody in line, and what came free while they were, until it is given to the line or goes on sale.
    fn add_waiting(&mut self, history: &History, entry: &'a Entry) {
        let from = history.at_wall(entry.created_at_ns).saturating_sub(CLOCKS);
        let ended = entry.ended_at_ns.map(|at| history.at_wall(at));
        let until = ended.map_or(Nanos::MAX, |at| at.saturating_add(ESCROWED));
        self.lines.entry(&entry.show).or_default().push((from, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(attempt: usize, from: Nanos, until: Nanos) -> Refusal {
        Refusal { attempt, from, until }
    }

    #[test]
    fn of_intervals_within_each_other_the_inner_is_kept() {
        let all =
            vec![refusal(0, 0, 9), refusal(1, 1, 5), refusal(2, 2, 3), refusal(3, 4, 8), refusal(4, 4, 9)];
        let kept: Vec<_> = innermost(all).into_iter().map(|refusal| refusal.attempt).collect();
        assert_eq!(kept, [2, 3]);
    }
}
