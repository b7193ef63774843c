//! Invariant 2: a booking that was acknowledged is in the books, with its seats, until its buyer takes it back.

use std::collections::{HashMap, HashSet};

use domain::id::{BookingId, SeatId};
use domain::status::BookingStatus;

use super::Evidence;
use super::attempts::{Attempt, End};
use super::story;
use super::verdict::{Judgement, Story};
use crate::books::Booking;
use crate::history::{Call, Effect};

/// Judges it.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement = Judgement::new(2, "an acknowledged booking is never lost");
    if !evidence.books.known() {
        return judgement;
    }
    let books = Shelf::of(evidence);
    let mut seen: HashSet<&BookingId> = HashSet::new();
    for attempt in evidence.attempts.iter() {
        let Some(Effect::Booking { booking, seats, .. }) = attempt.effect() else { continue };
        if matches!(attempt.call, Call::Confirm { .. }) && seen.insert(booking) {
            judgement.looked(1);
            if let Some(wrong) = books.wrong(booking, seats) {
                judgement.accuse(|| tell(evidence, attempt, booking, &wrong));
            }
        }
    }
    evidence.complaints(&mut judgement);
    judgement
}

/// The bookings as they are looked for.
struct Shelf<'a> {
    bookings: HashMap<&'a BookingId, &'a Booking>,
    live: HashSet<(&'a BookingId, &'a SeatId)>,
    /// Attempts to cancel: whether one of them was acknowledged.
    cancels: HashMap<&'a BookingId, bool>,
}

impl<'a> Shelf<'a> {
    fn of(evidence: &Evidence<'a>) -> Self {
        let books = evidence.books;
        let mut cancels = HashMap::new();
        for attempt in evidence.attempts.iter().filter(|attempt| attempt.perhaps()) {
            if let Call::Cancel { booking } = attempt.call {
                *cancels.entry(booking).or_default() |= matches!(attempt.end, End::Ok(..));
            }
        }
        let live = books.booking_seats.iter().filter(|row| row.live);
        Self {
            bookings: books.bookings.iter().map(|row| (&row.booking, row)).collect(),
            live: live.map(|row| (&row.booking, &row.seat)).collect(),
            cancels,
        }
    }

    /// What is wrong with a booking that was acknowledged.
    fn wrong(&self, booking: &BookingId, seats: &[SeatId]) -> Option<String> {
        let Some(row) = self.bookings.get(booking) else { return Some("is not in the books".to_owned()) };
        let cancel = self.cancels.get(booking);
        match row.status {
            _ if !same(&row.seats, seats) => {
                Some(format!("is in the books with other seats: {}", story::names(&row.seats)))
            }
            BookingStatus::Cancelled => {
                cancel.is_none().then(|| "is cancelled, and nobody asked for that".to_owned())
            }
            BookingStatus::Booked if cancel == Some(&true) => {
                Some("stands, although it was cancelled and that was acknowledged".to_owned())
            }
            BookingStatus::Booked => {
                let lost = seats.iter().find(|seat| !self.live.contains(&(booking, *seat)));
                lost.map(|seat| format!("has no live row for {seat}"))
            }
        }
    }
}

fn same(one: &[SeatId], other: &[SeatId]) -> bool {
    one.iter().collect::<HashSet<_>>() == other.iter().collect()
}

fn tell(evidence: &Evidence, attempt: &Attempt, booking: &BookingId, wrong: &str) -> Story {
    let about = |other: &&Attempt| match (other.call, attempt.call) {
        (Call::Cancel { booking: cancelled }, _) => cancelled == booking,
        (Call::Confirm { hold: one, .. }, Call::Confirm { hold: another, .. }) => one == another,
        _ => false,
    };
    let lines = evidence.attempts.iter().filter(about).map(|each| story::request(evidence.history, each));
    Story::new(format!("{booking} {wrong}"), story::in_order(lines))
}
