//! What was seen from outside: answers as they left, which nothing that happens later may take back.

use std::collections::BTreeMap;

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
    /// Keys whose holds were placed without the gate, and when the mirror was begun anew for that. When such a key comes again
    /// before, the gate may take it for a new one, and a loser.
    pub(crate) unknown_at_gate: BTreeMap<u32, Option<i64>>,
}

impl Witness {
    fn unknown(&self, key: u32, asked_ms: i64) -> bool {
        self.unknown_at_gate.get(&key).is_some_and(|known| known.is_none_or(|known_ms| asked_ms <= known_ms))
    }

    /// Those of which nothing is known yet.
    pub(crate) fn unknown_now(&self) -> Vec<u32> {
        self.unknown_at_gate.iter().filter(|(_, known)| known.is_none()).map(|(key, _)| *key).collect()
    }

    /// A mirror was begun anew with what these had claimed.
    pub(crate) fn note_loaded(&mut self, keys: &[u32], now_ms: i64) {
        self.unknown_at_gate.extend(keys.iter().map(|key| (*key, Some(now_ms))));
    }
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
                if asked_ms > *promised_ms && !self.witness.unknown(key, asked_ms) =>
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
