//! The gate's picture of one show: who may go on to Postgres, and what everybody sees.
//!
//! `reservations/src/gate/*.lua` say the same in Lua, and a test of reservations compares the two. Nothing here is believed
//! where Postgres says otherwise. Times are milliseconds of Redis' clock.

pub mod gate;
pub mod remembered;
pub mod seat;

use std::collections::BTreeMap;

pub use remembered::Remembered;
pub use seat::{Kind, MirrorSeat, SWEPT_WITHIN_MS};

use crate::id::{OwnerId, SeatId};
use crate::live::Seats;
use crate::status::SeatStatus;

/// One show's mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirror {
    /// Grows by one with every frame.
    pub version: u64,
    /// Whether lapsed holds belong to the waiting list.
    pub queue_open: bool,
    /// Every seat that was ever claimed.
    pub seats: BTreeMap<SeatId, MirrorSeat>,
}

/// What the gate says to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Go on to Postgres.
    Pending,
    /// This owner was here before: the request is a repetition.
    Mine,
    /// These are somebody else's.
    Taken(Vec<SeatId>),
    /// The show has no mirror: load it and ask again.
    Missing,
}

/// One version on: the frame that tells every watcher what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The version it leads to.
    pub version: u64,
    /// What changes.
    pub changes: Seats,
}

/// A seat that the mirror shows wrongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Which.
    pub seat: SeatId,
    /// What the mirror says; nothing when it does not know the seat.
    pub seen: Option<MirrorSeat>,
    /// What Postgres says.
    pub right: MirrorSeat,
}

impl Mirror {
    /// Begins a mirror anew, unless a later epoch's is there. Says whether `loaded` was taken.
    pub fn load(place: &mut Option<Self>, loaded: Self) -> bool {
        let later = place.as_ref().is_none_or(|old| old.version < loaded.version);
        if later {
            *place = Some(loaded);
        }
        later
    }

    /// Claims seats for `owner`, all or none, until `deadline_ms`: Postgres confirms before ([`Mirror::apply`]) or refuses
    /// ([`Mirror::undo`]), or else the claim lapses. What has lapsed is free, but for a hold that belongs to the queue.
    pub fn claim(
        &mut self,
        owner: &OwnerId,
        seats: &[SeatId],
        deadline_ms: u64,
        now_ms: u64,
    ) -> (Claimed, Option<Step>) {
        let known = |seat: &SeatId| self.seats.get(seat);
        if seats.iter().filter_map(known).any(|seat| seat.belongs_to(owner)) {
            return (Claimed::Mine, None);
        }
        let free =
            |seat: &SeatId| known(seat).is_none_or(|seat| seat.free_for_claim(now_ms, self.queue_open));
        let lost: Vec<_> = seats.iter().filter(|seat| !free(seat)).cloned().collect();
        if !lost.is_empty() {
            return (Claimed::Taken(lost), None);
        }
        let deadline_ms = i64::try_from(deadline_ms).unwrap_or(i64::MAX);
        for seat in seats {
            let token = self.seats.get(seat).map_or(0, |seat| seat.token);
            let pending = MirrorSeat { kind: Kind::Pending, token, deadline_ms, owner: owner.to_string() };
            self.seats.insert(seat.clone(), pending);
        }
        (Claimed::Pending, self.publish(seats.iter().map(|seat| (seat.clone(), SeatStatus::Held)).collect()))
    }

    /// Takes back what is still pending for `owner`.
    pub fn undo(&mut self, owner: &OwnerId, seats: &[SeatId]) -> Option<Step> {
        let mut changes = Seats::new();
        for seat in seats {
            if let Some(known) = self.seats.get_mut(seat)
                && known.kind == Kind::Pending
                && known.belongs_to(owner)
            {
                *known = MirrorSeat { token: known.token, ..MirrorSeat::never_claimed() };
                changes.insert(seat.clone(), SeatStatus::Free);
            }
        }
        self.publish(changes)
    }

    /// Makes seats what Postgres says they are, unless that is old news. Returns how many changed.
    ///
    /// What had lapsed may have been shown as free, so its next status is published even when it is held again.
    pub fn apply(&mut self, facts: &[(SeatId, MirrorSeat)], now_ms: u64) -> (usize, Option<Step>) {
        let mut changes = Seats::new();
        let mut count = 0;
        for (seat, new) in facts {
            let old = self.seats.get(seat).cloned().unwrap_or_else(MirrorSeat::never_claimed);
            if !newer(new, &old) {
                continue;
            }
            count += 1;
            let lapsed = old.kind.status() == SeatStatus::Held && old.lapsed(now_ms);
            if lapsed || new.kind.status() != old.kind.status() {
                changes.insert(seat.clone(), new.kind.status());
            }
            self.seats.insert(seat.clone(), new.clone());
        }
        (count, self.publish(changes))
    }

    /// Replaces what is wrong and still as it was seen. Returns how many were.
    pub fn mend(&mut self, drifts: &[Drift]) -> (usize, Option<Step>) {
        let mut changes = Seats::new();
        for drift in drifts {
            if self.seats.get(&drift.seat) == drift.seen.as_ref() {
                self.seats.insert(drift.seat.clone(), drift.right.clone());
                changes.insert(drift.seat.clone(), drift.right.kind.status());
            }
        }
        (changes.len(), self.publish(changes))
    }

    /// All that is not free for a buyer who looks at `now_ms`.
    pub fn picture(&self, now_ms: u64) -> Seats {
        let status = |seat: &MirrorSeat| seat.status(now_ms, self.queue_open);
        let seats = self.seats.iter().map(|(id, seat)| (id.clone(), status(seat)));
        seats.filter(|(_, status)| *status != SeatStatus::Free).collect()
    }

    /// When [`Mirror::picture`] becomes another one although nobody changes the mirror; nothing when it never does.
    pub fn turns_at(&self, now_ms: u64) -> Option<u64> {
        let turns = self.seats.values().filter_map(|seat| seat.turns_at(self.queue_open));
        turns.filter(|at| *at > now_ms).min()
    }

    /// Where the mirror differs from what Postgres says. A claim that is pending does not: it is decided, or lapses, in a moment.
    pub fn drifts(&self, mut right: BTreeMap<SeatId, MirrorSeat>, now_ms: u64) -> Vec<Drift> {
        let mut drifts = Vec::new();
        for (seat, seen) in &self.seats {
            let right = right.remove(seat).unwrap_or_else(MirrorSeat::never_claimed);
            let pending = seen.kind == Kind::Pending && !seen.lapsed(now_ms);
            if *seen != right && !pending {
                drifts.push(Drift { seat: seat.clone(), seen: Some(seen.clone()), right });
            }
        }
        let unknown = right.into_iter().filter(|(_, right)| right.kind != Kind::Free);
        drifts.extend(unknown.map(|(seat, right)| Drift { seat, seen: None, right }));
        drifts
    }

    fn publish(&mut self, changes: Seats) -> Option<Step> {
        if changes.is_empty() {
            return None;
        }
        self.version += 1;
        Some(Step { version: self.version, changes })
    }
}

/// A larger token is news. Under the same token the later kind is, and a hold or an escrow with a later deadline: it was extended.
fn newer(new: &MirrorSeat, old: &MirrorSeat) -> bool {
    let extendable = matches!(new.kind, Kind::Held | Kind::Escrow);
    let extended = extendable && new.kind == old.kind && new.deadline_ms > old.deadline_ms;
    new.token > old.token || (new.token == old.token && (new.kind.rank() > old.kind.rank() || extended))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(name: &str) -> SeatId {
        SeatId::parse(name).unwrap()
    }

    fn owner(name: &str) -> OwnerId {
        OwnerId::parse(name).unwrap()
    }

    fn with(seats: &[(&str, &str)]) -> Mirror {
        let read = |(name, text): &(&str, &str)| (seat(name), MirrorSeat::parse(text).unwrap());
        Mirror { version: 7, queue_open: false, seats: seats.iter().map(read).collect() }
    }

    fn text(mirror: &Mirror, name: &str) -> String {
        mirror.seats[&seat(name)].to_string()
    }

    #[test]
    fn a_claim_is_all_or_none() {
        let mut mirror = with(&[("A1", "h:3:1000:a")]);
        let both = [seat("A1"), seat("A2")];
        let (lost, frame) = mirror.claim(&owner("b"), &both, 2_500, 500);
        assert_eq!((lost, frame, mirror.seats.len()), (Claimed::Taken(vec![seat("A1")]), None, 1));
        assert_eq!(mirror.claim(&owner("a"), &both, 2_500, 500).0, Claimed::Mine);
        let (got, frame) = mirror.claim(&owner("b"), &both, 3_000, 1_000);
        assert_eq!((got, frame.unwrap().version), (Claimed::Pending, 8));
        assert_eq!((text(&mirror, "A1"), text(&mirror, "A2")), ("p:3:3000:b".into(), "p:0:3000:b".into()));
    }

    #[test]
    fn with_the_queue_open_a_lapsed_hold_is_not_for_the_street() {
        let mut mirror = with(&[("A1", "h:3:1000:a"), ("A2", "e:4:1000:q"), ("A3", "p:0:1000:dead")]);
        mirror.queue_open = true;
        let claim = |name| mirror.clone().claim(&owner("b"), &[seat(name)], 9_000, 5_000).0;
        assert_eq!(claim("A1"), Claimed::Taken(vec![seat("A1")]));
        assert_eq!((claim("A2"), claim("A3")), (Claimed::Pending, Claimed::Pending));
    }

    #[test]
    fn only_what_is_pending_is_undone() {
        let mut mirror = with(&[("A1", "p:3:1000:a"), ("A2", "h:4:1000:a"), ("A3", "p:0:1000:b")]);
        let frame = mirror.undo(&owner("a"), &[seat("A1"), seat("A2"), seat("A3")]).unwrap();
        assert_eq!(frame.changes, Seats::from([(seat("A1"), SeatStatus::Free)]));
        assert_eq!((text(&mirror, "A1"), text(&mirror, "A2")), ("f:3:0:".into(), "h:4:1000:a".into()));
    }

    #[test]
    fn old_news_changes_nothing() {
        let apply = |old: &str, new: &str| {
            let mut mirror = with(&[("A1", old)]);
            mirror.apply(&[(seat("A1"), MirrorSeat::parse(new).unwrap())], 500);
            text(&mirror, "A1") == new
        };
        assert!(!apply("b:7:0:a", "h:6:1000:b") && !apply("b:7:0:a", "h:7:1000:a"));
        assert!(apply("b:7:0:a", "f:7:0:") && !apply("f:7:0:", "b:7:0:a"));
        assert!(apply("p:7:1000:b", "h:8:1000:b") && !apply("p:7:1000:b", "f:7:0:"));
    }

    #[test]
    fn an_extended_hold_has_its_new_deadline_and_no_version() {
        let mut mirror = with(&[("A1", "h:3:1000:a")]);
        let later = [(seat("A1"), MirrorSeat::parse("h:3:2000:a").unwrap())];
        assert_eq!(mirror.clone().apply(&later, 999), (1, None));
        assert_eq!(mirror.apply(&later, 1_000).1.map(|frame| frame.version), Some(8));
        let earlier = [(seat("A1"), MirrorSeat::parse("h:3:1500:a").unwrap())];
        assert_eq!(mirror.apply(&earlier, 999), (0, None));
    }

    #[test]
    fn only_a_later_epoch_replaces_a_mirror() {
        let mut place = None;
        assert!(Mirror::load(&mut place, with(&[])));
        assert!(!Mirror::load(&mut place, with(&[("A1", "b:1:0:a")])));
        assert!(Mirror::load(&mut place, Mirror { version: 8, ..Mirror::default() }));
    }

    #[test]
    fn drift_is_mended_where_it_is_still_as_seen() {
        let mut mirror = with(&[("A1", "h:3:1000:a"), ("A2", "p:0:9000:b")]);
        let right = BTreeMap::from([(seat("A3"), MirrorSeat::parse("b:5:0:c").unwrap())]);
        let drifts = mirror.drifts(right, 500);
        assert_eq!(drifts.len(), 2);
        mirror.seats.insert(seat("A1"), MirrorSeat::parse("h:6:9000:d").unwrap());
        assert_eq!(mirror.mend(&drifts).0, 1);
        assert_eq!(text(&mirror, "A3"), "b:5:0:c");
    }

    /// Whoever keeps a picture until then, and is told of every change, never shows another one.
    #[test]
    fn a_picture_stays_as_it_is_until_it_turns() {
        let seats = [
            ("A1", "p:0:1000:x"),
            ("A2", "h:1:2000:x"),
            ("A3", "e:2:3000:x"),
            ("A4", "b:3:0:x"),
            ("A5", "f:4:0:"),
            ("A6", "h:5:0:x"),
        ];
        for queue_open in [false, true] {
            let mirror = Mirror { queue_open, ..with(&seats) };
            let turns: Vec<_> =
                std::iter::successors(mirror.turns_at(0), |at| mirror.turns_at(*at)).collect();
            let lapsed =
                |deadlines: &[u64]| deadlines.iter().map(|at| at + SWEPT_WITHIN_MS).collect::<Vec<_>>();
            assert_eq!(
                turns,
                if queue_open { lapsed(&[1_000, 3_000]) } else { lapsed(&[0, 1_000, 2_000, 3_000]) }
            );
            for now in 0..8_000 {
                let turned = mirror.picture(now) != mirror.picture(now + 1);
                assert_eq!(turned, mirror.turns_at(now) == Some(now + 1), "at {now}");
            }
        }
    }
}
