//! A small on-sale on a whole fleet: what buyers meet, what watchers see, and what is written down. Needs a fleet: see
//! `drill::fleet`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod crowd;
mod line;

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{BookingId, SeatId, ShowId};
use drill::history::{Call, Effect, History, OpId, Record, Sight, What};
use tokio::sync::Mutex;

/// All sell the same show, so they take turns.
static ALONE: Mutex<()> = Mutex::const_new(());

/// What came of every request: nothing for one that did not end.
fn ends(history: &History) -> BTreeMap<OpId, Vec<&What>> {
    let mut ends: BTreeMap<OpId, Vec<&What>> = BTreeMap::new();
    for Record { what, .. } in &history.records {
        match what {
            What::Invoke { op, .. } => assert!(ends.insert(*op, Vec::new()).is_none(), "{op} left twice"),
            What::Ok { op, .. } | What::Fail { op, .. } | What::Info { op, .. } => {
                ends.get_mut(op).unwrap().push(what);
            }
            _ => {}
        }
    }
    ends
}

/// The bookings that were answered and not taken back, with their seats.
fn bookings(history: &History) -> BTreeMap<BookingId, Vec<SeatId>> {
    let mut bookings = BTreeMap::new();
    let mut cancelled = BTreeSet::new();
    for Record { what, .. } in &history.records {
        match what {
            What::Ok { effect: Effect::Booking { booking, seats, .. }, .. } => {
                bookings.insert(booking.clone(), seats.clone());
            }
            What::Invoke { call: Call::Cancel { booking }, .. } => drop(cancelled.insert(booking.clone())),
            _ => {}
        }
    }
    bookings.retain(|booking, _| !cancelled.contains(booking));
    bookings
}

/// The pictures at rest of each show.
fn pictures(history: &History) -> BTreeMap<ShowId, Vec<&Sight>> {
    let mut pictures: BTreeMap<ShowId, Vec<&Sight>> = BTreeMap::new();
    for Record { what, .. } in &history.records {
        if let What::Saw { sight: sight @ Sight::Picture { show, .. }, .. } = what {
            pictures.entry(show.clone()).or_default().push(sight);
        }
    }
    pictures
}
