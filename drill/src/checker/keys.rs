//! Invariant 9: one `Idempotency-Key`, one effect, one answer.

use std::collections::{HashMap, HashSet};

use domain::id::SessionId;

use super::Evidence;
use super::allowances::CLOCKS;
use super::attempts::{Attempt, End, Group, entered};
use super::lives::{Life, Source};
use super::story;
use super::verdict::{Judgement, Story};
use crate::books::Booking;
use crate::history::{Call, Effect};

/// Judges it.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement = Judgement::new(9, "one Idempotency-Key, one effect, one answer");
    let holds = evidence.attempts.grouped(|attempt| match attempt.call {
        Call::Hold { key, .. } => Some((attempt.buyer, key.as_str())),
        _ => None,
    });
    let confirms = evidence.attempts.grouped(|attempt| match attempt.call {
        Call::Confirm { key, .. } => Some((attempt.buyer, key.as_str())),
        _ => None,
    });
    let joins = evidence.attempts.grouped(|attempt| match attempt.call {
        Call::Join { show, key, .. } => Some((attempt.buyer, show, key.as_str())),
        _ => None,
    });
    judge_groups(evidence, &mut judgement, &holds, two_holds);
    judge_groups(evidence, &mut judgement, &confirms, two_bookings);
    judge_groups(evidence, &mut judgement, &joins, two_entries);
    for (session, key, bookings) in two_in_books(evidence) {
        judgement.accuse(|| tell_books(session, key, &bookings));
    }
    judgement.looked(evidence.books.bookings.len() + evidence.books.holds.len());
    let unanswered = Unanswered::of(evidence);
    for life in evidence.lives.iter() {
        if let Some(wrong) = unanswered.without_cause(evidence, life) {
            judgement.accuse(|| {
                Story::new(format!("{} {wrong}", life.hold), story::in_order(life.lines(evidence.history)))
            });
        }
    }
    evidence.complaints(&mut judgement);
    judgement
}

fn judge_groups(
    evidence: &Evidence,
    judgement: &mut Judgement,
    groups: &[Group],
    wrong: fn(&Group) -> Option<&'static str>,
) {
    for group in groups {
        judgement.looked(1);
        if let Some(wrong) = wrong(group) {
            let lines = group.iter().map(|attempt| story::request(evidence.history, attempt));
            judgement.accuse(|| Story::new(wrong, story::in_order(lines)));
        }
    }
}

/// Attempts to hold under one key: one hold with the same seats, and once placed it is not refused.
fn two_holds(group: &Group) -> Option<&'static str> {
    let mut told = group.iter().filter_map(|attempt| match attempt.effect()? {
        Effect::Hold { hold, seats, .. } => Some((hold, seats)),
        _ => None,
    });
    let first = told.next()?;
    if told.any(|other| other != first) {
        return Some("one key placed two holds");
    }
    let placed_at = group.done()?.ended;
    let done = group.done()?.call;
    let refused = |attempt: &Attempt| {
        attempt.invoked > placed_at
            && attempt.call == done
            && matches!(attempt.end, End::Fail { status: 409 | 422, .. })
    };
    group.iter().any(refused).then_some("one key was granted, and then refused")
}

/// Attempts to confirm under one key: one body to the letter, and of its refusals those that are kept are the answer.
fn two_bookings(group: &Group) -> Option<&'static str> {
    let bodies: HashSet<&str> = group.iter().filter_map(body).collect();
    if bodies.len() > 1 {
        return Some("one key was answered with two bodies");
    }
    let mut finals: HashMap<_, HashSet<(u16, &str)>> = HashMap::new();
    for attempt in group.iter() {
        if let (Call::Confirm { hold, token, .. }, Some(answer)) = (attempt.call, kept(attempt)) {
            finals.entry((hold, token)).or_default().insert(answer);
        }
    }
    finals.values().any(|answers| answers.len() > 1).then_some("one key was given two answers")
}

fn body<'a>(attempt: &Attempt<'a>) -> Option<&'a str> {
    match attempt.effect()? {
        Effect::Booking { body, .. } => Some(body),
        _ => None,
    }
}

/// An answer that is kept for its key. The others say that it was not for now, or not for this key.
fn kept<'a>(attempt: &Attempt<'a>) -> Option<(u16, &'a str)> {
    match attempt.end {
        End::Ok(status, _) => Some((status, "")),
        End::Fail { status: status @ (402 | 410), code, .. } => Some((status, code)),
        End::Fail { status: 409, code: code @ "already_booked", .. } => Some((409, code)),
        _ => None,
    }
}

/// Attempts to join under one key: one place.
fn two_entries(group: &Group) -> Option<&'static str> {
    let places: HashSet<_> = group.iter().filter_map(|attempt| entered(attempt.effect()?)).collect();
    (places.len() > 1).then_some("one key took two places in line")
}

/// Bookings of this run that share their session and key.
fn two_in_books<'a>(evidence: &Evidence<'a>) -> Vec<(&'a SessionId, &'a str, Vec<&'a Booking>)> {
    let began_at_ns = evidence.history.began_at_ns.saturating_sub(CLOCKS);
    let mut keys: HashMap<(&SessionId, &str), Vec<&Booking>> = HashMap::new();
    for booking in evidence.books.bookings.iter().filter(|booking| booking.booked_at_ns >= began_at_ns) {
        keys.entry((&booking.session, &booking.key)).or_default().push(booking);
    }
    let mut twice: Vec<_> = keys.into_iter().filter(|(_, bookings)| bookings.len() > 1).collect();
    twice.sort_by_key(|(key, _)| *key);
    twice.into_iter().map(|((session, key), bookings)| (session, key, bookings)).collect()
}

fn tell_books(session: &SessionId, key: &str, bookings: &[&Booking]) -> Story {
    let line = |booking: &&Booking| {
        format!("{} of {} from {}", booking.booking, story::names(&booking.seats), booking.hold)
    };
    Story::new(
        format!("session {session} has {} bookings under the key {key}", bookings.len()),
        bookings.iter().map(line).collect(),
    )
}

/// Requests for holds whose answers were lost, by their buyers.
struct Unanswered<'e>(HashMap<u32, Vec<&'e Attempt<'e>>>);

impl<'e> Unanswered<'e> {
    fn of(evidence: &'e Evidence<'_>) -> Self {
        let mut unanswered: HashMap<u32, Vec<&Attempt>> = HashMap::new();
        for attempt in evidence.attempts.iter().filter(|attempt| attempt.unknown()) {
            unanswered.entry(attempt.buyer).or_default().push(attempt);
        }
        Self(unanswered)
    }

    /// An effect in the books for which every answer was a refusal.
    fn without_cause(&self, evidence: &Evidence, life: &Life) -> Option<&'static str> {
        let ours = life.row.and_then(|row| evidence.lives.buyer(&row.session))?;
        match life.source {
            Source::Books => (life.entry.is_none() && !self.may_have_asked(ours, life))
                .then_some("stands in the books, and everybody who asked for it was refused"),
            Source::Asked | Source::Offered => {
                let confirmed = life.confirms.iter().flat_map(Group::iter).any(Attempt::perhaps);
                (life.booking.is_some() && !confirmed)
                    .then_some("is booked in the books, and every confirmation was refused")
            }
        }
    }

    /// Whether a request of this buyer's may have placed it.
    fn may_have_asked(&self, buyer: u32, life: &Life) -> bool {
        self.0.get(&buyer).into_iter().flatten().any(|attempt| match attempt.call {
            Call::Hold { show, seats, party, .. } => {
                show == life.show
                    && life.seats.len() == if seats.is_empty() { *party } else { seats.len() }
                    && life.seats.iter().all(|seat| seats.is_empty() || seats.contains(seat))
            }
            _ => false,
        })
    }
}
