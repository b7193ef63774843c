//! Owners that claimed at the gate and may come again, so that a repetition is never a loser.

use std::collections::BTreeSet;

use crate::id::OwnerId;

/// The latest of them, by the time they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered(BTreeSet<(u64, OwnerId)>);

impl Remembered {
    /// Whether this owner was here.
    pub fn knows(&self, owner: &OwnerId) -> bool {
        self.0.iter().any(|(_, known)| known == owner)
    }

    /// Notes an owner; of more than `most` the oldest are forgotten.
    pub fn note(&mut self, owner: &OwnerId, now_ms: u64, most: usize) {
        self.forget(owner);
        self.0.insert((now_ms, owner.clone()));
        while self.0.len() > most {
            self.0.pop_first();
        }
    }

    /// An owner whose claim came to nothing.
    pub fn forget(&mut self, owner: &OwnerId) {
        self.0.retain(|(_, known)| known != owner);
    }
}
