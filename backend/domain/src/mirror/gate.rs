//! All that the gate knows of one show: its mirror, when there is one, and who was here before.

use super::{Claimed, Mirror, Remembered, Step};
use crate::id::{OwnerId, SeatId};

/// One show at the gate. An emptied Redis is the default: nothing is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gate {
    /// The picture.
    pub mirror: Option<Mirror>,
    /// Keyed owners that were let through.
    pub remembered: Remembered,
}

/// What somebody wants at the gate.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The hold it is for.
    pub owner: &'a OwnerId,
    /// Whether it may come again under the same key.
    pub keyed: bool,
    /// Distinct seats.
    pub seats: &'a [SeatId],
    /// Until when the claim waits for Postgres.
    pub deadline_ms: u64,
}

impl Gate {
    /// [`Mirror::claim`], where whoever was let through before is told so. Of keyed owners the latest `most` are remembered.
    pub fn claim(&mut self, request: Request<'_>, most: usize, now_ms: u64) -> (Claimed, Option<Step>) {
        let Request { owner, keyed, seats, deadline_ms } = request;
        let Some(mirror) = &mut self.mirror else { return (Claimed::Missing, None) };
        if keyed && self.remembered.knows(owner) {
            return (Claimed::Mine, None);
        }
        let (claimed, step) = mirror.claim(owner, seats, deadline_ms, now_ms);
        if keyed && claimed == Claimed::Pending {
            self.remembered.note(owner, now_ms, most);
        }
        (claimed, step)
    }

    /// [`Mirror::undo`]; the owner is forgotten too, for nothing came of it.
    pub fn undo(&mut self, owner: &OwnerId, seats: &[SeatId]) -> Option<Step> {
        self.remembered.forget(owner);
        self.mirror.as_mut().and_then(|mirror| mirror.undo(owner, seats))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_let_through_is_no_loser_the_second_time() {
        let owner = OwnerId::parse("a").unwrap();
        let seats = [SeatId::parse("A1").unwrap()];
        let request = Request { owner: &owner, keyed: true, seats: &seats, deadline_ms: 9 };
        let mut gate = Gate::default();
        assert_eq!(gate.claim(request, 5, 1).0, Claimed::Missing);
        gate.mirror = Some(Mirror::default());
        assert_eq!(gate.claim(request, 5, 1).0, Claimed::Pending);
        gate.mirror = Some(Mirror::default());
        assert_eq!(gate.claim(request, 5, 1).0, Claimed::Mine);
        gate.undo(&owner, &seats);
        assert_eq!(gate.claim(request, 5, 1).0, Claimed::Pending);
    }

    #[test]
    fn the_longest_gone_are_forgotten_first() {
        let mut remembered = Remembered::default();
        let owner = |name: &str| OwnerId::parse(name).unwrap();
        for (name, now_ms) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            remembered.note(&owner(name), now_ms, 2);
        }
        assert!(remembered.knows(&owner("a")) && remembered.knows(&owner("c")));
        assert!(!remembered.knows(&owner("b")));
    }
}
