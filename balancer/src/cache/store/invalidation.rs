//! Which keys were invalidated when, so that an answer fetched before that is not stored after it.
//!
//! Keys share places, of which there is a fixed number. Where two of them share one, an answer is at times not stored although it
//! could be; never the other way round.

use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::Key;

const PLACES: usize = 64 * 1024;

/// A moment in the order of invalidations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(u64);

/// Counts invalidations.
pub struct Invalidations {
    now: AtomicU64,
    latest: Box<[AtomicU64]>,
}

impl Default for Invalidations {
    /// None so far.
    fn default() -> Self {
        Self { now: AtomicU64::new(0), latest: (0..PLACES).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Invalidations {
    /// The present, to be noted before an answer is asked for.
    pub fn now(&self) -> Stamp {
        Stamp(self.now.load(Ordering::SeqCst))
    }

    /// What is asked for from now on is new.
    pub fn invalidate(&self, key: Key) {
        let moment = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.place(key).fetch_max(moment, Ordering::SeqCst);
    }

    /// Whether what was asked for then may be out of date.
    pub fn since(&self, key: Key, asked: Stamp) -> bool {
        self.place(key).load(Ordering::SeqCst) > asked.0
    }

    fn place(&self, key: Key) -> &AtomicU64 {
        &self.latest[key as usize % PLACES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_before_is_out_of_date() {
        let invalidations = Invalidations::default();
        let before = invalidations.now();
        invalidations.invalidate(7);
        assert!(invalidations.since(7, before));
        assert!(!invalidations.since(8, before));
        assert!(!invalidations.since(7, invalidations.now()));
    }
}
