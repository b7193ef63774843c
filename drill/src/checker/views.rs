//! Invariant 7: versions never go back at a client, and two seconds after the last change every view equals Postgres.

use std::collections::HashMap;

use domain::id::{SeatId, ShowId};
use domain::live::Seats;
use domain::status::SeatStatus;

use super::Evidence;
use super::allowances::{CLOCKS, VIEWS_SETTLE};
use super::lives::Place;
use super::story;
use super::verdict::{Judgement, Story};
use crate::books::{Claim, ClaimStatus};
use crate::history::{Nanos, Record, Sight, What};

/// Judges it.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement = Judgement::new(
        7,
        "versions never go back at a client; two seconds after the last change every view equals Postgres",
    );
    let expected = Expected::of(evidence);
    for record in &evidence.history.records {
        match &record.what {
            What::Saw { sight: Sight::OutOfStep { .. }, .. } => {
                judgement.looked(1);
                judgement.accuse(|| tell_step(record));
            }
            What::Saw { sight: Sight::Picture { show, seats, .. }, .. } if evidence.books.known() => {
                judgement.looked(1);
                let wrong = expected.wrong(show, seats, record.at);
                if !wrong.is_empty() {
                    judgement.accuse(|| tell_picture(record, show, &wrong));
                }
            }
            What::Saw { .. } => judgement.looked(1),
            _ => {}
        }
    }
    evidence.complaints(&mut judgement);
    judgement
}

/// What pictures at rest should show.
struct Expected<'a> {
    claims: HashMap<&'a ShowId, HashMap<&'a SeatId, &'a Claim>>,
    /// When each seat changed hands, or may have.
    changes: HashMap<Place<'a>, Vec<Nanos>>,
    evidence: &'a Evidence<'a>,
}

impl<'a> Expected<'a> {
    fn of(evidence: &'a Evidence<'a>) -> Self {
        let mut claims: HashMap<&ShowId, HashMap<&SeatId, &Claim>> = HashMap::new();
        for claim in &evidence.books.claims {
            claims.entry(&claim.show).or_default().insert(&claim.seat, claim);
        }
        let mut changes: HashMap<Place, Vec<Nanos>> = HashMap::new();
        let mut add = |show, seats: &'a [SeatId], times: [Option<u64>; 2]| {
            for seat in seats {
                let at = times.into_iter().flatten().map(|at_ns| evidence.history.at_wall(at_ns));
                changes.entry((show, seat)).or_default().extend(at);
            }
        };
        for hold in &evidence.books.holds {
            add(&hold.show, &hold.seats, [Some(hold.created_at_ns), Some(hold.expires_at_ns)]);
        }
        for booking in &evidence.books.bookings {
            add(&booking.show, &booking.seats, [Some(booking.booked_at_ns), booking.cancelled_at_ns]);
        }
        Self { claims, changes, evidence }
    }

    /// Seats that a picture shows wrongly.
    fn wrong(&self, show: &ShowId, seats: &Seats, at: Nanos) -> Vec<String> {
        let none = HashMap::new();
        let claims = self.claims.get(show).unwrap_or(&none);
        let unclaimed = seats.keys().filter(|seat| !claims.contains_key(seat));
        let mut wrong: Vec<String> = unclaimed.map(|seat| format!("{seat} was never claimed")).collect();
        for (seat, claim) in claims {
            let shown = seats.get(*seat).copied().unwrap_or(SeatStatus::Free);
            let is = status(claim);
            if shown != is && !self.between(show, seat, at) {
                wrong.push(format!("{seat} is shown as {}, and is {}", shown.as_str(), is.as_str()));
            }
        }
        wrong.sort();
        wrong
    }

    /// Whether the seat changed between the picture and the books, or so shortly before that the picture need not show it.
    /// Pictures are taken at rest: but deadlines pass, and lines are served.
    fn between(&self, show: &ShowId, seat: &SeatId, at: Nanos) -> bool {
        let read_at_ns = self.evidence.books.read_at_ns.unwrap_or_default();
        let read_at = self.evidence.history.at_wall(read_at_ns).max(at);
        let meanwhile = at.saturating_sub(VIEWS_SETTLE)..=read_at.saturating_add(CLOCKS);
        self.changes.get(&(show, seat)).is_some_and(|times| times.iter().any(|at| meanwhile.contains(at)))
    }
}

fn status(claim: &Claim) -> SeatStatus {
    match claim.status {
        ClaimStatus::Free => SeatStatus::Free,
        ClaimStatus::Held | ClaimStatus::Escrow => SeatStatus::Held,
        ClaimStatus::Booked => SeatStatus::Booked,
    }
}

fn tell_step(record: &Record) -> Story {
    let What::Saw { buyer, socket, sight: Sight::OutOfStep { show, before, after, snapshot } } = &record.what
    else {
        return Story::new("a step that is none", Vec::new());
    };
    let kind = if *snapshot { "snapshot" } else { "step" };
    let title = format!("version {after} of {show} came after {before}");
    let line = format!("{}  buyer {buyer:<5} sees the {kind} on socket {socket}", story::moment(record.at));
    Story::new(title, vec![line])
}

fn tell_picture(record: &Record, show: &ShowId, wrong: &[String]) -> Story {
    let at = story::moment(record.at);
    Story::new(format!("the picture of {show} at {} is not what Postgres says", at.trim()), wrong.to_vec())
}
