//! When each buyer's sockets were open. One that was never said to be gone was open to the end.

use std::collections::HashMap;

use crate::history::{History, Nanos, Sight, What};

/// One socket, from its first snapshot on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Socket {
    pub(super) id: u32,
    pub(super) opened: Nanos,
    pub(super) closed: Nanos,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Sockets(HashMap<u32, Vec<Socket>>);

impl Sockets {
    pub(super) fn of(history: &History) -> Self {
        let mut sockets: HashMap<u32, Vec<Socket>> = HashMap::new();
        for record in &history.records {
            let What::Saw { buyer, socket: id, sight } = &record.what else { continue };
            let known = sockets.entry(*buyer).or_default();
            let place = known.iter().position(|socket| socket.id == *id);
            match (sight, place) {
                (Sight::Opened { .. }, None) => {
                    known.push(Socket { id: *id, opened: record.at, closed: Nanos::MAX });
                }
                (Sight::Closed { .. }, Some(place)) => known[place].closed = record.at,
                _ => {}
            }
        }
        Self(sockets)
    }

    pub(super) fn of_buyer(&self, buyer: u32) -> &[Socket] {
        self.0.get(&buyer).map_or(&[], Vec::as_slice)
    }
}
