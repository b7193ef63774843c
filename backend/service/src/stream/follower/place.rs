//! How far one stream was heard.

use std::collections::{HashSet, VecDeque};

use redis::streams::StreamId;

/// Numbers remembered for each stream, to know an event that was added twice. A batch of the outbox is far smaller.
const REMEMBERED_MAX: usize = 4_096;
/// Before the first entry of a stream.
const BEGINNING: &str = "0-0";

/// Where a stream ends.
#[derive(Debug)]
pub(super) struct End {
    /// The id of its last entry.
    pub(super) id: String,
    /// Entries that were ever in it.
    pub(super) added: u64,
    /// Those of them that are gone.
    pub(super) trimmed: u64,
}

/// How far one stream was heard.
#[derive(Debug)]
pub(super) struct Place {
    id: String,
    /// Entries that were in it up to here.
    passed: u64,
    known: HashSet<i64>,
    order: VecDeque<i64>,
}

impl Place {
    /// All that was there is not for us.
    pub(super) fn at(end: &End) -> Self {
        Self { id: end.id.clone(), passed: end.added, known: HashSet::new(), order: VecDeque::new() }
    }

    /// The last entry that was heard.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Takes note of where the stream ends now, and says how many entries went before we heard them.
    pub(super) fn compare(&mut self, end: &End) -> u64 {
        if end.id == BEGINNING {
            return 0;
        }
        if parts(&end.id) < parts(&self.id) {
            // Begun anew under a clock that is behind: it is heard from its beginning.
            BEGINNING.clone_into(&mut self.id);
            self.passed = 0;
        } else if end.added < self.passed {
            // Begun anew; which of its entries were heard is not known, and none is said to be missed.
            self.passed = end.added;
        }
        let gone = if end.id == self.id { end.added } else { end.trimmed };
        let missed = gone.saturating_sub(self.passed);
        self.passed += missed;
        missed
    }

    /// Entries not yet heard.
    pub(super) fn behind(&self, end: &End) -> i64 {
        i64::try_from(end.added.saturating_sub(self.passed)).unwrap_or(i64::MAX)
    }

    /// Passes the next entry; says whether it is fresh.
    pub(super) fn take(&mut self, entry: &StreamId) -> bool {
        self.id.clone_from(&entry.id);
        self.passed += 1;
        entry.get::<i64>("number").is_none_or(|number| self.remember(number))
    }

    fn remember(&mut self, number: i64) -> bool {
        if !self.known.insert(number) {
            return false;
        }
        self.order.push_back(number);
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// An id as it is ordered: milliseconds, then a count.
fn parts(id: &str) -> (u64, u64) {
    let (ms, count) = id.split_once('-').unwrap_or((id, "0"));
    (ms.parse().unwrap_or_default(), count.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(id: &str, added: u64, trimmed: u64) -> End {
        End { id: id.to_owned(), added, trimmed }
    }

    #[test]
    fn a_number_is_fresh_once_and_the_memory_is_bounded() {
        let mut place = Place::at(&end(BEGINNING, 0, 0));
        assert!(place.remember(7) && !place.remember(7));
        (100..).take(REMEMBERED_MAX).for_each(|number| assert!(place.remember(number)));
        assert_eq!((place.known.len(), place.order.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }

    #[test]
    fn a_stream_that_ends_before_our_place_is_heard_from_its_beginning() {
        let mut place = Place::at(&end("1000-5", 10, 0));
        for end in [end(BEGINNING, 0, 0), end("1000-5", 10, 0), end("2000-0", 11, 0)] {
            assert_eq!(place.compare(&end), 0);
            assert_eq!(place.id, "1000-5", "{end:?}");
        }
        assert_eq!(place.compare(&end("999-9", 3, 0)), 0);
        assert_eq!((place.id(), place.behind(&end("999-9", 3, 0))), (BEGINNING, 3));
    }

    #[test]
    fn what_went_before_it_was_heard_is_said_once() {
        let mut place = Place::at(&end("5-0", 10, 2));
        let later = end("9-0", 40, 30);
        assert_eq!((place.compare(&later), place.compare(&later)), (20, 0));
        assert_eq!(place.behind(&later), 10);
        for _ in 0..10 {
            place.take(&StreamId { id: "9-0".to_owned(), ..StreamId::default() });
        }
        assert_eq!((place.compare(&later), place.behind(&later)), (0, 0));
        // Four more were added and gone between two reads, then one came that was heard.
        place.take(&StreamId { id: "12-0".to_owned(), ..StreamId::default() });
        assert_eq!(place.compare(&end("12-0", 45, 44)), 4);
    }

    #[test]
    fn in_a_stream_that_began_anew_nothing_is_missed() {
        let mut place = Place::at(&end("5-0", 10, 2));
        let anew = end("9-0", 3, 0);
        assert_eq!((place.compare(&anew), place.behind(&anew)), (0, 0));
        assert_eq!(place.id(), "5-0");
    }
}
