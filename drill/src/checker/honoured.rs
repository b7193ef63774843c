//! Invariant 4: a hold is honoured until it is confirmed, given back or past its deadline. It is in the books, nobody else
//! gets its seats, and its buyer is not told that it is over.

use domain::status::HoldStatus;

use super::Evidence;
use super::allowances::CLOCKS;
use super::attempts::{Attempt, End, Group};
use super::lives::Life;
use super::story;
use super::verdict::{Judgement, Story};
use crate::history::Nanos;

/// Judges it.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement =
        Judgement::new(4, "a hold is honoured until it is confirmed, released or past its deadline");
    for life in evidence.lives.iter().filter(|life| life.known()) {
        judgement.looked(1 + life.confirms.iter().map(|group| group.iter().count()).sum::<usize>());
        let wrongs = [denied(life), unwritten(evidence, life), ended_by_nobody(life)];
        for wrong in wrongs.into_iter().flatten() {
            judgement.accuse(|| tell(evidence, &[life], format!("{} {wrong}", life.hold)));
        }
    }
    for (place, lives) in evidence.lives.by_seat() {
        for (first, second) in robbed(&lives) {
            let title =
                format!("{} of {} was {}'s, and {} got it", place.1, place.0, first.hold, second.hold);
            judgement.accuse(|| tell(evidence, &[first, second], title));
        }
    }
    evidence.complaints(&mut judgement);
    judgement
}

/// Its buyer confirmed in time, and was told that it is over, or never was.
fn denied(life: &Life) -> Option<String> {
    let in_time = life.deadline.saturating_sub(CLOCKS).min(life.given_back_from());
    let attempts = life.confirms.iter().flat_map(Group::iter).filter(|each| Some(each.buyer) == life.buyer);
    let mut early = attempts.filter(|attempt| attempt.ended < in_time);
    early.find_map(|attempt| match attempt.end {
        End::Fail { status: status @ (404 | 410), code, .. } => {
            Some(format!("was confirmed before its deadline and answered {status} {code}"))
        }
        End::Fail { status: 409, code: "already_booked", .. } if !confirmed_besides(life, attempt) => {
            Some("was booked, and not by its buyer".to_owned())
        }
        _ => None,
    })
}

/// Whether another request may have confirmed it before this one was answered.
fn confirmed_besides(life: &Life, attempt: &Attempt) -> bool {
    let others = life.confirms.iter().flat_map(Group::iter);
    others
        .filter(|other| other.invoked != attempt.invoked)
        .any(|other| other.perhaps() && other.invoked < attempt.ended)
}

/// It was acknowledged, and the books do not have it so.
fn unwritten(evidence: &Evidence, life: &Life) -> Option<String> {
    match life.row {
        None => evidence.books.known().then(|| "was acknowledged and is not in the books".to_owned()),
        Some(row)
            if row.seats.len() != life.seats.len()
                || !row.seats.iter().all(|seat| life.seats.contains(seat)) =>
        {
            Some(format!("is in the books with other seats: {}", story::names(&row.seats)))
        }
        Some(row) => {
            let early = evidence.history.at_wall(row.expires_at_ns) < life.deadline;
            early.then(|| "has an earlier deadline in the books than was told".to_owned())
        }
    }
}

/// The books say that it was given back, and nobody did.
fn ended_by_nobody(life: &Life) -> Option<String> {
    let released = life.row.is_some_and(|row| row.status == HoldStatus::Released);
    (released && life.given_back_from() == Nanos::MAX)
        .then(|| "is released in the books, and nobody gave it back".to_owned())
}

/// Pairs of which the second began and was acknowledged while the seat was for certain the first one's.
fn robbed<'e>(lives: &[&'e Life<'e>]) -> Vec<(&'e Life<'e>, &'e Life<'e>)> {
    let mut robbed = Vec::new();
    for (at, first) in lives.iter().enumerate() {
        let Some(begin) = first.placed.until else { continue };
        let end = certain_until(first);
        let after = lives[at + 1..].iter().skip_while(|second| second.placed.from < begin);
        let within = after.take_while(|second| second.placed.from < end);
        let second = within.into_iter().find(|second| second.placed.until.is_some_and(|until| until < end));
        robbed.extend(second.map(|second| (*first, *second)));
    }
    robbed
}

/// The last moment at which a seat is its hold's whatever happened unseen.
fn certain_until(life: &Life) -> Nanos {
    let held = life.deadline.saturating_sub(CLOCKS).min(life.given_back_from());
    let sold = life.sold().map_or(0, |_| Nanos::MAX);
    held.max(sold).min(life.cancelled_from())
}

fn tell(evidence: &Evidence, lives: &[&Life], title: String) -> Story {
    Story::new(title, story::in_order(lives.iter().flat_map(|life| life.lines(evidence.history))))
}
