//! How long it takes until others see what a buyer did.
//!
//! A frame says which seats turned held or booked, not who did it; an answer says who did it, often later than the frame. So
//! both are noted here by show and seat, and whichever comes second makes the pair. Time counts from the moment the request
//! left, which is the earliest at which the seat can have changed: what is measured is never less than the true delay.
//! Seats of one hold change together, so the first of them stands for all.
//!
//! A change is looked for while a socket is open that had its last snapshot before the request left: what is part of a
//! snapshot comes in no frame. Not measured are repeated requests, since it may have been the first that did it, and seats that
//! turn free: most do so by time, or on behalf of the line, and no request is the cause.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::id::{SeatId, ShowId};
use domain::live::Seats;
use domain::status::SeatStatus;

use super::program::Program;
use crate::history::Nanos;

/// A change that nobody has seen this long after its request left is not looked for any more: what comes then has another
/// cause, whose answer was lost.
const UNSEEN_MAX: Nanos = 10_000_000_000;

/// Who saw a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whose socket.
    pub(super) buyer: u32,
    /// Which.
    pub(super) socket: u32,
    /// When.
    pub(super) at: Nanos,
}

/// The causes and sights of changes, by show and seat.
#[derive(Debug)]
pub(super) struct Changes(HashMap<ShowId, Mutex<Watched>>);

/// One show.
#[derive(Debug, Default)]
struct Watched {
    /// The sockets that show it, and when each had its last snapshot.
    sockets: HashMap<u32, Nanos>,
    stories: HashMap<SeatId, Story>,
}

/// The last of what is known of a seat.
#[derive(Debug, Default)]
struct Story {
    cause: Option<Cause>,
    waiting: Option<Waiting>,
}

/// An answered request that changed the seat.
#[derive(Debug)]
struct Cause {
    status: SeatStatus,
    left: Nanos,
    /// The version in which somebody saw it: only that one is its doing.
    version: Option<u64>,
}

/// A change that was seen before its cause was answered.
#[derive(Debug)]
struct Waiting {
    status: SeatStatus,
    version: u64,
    seen: Vec<Seen>,
}

impl Changes {
    /// Nothing yet, of these shows.
    pub(super) fn of(program: &Program) -> Self {
        Self(program.shows.iter().map(|show| (show.id.clone(), Mutex::default())).collect())
    }

    /// A request that left at a time has turned seats held or booked; returns who saw it already, and how long that took.
    pub(super) fn caused(
        &self,
        show: &ShowId,
        seats: &[SeatId],
        status: SeatStatus,
        left: Nanos,
    ) -> Vec<(Seen, Nanos)> {
        let (Some(watched), Some(seat)) = (self.0.get(show), seats.iter().min()) else { return Vec::new() };
        let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        let looked_for = watched.awaits(left);
        watched.stories.entry(seat.clone()).or_default().explain(status, left, looked_for)
    }

    /// A watcher got a frame; returns how long after its cause, once that is known.
    pub(super) fn seen(&self, show: &ShowId, version: u64, changes: &Seats, seen: Seen) -> Option<Nanos> {
        let (seat, status) = changes.iter().find(|(_, status)| **status != SeatStatus::Free)?;
        let mut watched = self.0.get(show)?.lock().unwrap_or_else(PoisonError::into_inner);
        watched.stories.entry(seat.clone()).or_default().see(*status, version, seen)
    }

    /// A socket has got a snapshot of a show.
    pub(super) fn snapshot(&self, show: &ShowId, socket: u32, at: Nanos) {
        if let Some(watched) = self.0.get(show) {
            let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
            if watched.sockets.insert(socket, at).is_some() {
                watched.forget();
            }
        }
    }

    /// A socket is gone.
    pub(super) fn closed(&self, show: &ShowId, socket: u32) {
        if let Some(watched) = self.0.get(show) {
            let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
            watched.sockets.remove(&socket);
            watched.forget();
        }
    }
}

impl Watched {
    /// Whether what a request changes that left at a time is to come in a frame.
    fn awaits(&self, left: Nanos) -> bool {
        self.sockets.values().any(|snapshot| *snapshot <= left)
    }

    /// Looks no longer for what will come in no frame.
    fn forget(&mut self) {
        let mut stories = std::mem::take(&mut self.stories);
        let seen_or_to_be = |cause: &mut Cause| cause.version.is_some() || self.awaits(cause.left);
        for story in stories.values_mut() {
            story.cause = story.cause.take_if(seen_or_to_be);
        }
        self.stories = stories;
    }
}

impl Story {
    fn explain(&mut self, status: SeatStatus, left: Nanos, looked_for: bool) -> Vec<(Seen, Nanos)> {
        let explained = |waiting: &mut Waiting| {
            waiting.status == status && waiting.seen.iter().all(|seen| seen.at >= left)
        };
        let waiting = self.waiting.take_if(explained);
        let version = waiting.as_ref().map(|waiting| waiting.version);
        self.cause = (looked_for || version.is_some()).then_some(Cause { status, left, version });
        let seen = waiting.map(|waiting| waiting.seen).unwrap_or_default();
        seen.into_iter().map(|seen| (seen.clone(), seen.at - left)).collect()
    }

    fn see(&mut self, status: SeatStatus, version: u64, seen: Seen) -> Option<Nanos> {
        if let Some(cause) = &mut self.cause
            && cause.status == status
            && cause.explains(version, seen.at)
        {
            cause.version = Some(version);
            return Some(seen.at - cause.left);
        }
        match &mut self.waiting {
            Some(waiting) if waiting.version == version => waiting.seen.push(seen),
            // Who is that late sees a change whose cause was never answered.
            Some(waiting) if waiting.version > version => {}
            _ => self.waiting = Some(Waiting { status, version, seen: vec![seen] }),
        }
        None
    }
}

impl Cause {
    fn explains(&self, version: u64, at: Nanos) -> bool {
        match self.version {
            Some(known) => known == version,
            None => (self.left..self.left + UNSEEN_MAX).contains(&at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(name: &str) -> SeatId {
        SeatId::parse(name).unwrap()
    }

    fn show() -> ShowId {
        ShowId::parse("show").unwrap()
    }

    fn changes() -> Changes {
        let changes = Changes(HashMap::from([(show(), Mutex::default())]));
        changes.snapshot(&show(), 1, 90);
        changes
    }

    fn by(socket: u32, at: Nanos) -> Seen {
        Seen { buyer: 1, socket, at }
    }

    fn frame(status: SeatStatus) -> Seats {
        Seats::from([(seat("A1"), status), (seat("A2"), status)])
    }

    #[test]
    fn a_sight_and_its_cause_meet_whichever_comes_first() {
        let changes = changes();
        let held = frame(SeatStatus::Held);
        assert_eq!(changes.seen(&show(), 5, &held, by(1, 130)), None);
        assert_eq!(
            changes.caused(&show(), &[seat("A1"), seat("A2")], SeatStatus::Held, 100),
            [(by(1, 130), 30)]
        );
        assert_eq!(changes.seen(&show(), 5, &held, by(2, 150)), Some(50));
    }

    #[test]
    fn a_cause_explains_one_version_only() {
        let changes = changes();
        assert!(changes.caused(&show(), &[seat("A1")], SeatStatus::Held, 100).is_empty());
        assert_eq!(changes.seen(&show(), 5, &frame(SeatStatus::Held), by(1, 120)), Some(20));
        assert_eq!(changes.seen(&show(), 9, &frame(SeatStatus::Held), by(1, 900)), None);
    }

    #[test]
    fn a_request_that_left_later_is_not_the_cause() {
        let changes = changes();
        assert_eq!(changes.seen(&show(), 5, &frame(SeatStatus::Held), by(1, 120)), None);
        assert!(changes.caused(&show(), &[seat("A1")], SeatStatus::Held, 130).is_empty());
        assert_eq!(changes.seen(&show(), 8, &frame(SeatStatus::Held), by(1, 150)), Some(20));
    }

    #[test]
    fn what_nobody_saw_in_time_explains_nothing_later() {
        let changes = changes();
        assert!(changes.caused(&show(), &[seat("A1")], SeatStatus::Held, 100).is_empty());
        let late = 100 + UNSEEN_MAX;
        assert_eq!(changes.seen(&show(), 5, &frame(SeatStatus::Held), by(1, late)), None);
    }

    #[test]
    fn what_happens_while_nobody_watches_explains_nothing_later() {
        let changes = changes();
        changes.closed(&show(), 1);
        assert!(changes.caused(&show(), &[seat("A1")], SeatStatus::Held, 100).is_empty());
        changes.snapshot(&show(), 2, 110);
        assert_eq!(changes.seen(&show(), 5, &frame(SeatStatus::Held), by(2, 120)), None);
    }

    #[test]
    fn what_is_part_of_a_snapshot_comes_in_no_frame() {
        let changes = changes();
        let seats = Seats::from([(seat("A2"), SeatStatus::Held)]);
        changes.snapshot(&show(), 2, 110);
        changes.closed(&show(), 1);
        assert!(changes.caused(&show(), &[seat("A2")], SeatStatus::Held, 105).is_empty());
        assert_eq!(changes.seen(&show(), 6, &seats, by(2, 130)), None, "it was there when the socket opened");
        assert!(changes.caused(&show(), &[seat("A1")], SeatStatus::Held, 140).is_empty());
        changes.snapshot(&show(), 2, 150);
        assert_eq!(changes.seen(&show(), 7, &frame(SeatStatus::Held), by(2, 160)), None, "a later snapshot");
        assert!(changes.caused(&show(), &[seat("A1")], SeatStatus::Booked, 145).is_empty());
        assert_eq!(changes.seen(&show(), 8, &frame(SeatStatus::Booked), by(2, 170)), None, "it left before");
        assert!(changes.caused(&show(), &[seat("A1")], SeatStatus::Held, 180).is_empty());
        assert_eq!(changes.seen(&show(), 9, &frame(SeatStatus::Held), by(2, 190)), Some(10));
    }

    #[test]
    fn a_change_is_forgotten_with_the_last_socket_that_could_show_it() {
        let changes = changes();
        assert!(changes.caused(&show(), &[seat("A1")], SeatStatus::Held, 100).is_empty());
        changes.snapshot(&show(), 2, 110);
        changes.closed(&show(), 1);
        assert_eq!(changes.seen(&show(), 5, &frame(SeatStatus::Held), by(2, 120)), None);
    }

    #[test]
    fn another_status_is_another_change() {
        let changes = changes();
        assert_eq!(changes.seen(&show(), 5, &frame(SeatStatus::Held), by(1, 120)), None);
        assert!(changes.caused(&show(), &[seat("A1")], SeatStatus::Booked, 110).is_empty());
        assert_eq!(changes.seen(&show(), 6, &frame(SeatStatus::Booked), by(1, 140)), Some(30));
        assert_eq!(changes.seen(&show(), 7, &frame(SeatStatus::Free), by(1, 150)), None);
    }

    #[test]
    fn a_show_that_is_not_in_the_sale_is_left_alone() {
        let other = ShowId::parse("other").unwrap();
        assert_eq!(changes().seen(&other, 1, &frame(SeatStatus::Held), by(1, 1)), None);
        assert!(changes().caused(&other, &[seat("A1")], SeatStatus::Held, 1).is_empty());
    }
}
