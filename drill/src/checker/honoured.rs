//! Invariant 4: a hold is honoured until it is confirmed, given back or past its deadline. It is in the books, nobody else
//! gets its seats, and its buyer is not told that it is over.
//!
//! Its deadline is the latest that its buyer was told of, an answered extension's included. The books may have a later one, of
//! which nobody was told: that nobody else gets the seats until then either is for invariant 3.

use domain::status::HoldStatus;

use super::Evidence;
use super::allowances::CLOCKS;
use super::attempts::{Attempt, End, Group};
use super::lives::{Life, Span};
use super::story;
use super::verdict::{Judgement, Story};
use crate::history::Nanos;

/// Judges it.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement =
        Judgement::new(4, "a hold is honoured until it is confirmed, released or past its deadline");
    for life in evidence.lives.iter().filter(|life| life.known()) {
        judgement.looked(1 + life.confirms.iter().map(|group| group.iter().count()).sum::<usize>());
        let wrongs = [
            denied(life),
            extended_in_vain(life),
            unwritten(evidence, life),
            moved_by_nobody(life),
            ended_by_nobody(life),
        ];
        for wrong in wrongs.into_iter().flatten() {
            judgement.accuse(|| tell(evidence, &[life], format!("{} {wrong}", life.hold)));
        }
    }
    for (place, lives) in evidence.lives.by_seat() {
        for (first, second) in robbed(evidence, &lives) {
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
    let in_time = in_time(life);
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

/// Until when its buyer may rely on it.
fn in_time(life: &Life) -> Nanos {
    life.told.saturating_sub(CLOCKS).min(life.given_back_from())
}

/// Its buyer asked for more time before it was over, and was told that it is.
fn extended_in_vain(life: &Life) -> Option<String> {
    let ours = |each: &&Attempt| Some(each.buyer) == life.buyer && each.ended < in_time(life);
    life.extensions.iter().filter(ours).find_map(|attempt| match attempt.end {
        End::Fail { status: status @ (404 | 410), code, .. } => {
            Some(format!("was to be extended before its deadline, and that was answered {status} {code}"))
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
            let early = evidence.history.at_wall(row.expires_at_ns) < life.told;
            early.then(|| "has an earlier deadline in the books than was told".to_owned())
        }
    }
}

/// The books have another deadline than was told, and nobody asked for what moves one.
fn moved_by_nobody(life: &Life) -> Option<String> {
    let row = life.row?;
    let asked = life.extensions.iter().any(Attempt::perhaps);
    // One that was refused has moved it all the same: a card is declined when the payment has begun.
    let paid = !life.confirms.is_empty();
    if !row.moved() && life.deadline > life.told {
        Some("has a later deadline in the books than was told, and nothing moved it".to_owned())
    } else if row.extended && !asked {
        Some("is extended in the books, and nobody asked for that".to_owned())
    } else if row.graced && !paid {
        Some("was given time to pay, and nobody paid".to_owned())
    } else {
        None
    }
}

/// The books say that it was given back, and nobody did.
fn ended_by_nobody(life: &Life) -> Option<String> {
    let released = life.row.is_some_and(|row| row.status == HoldStatus::Released);
    (released && life.given_back_from() == Nanos::MAX)
        .then(|| "is released in the books, and nobody gave it back".to_owned())
}

/// Pairs of which the second began and was acknowledged while the seat was for certain the first one's.
fn robbed<'e>(evidence: &Evidence, lives: &[&'e Life<'e>]) -> Vec<(&'e Life<'e>, &'e Life<'e>)> {
    let mut tenancies: Vec<_> = lives.iter().flat_map(|life| tenancies(evidence, life)).collect();
    tenancies.sort_by_key(|tenancy| tenancy.got.from);
    let mut robbed = Vec::new();
    for (at, first) in tenancies.iter().enumerate() {
        let Some(begin) = first.got.until else { continue };
        let end = first.certain_until;
        let after = tenancies[at + 1..].iter().skip_while(|second| second.got.from < begin);
        let within = after.take_while(|second| second.got.from < end);
        let second = within.into_iter().find(|second| second.got.until.is_some_and(|until| until < end));
        robbed.extend(second.map(|second| (first.life, second.life)));
    }
    robbed
}

/// A time for which a seat is a hold's.
struct Tenancy<'e> {
    life: &'e Life<'e>,
    got: Span,
    /// The last moment at which it is so whatever happened unseen.
    certain_until: Nanos,
}

/// One, or two when it lapsed and was sold all the same: in between the seat was anybody's.
fn tenancies<'e>(evidence: &Evidence, life: &'e Life<'e>) -> Vec<Tenancy<'e>> {
    let sold_until = life.cancelled_from();
    let held = Tenancy { life, got: life.placed, certain_until: in_time(life).min(sold_until) };
    match (life.sold(), life.claimed_anew(evidence.history)) {
        (_, Some(got)) => vec![held, Tenancy { life, got, certain_until: sold_until }],
        (Some(_), None) => vec![Tenancy { certain_until: sold_until, ..held }],
        (None, None) => vec![held],
    }
}

fn tell(evidence: &Evidence, lives: &[&Life], title: String) -> Story {
    Story::new(title, story::in_order(lives.iter().flat_map(|life| life.lines(evidence.history))))
}
