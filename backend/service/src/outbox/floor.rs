//! Below which number an outbox is empty for good, so that no look begins among what was deleted since Postgres last swept.
//!
//! Numbers are given when events are written and seen when they are committed, in another order. But a number that was given
//! before some moment belongs to a transaction that was running by then; once all of those are over, whatever has a number as
//! small is there to be seen, or never will be.
//!
//! Above that floor lies what was relayed and deleted lately. It is not walked over either: of the numbers up to the last that was
//! relayed only those that were missing then are asked for again.

use std::collections::BTreeSet;

/// Numbers that are kept in mind as missing.
const MISSING_MAX: usize = 10_000;

/// What a look at the outbox begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// The last number that was given.
    pub(super) last: i64,
    /// Every transaction below this one is over.
    pub(super) running_from: i64,
    /// No transaction had this number yet, or a larger one.
    pub(super) next: i64,
}

/// All numbers up to `last` were given to transactions below `before`.
#[derive(Debug, Clone, Copy)]
struct Mark {
    last: i64,
    before: i64,
}

/// Where in an outbox something may be found.
#[derive(Debug, Default)]
pub(super) struct Floor {
    /// Nothing is to be found up to here.
    id: i64,
    /// Up to here only numbers that are missing may be found.
    relayed: i64,
    /// Numbers above the floor that were given and not seen: those of running transactions, and of some that were rolled back.
    missing: BTreeSet<i64>,
    last: i64,
    mark: Option<Mark>,
}

impl Floor {
    /// Numbers to ask for one by one.
    pub(super) fn missing(&self) -> Vec<i64> {
        self.missing.iter().copied().collect()
    }

    /// Above this number everything is to be asked for.
    pub(super) fn relayed(&self) -> i64 {
        self.relayed
    }

    /// Notes that the events of these numbers, in their order, were relayed, and with them all that is to be seen up to the last.
    pub(super) fn note(&mut self, numbers: &[i64]) {
        for number in numbers {
            if *number > self.relayed {
                if number.abs_diff(self.relayed) > MISSING_MAX as u64 {
                    return self.forget();
                }
                self.missing.extend(self.relayed + 1..*number);
                self.relayed = *number;
            } else {
                self.missing.remove(number);
            }
        }
        if self.missing.len() > MISSING_MAX {
            self.forget();
        }
    }

    /// Nothing is to be found up to a number that [`Floor::look`] returned: all that was seen then is relayed.
    pub(super) fn raise(&mut self, settled: i64) {
        self.id = settled.max(self.id);
        self.relayed = self.relayed.max(self.id);
        self.missing = self.missing.split_off(&(self.id + 1));
    }

    /// Too much is missing to be kept in mind: all above the floor is asked for.
    fn forget(&mut self) {
        self.relayed = self.id;
        self.missing.clear();
    }

    /// Up to which number nothing more will appear than what is seen after this. The caller raises the floor to it when all of
    /// that is relayed.
    pub(super) fn look(&mut self, seen: Seen) -> i64 {
        let settled = self.mark.filter(|mark| mark.before <= seen.running_from);
        if settled.is_some() || self.mark.is_none() {
            // A number may be given a moment before its transaction has one: it has by the next look.
            self.mark = Some(Mark { last: self.last, before: seen.next });
        }
        self.last = seen.last;
        settled.map_or(self.id, |mark| mark.last.max(self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(last: i64, running_from: i64, next: i64) -> Seen {
        Seen { last, running_from, next }
    }

    #[test]
    fn what_a_running_transaction_may_still_write_is_not_below_the_floor() {
        let mut floor = Floor::default();
        assert_eq!(floor.look(seen(10, 100, 105)), 0);
        // By now number 10 and below belong to transactions below 110, the oldest of which goes on.
        assert_eq!(floor.look(seen(20, 100, 110)), 0);
        assert_eq!(floor.look(seen(30, 104, 120)), 0);
        assert_eq!(floor.look(seen(40, 105, 130)), 0, "the first mark has nothing below it");
        assert_eq!(floor.look(seen(50, 129, 140)), 0);
        assert_eq!(floor.look(seen(60, 130, 150)), 30);
    }

    #[test]
    fn an_idle_outbox_is_empty_up_to_its_last_number() {
        let mut floor = Floor::default();
        for _ in 0..4 {
            let settled = floor.look(seen(7, 100, 100));
            floor.raise(settled);
        }
        assert_eq!((floor.id, floor.relayed()), (7, 7));
    }

    #[test]
    fn what_was_missing_is_asked_for_until_it_is_seen_or_settled() {
        let mut floor = Floor::default();
        floor.note(&[2, 3, 6]);
        assert_eq!((floor.missing(), floor.relayed()), (vec![1, 4, 5], 6));
        floor.note(&[4, 8]);
        assert_eq!((floor.missing(), floor.relayed()), (vec![1, 5, 7], 8));
        floor.raise(5);
        assert_eq!((floor.missing(), floor.relayed()), (vec![7], 8));
        floor.raise(4);
        assert_eq!(floor.id, 5, "it never falls");
    }

    #[test]
    fn too_much_to_keep_in_mind_is_asked_for_by_its_floor() {
        let mut floor = Floor::default();
        floor.note(&[1]);
        floor.raise(1);
        floor.note(&[2, 30_000]);
        assert_eq!((floor.missing(), floor.relayed()), (Vec::new(), 1));
        let every_second: Vec<_> = (1..=10_002).map(|number| number * 2).collect();
        floor.note(&every_second);
        assert_eq!((floor.missing(), floor.relayed()), (Vec::new(), 1));
    }
}
