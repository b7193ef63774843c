//! What turned out not to be storable, so that those who ask for it do not wait for each other again: a fixed number of
//! places, read without a lock. A key that takes the place of another makes that one be tried again, nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use pingora::cache::key::CacheHashKey;
use pingora::cache::predictor::CacheablePredictor;
use pingora::cache::{CacheKey, NoCacheReason};

const PLACES: usize = 16 * 1024;

/// Keys of answers that were not storable when they were asked for last.
pub(super) struct Uncacheable {
    places: Box<[AtomicU64]>,
}

impl Uncacheable {
    /// Nothing known.
    pub(super) fn new() -> Self {
        Self { places: (0..PLACES).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Its place, and what is there when it is known. Never zero, which is an empty place.
    fn place(&self, key: &CacheKey) -> (&AtomicU64, u64) {
        let hash = u128::from_be_bytes(key.primary_bin());
        (&self.places[hash as usize % PLACES], (hash >> 64) as u64 | 1)
    }
}

impl CacheablePredictor for Uncacheable {
    fn cacheable_prediction(&self, key: &CacheKey) -> bool {
        let (place, mark) = self.place(key);
        place.load(Ordering::Relaxed) != mark
    }

    fn mark_cacheable(&self, key: &CacheKey) -> bool {
        let (place, mark) = self.place(key);
        place.compare_exchange(mark, 0, Ordering::Relaxed, Ordering::Relaxed).is_err()
    }

    /// Only what an answer says of itself counts: who asked, and how, must not keep others from a stored answer.
    fn mark_uncacheable(&self, key: &CacheKey, reason: NoCacheReason) -> Option<bool> {
        if !matches!(reason, NoCacheReason::OriginNotCache | NoCacheReason::ResponseTooLarge) {
            return None;
        }
        let (place, mark) = self.place(key);
        Some(place.swap(mark, Ordering::Relaxed) != mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_marks_its_key_and_a_request_does_not() {
        let known = Uncacheable::new();
        let (one, other) = (CacheKey::new("a", ""), CacheKey::new("b", ""));
        assert_eq!(known.mark_uncacheable(&one, NoCacheReason::Custom("request")), None);
        assert!(known.cacheable_prediction(&one));
        assert_eq!(known.mark_uncacheable(&one, NoCacheReason::OriginNotCache), Some(true));
        assert!(!known.cacheable_prediction(&one) && known.cacheable_prediction(&other));
        assert!(!known.mark_cacheable(&one) && known.mark_cacheable(&one));
        assert!(known.cacheable_prediction(&one));
    }
}
