//! Invariant 3, seat by seat: what all buyers were told of one seat is the history of a seat.
//!
//! Seats are judged one at a time, since a history is linearizable if and only if it is so for each object (Herlihy and
//! Wing, "Linearizability", 1990). That a hold has all its seats or none is for the books to say.
//!
//! A request whose answer was lost may have been done at any time from its leaving on, or never. For a hold that makes no
//! difference here: nobody can do anything with a hold that they were not told of, so it can only have kept the seat from
//! others. Whether it was there at all, the books know, and also whether anybody else had the seat meanwhile.

mod model;
mod refusals;
mod shrink;

use std::collections::HashMap;

use super::Evidence;
use super::allowances::CLOCKS;
use super::attempts::{Attempt, End, Group};
use super::linear::Outcome;
use super::lives::{Life, Place};
use super::story::{self, Line};
use super::verdict::{Judgement, Story};
use crate::history::{Call, Nanos};
use model::{Refusal, Sale, SeatHistory, SeatHold};

/// Judges it.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement = Judgement::new(3, "one live hold per seat; tokens per seat only grow");
    let seats = histories(evidence);
    let mut places: Vec<_> = seats.keys().copied().collect();
    places.sort_unstable();
    for place in places {
        let history = &seats[&place];
        judgement.looked(history.len());
        match history.search() {
            Outcome::Linear => {}
            Outcome::NotLinear => judgement.accuse(|| tell(evidence, place, &shrink::shrink(history))),
            Outcome::TooEntangled => judgement.accuse(|| entangled(place, history)),
        }
    }
    evidence.complaints(&mut judgement);
    judgement
}

/// The history of every seat that anybody ever had or was refused.
fn histories<'a>(evidence: &Evidence<'a>) -> HashMap<Place<'a>, SeatHistory> {
    let mut seats: HashMap<Place<'a>, SeatHistory> = HashMap::new();
    for (at, life) in evidence.lives.iter().enumerate().filter(|(_, life)| life.known()) {
        let hold = seat_hold(evidence, at, life);
        for seat in life.seats {
            seats.entry((life.show, seat)).or_default().holds.push(hold.clone());
        }
    }
    // Who has the seats that were not free to begin with, only the books can tell.
    if evidence.books.known() {
        let Evidence { history, attempts, lives, books, .. } = evidence;
        for (place, refusals) in refusals::refusals(history, attempts, lives, books) {
            seats.entry(place).or_default().refusals = refusals;
        }
    }
    seats
}

/// What was done with a hold, and what may have been.
fn seat_hold(evidence: &Evidence, at: usize, life: &Life) -> SeatHold {
    let claimed_anew = life.claimed_anew(evidence.history);
    // It cannot have been sold late before it had lapsed.
    let earliest_sale = claimed_anew.map_or(0, |span| span.from);
    let sold = |group: &Group| {
        group.done().map(|done| (group.invoked().max(earliest_sale).min(done.ended), done.ended))
    };
    let unanswered = life.confirms.iter().filter(|group| group.done().is_none() && group.unknown());
    let gives_back = |attempt: &&Attempt| attempt.unknown() || (leaves(attempt) && attempt.perhaps());
    let in_books = |at_ns: Option<u64>| {
        at_ns.map_or(Nanos::MAX, |at_ns| evidence.history.at_wall(at_ns).saturating_sub(CLOCKS))
    };
    SeatHold {
        life: at,
        // What it was placed with is not written anywhere when its seats were claimed anew.
        token: life.row.filter(|_| claimed_anew.is_none()).map(|row| row.token),
        sale: claimed_anew.map_or(Sale::InTime, |_| Sale::Late(life.row.map(|row| row.token))),
        deadline: life.deadline,
        placed: (life.placed.from, life.placed.until.unwrap_or(Nanos::MAX)),
        booked: life.confirms.iter().filter_map(sold).collect(),
        released: done(life.releases.iter().filter(|attempt| !leaves(attempt))),
        cancelled: done(life.cancels.iter()),
        may_book: earliest(unanswered.map(|group| group.invoked().max(earliest_sale)))
            .min(in_books(life.booking.map(|booking| booking.booked_at_ns))),
        may_release: earliest(life.releases.iter().filter(gives_back).map(|attempt| attempt.invoked)),
        may_cancel: earliest(life.cancels.iter().filter(|each| each.unknown()).map(|each| each.invoked))
            .min(in_books(life.booking.and_then(|booking| booking.cancelled_at_ns))),
    }
}

/// Leaving a line gives the offer back, at some time after.
fn leaves(attempt: &Attempt) -> bool {
    matches!(attempt.call, Call::Leave { .. })
}

fn done<'a: 'b, 'b>(attempts: impl Iterator<Item = &'b Attempt<'a>>) -> Vec<(Nanos, Nanos)> {
    attempts
        .filter(|attempt| matches!(attempt.end, End::Ok(..)))
        .map(|attempt| (attempt.invoked, attempt.ended))
        .collect()
}

fn earliest(times: impl Iterator<Item = Nanos>) -> Nanos {
    times.min().unwrap_or(Nanos::MAX)
}

fn tell(evidence: &Evidence, (show, seat): Place, least: &SeatHistory) -> Story {
    let mut lines: Vec<Line> = Vec::new();
    for life in least.holds.iter().filter_map(|hold| evidence.lives.iter().nth(hold.life)) {
        lines.extend(life.lines(evidence.history));
    }
    lines.extend(least.refusals.iter().filter_map(|refusal| refused(evidence, refusal)));
    let why = match (least.holds.len(), least.refusals.len()) {
        (_, 0) => "had two owners at once, or changed hands without reason",
        (0, _) => "was refused, and nobody had it",
        _ => "was refused when nobody can have had it",
    };
    Story::new(format!("{seat} of {show} {why}"), story::in_order(lines))
}

fn refused(evidence: &Evidence, refusal: &Refusal) -> Option<Line> {
    let attempt = evidence.attempts.iter().nth(refusal.attempt)?;
    Some(story::request(evidence.history, attempt))
}

fn entangled((show, seat): Place, history: &SeatHistory) -> Story {
    let title =
        format!("{seat} of {show} cannot be judged: its {} operations are too entangled", history.len());
    Story::new(title, Vec::new())
}

#[cfg(test)]
mod tests;
