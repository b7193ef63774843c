//! What was seen from outside: answers as they left, which nothing that happens later may take back.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{OwnerId, SeatId};
use jiff::Timestamp;

use crate::confirming::{Confirmed, Final};
use crate::placing::Placed;
use crate::world::World;

#[derive(Default)]
pub(crate) struct Witness {
    /// Holds that were promised, and until when.
    pub(crate) promised: BTreeMap<OwnerId, Timestamp>,
    /// Bookings that were acknowledged, and their holds.
    pub(crate) booked: BTreeMap<u64, OwnerId>,
    /// The final answers of confirmations, by key.
    finals: BTreeMap<u32, Final>,
    /// Seats of holds that were promised, by key, and when that was first said.
    holds: BTreeMap<u32, (i64, Vec<SeatId>)>,
    /// Seats that a reconciler found wrong twice.
    pub(crate) drift: usize,
    /// Keys that the gate does not remember: their holds were placed without it, or before Redis was emptied. When such a key
    /// comes again, the gate may take it for a new one, and a loser.
    pub(crate) unknown_at_gate: BTreeSet<u32>,
}

impl World {
    /// A request that was sent at `asked_ms` is answered.
    pub(crate) fn note_placed(&mut self, key: u32, asked_ms: i64, answer: &Placed) {
        self.note(|| format!("key {key} is answered {answer:?}"));
        match (answer, self.witness.holds.get(&key)) {
            (Placed::Yes { seats, .. }, Some((_, before))) if before != seats => {
                self.violate(format!("key {key} got two answers, the second one {answer:?}"));
            }
            // What was asked before the hold was promised may have been decided before, too.
            (Placed::Taken | Placed::Limit(_), Some((promised_ms, _)))
                if asked_ms > *promised_ms && !self.witness.unknown_at_gate.contains(&key) =>
            {
                self.violate(format!("key {key} had its hold, and is told {answer:?} when it comes again"));
            }
            _ => {}
        }
        if let Placed::Yes { hold, seats, expires_at } = answer {
            let promise = self.witness.promised.entry(hold.clone()).or_insert(*expires_at);
            *promise = (*expires_at).max(*promise);
            self.witness.holds.entry(key).or_insert((self.now_ms, seats.clone()));
        }
    }

    pub(crate) fn note_extended(&mut self, hold: &OwnerId, until: Timestamp) {
        self.note(|| format!("{hold} is promised until {until}"));
        self.witness.promised.insert(hold.clone(), until);
    }

    pub(crate) fn note_confirmed(&mut self, key: u32, hold: &OwnerId, answer: Confirmed) {
        self.note(|| format!("key {key} is answered {answer:?}"));
        let Confirmed::Final(last) = answer else { return };
        if let Final::Booked(booking) = last {
            self.witness.booked.insert(booking, hold.clone());
        }
        let first = *self.witness.finals.entry(key).or_insert(last);
        if first != last {
            self.violate(format!("key {key} was answered {first:?}, and then {last:?}"));
        }
        let row = &self.database.holds[hold];
        if last == Final::Expired && !row.deadline.lapsed(self.now()) {
            self.violate(format!("{hold} is live, and is said to have expired"));
        }
    }
}
