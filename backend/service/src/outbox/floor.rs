//! Below which number an outbox is empty for good, so that no look begins among what was deleted since Postgres last swept.
//!
//! Numbers are given when events are written and seen when they are committed, in another order. But a number that was given
//! before some moment belongs to a transaction that was running by then; once all of those are over, whatever has a number as
//! small is there to be seen, or never will be.

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

/// Up to where an outbox is empty.
#[derive(Debug, Default)]
pub(super) struct Floor {
    /// Nothing is to be found up to here.
    pub(super) id: i64,
    last: i64,
    mark: Option<Mark>,
}

impl Floor {
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
            floor.id = floor.look(seen(7, 100, 100));
        }
        assert_eq!(floor.id, 7);
    }
}
