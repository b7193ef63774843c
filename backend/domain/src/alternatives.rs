//! What to offer instead of seats that cannot be had: as many, free, near what was wanted.
//!
//! Each alternative is a list of seats that can be asked for by name. As long as there is a free block of that size they are
//! blocks; else parties are split, see [`split`].

mod split;

use crate::best;
use crate::hold::{Party, Seating};
use crate::orphans;
use crate::plan::taken::Taken;
use crate::plan::{Block, Plan, Point};
use crate::seat_map::SeatKind;

/// How many alternatives are offered.
pub const ALTERNATIVES_MAX: usize = 3;
/// A seat left alone weighs as much as this many seats to the side.
const ORPHAN_WEIGHT: f64 = 3.0;

/// What cannot be had.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    size: usize,
    seating: Seating,
    near: Point,
}

impl Wanted {
    /// Seats by number. Who wanted room for a wheelchair is offered room for a wheelchair.
    pub fn seats(plan: &Plan, seats: &[usize]) -> Self {
        let accessible = seats.iter().any(|seat| plan.kind(*seat) == SeatKind::Wheelchair);
        let seating = if accessible { Seating::Accessible } else { Seating::Standard };
        Self { size: seats.len(), seating, near: plan.middle_of(seats) }
    }

    /// The best for a party.
    pub fn best(plan: &Plan, party: Party, seating: Seating) -> Self {
        Self { size: party.size(), seating, near: plan.ideal() }
    }
}

/// Up to [`ALTERNATIVES_MAX`] choices, the nearest first, none sharing a seat with another. With the `orphan_rule` none
/// breaks it. Empty only when there are not as many seats, or none that obey.
pub fn alternatives(plan: &Plan, taken: &Taken, wanted: Wanted, orphan_rule: bool) -> Vec<Vec<usize>> {
    let together = match wanted.seating {
        Seating::Standard => standard(plan, taken, wanted, orphan_rule),
        Seating::Accessible => apart(best::accessible(plan, taken, wanted.size, wanted.near)),
    };
    if together.is_empty() {
        return split::split(plan, taken, wanted, orphan_rule);
    }
    together.into_iter().map(|block| block.seats().collect()).collect()
}

/// The nearest of all free blocks, then the nearest of those that do not touch it, and so on. Most requests lose and come
/// here: nothing is sorted.
fn standard(plan: &Plan, taken: &Taken, wanted: Wanted, orphan_rule: bool) -> Vec<Block> {
    let free = plan.blocks(wanted.size).filter(|block| taken.all_free(block.seats()));
    let open = free.filter(|block| !orphan_rule || orphans::allowed(plan, taken, *block));
    let mut left: Vec<(f64, Block)> = open
        .map(|block| {
            let orphans = orphans::count(plan, taken, block) as f64;
            (plan.middle(block).distance(wanted.near) + ORPHAN_WEIGHT * orphans, block)
        })
        .collect();
    let mut offered = Vec::with_capacity(ALTERNATIVES_MAX);
    while offered.len() < ALTERNATIVES_MAX
        && let Some((_, nearest)) = left.iter().copied().min_by(|(one, _), (other, _)| one.total_cmp(other))
    {
        offered.push(nearest);
        left.retain(|(_, block)| !block.overlaps(nearest));
    }
    offered
}

/// The first of ranked blocks that do not overlap.
fn apart(ranked: Vec<Block>) -> Vec<Block> {
    let mut offered: Vec<Block> = Vec::with_capacity(ALTERNATIVES_MAX);
    for block in ranked {
        if offered.len() < ALTERNATIVES_MAX && offered.iter().all(|other| !other.overlaps(block)) {
            offered.push(block);
        }
    }
    offered
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::drawn::{house, names, numbers};

    fn offered(rows: &[&str], wanted: &str, orphan_rule: bool) -> Vec<String> {
        let (plan, taken) = house(rows);
        let wanted = Wanted::seats(&plan, &numbers(&plan, wanted));
        let found = alternatives(&plan, &taken, wanted, orphan_rule);
        found.into_iter().map(|seats| names(&plan, seats)).collect()
    }

    fn best(rows: &[&str], size: usize, seating: Seating) -> Vec<String> {
        let (plan, taken) = house(rows);
        let wanted = Wanted::best(&plan, Party::try_from(size).unwrap(), seating);
        let found = alternatives(&plan, &taken, wanted, false);
        found.into_iter().map(|seats| names(&plan, seats)).collect()
    }

    #[test]
    fn they_are_near_what_was_wanted_and_share_no_seat() {
        let rows = ["oooooooo", "oooooooo", "xxoooooo"];
        assert_eq!(offered(&rows, "C1 C2", false), ["C3 C4", "B1 B2", "B3 B4"]);
        assert_eq!(offered(&["xxoo"], "A1 A2", false), ["A3 A4"]);
        assert_eq!(offered(&["xxxo"], "A1 A2", false), [""; 0], "one seat is not two");
    }

    #[test]
    fn with_the_rule_none_breaks_it() {
        let rows = ["xxxooo", "oooooo"];
        assert_eq!(offered(&rows, "A3", true), ["A4", "B3", "B4"]);
        let far = ["xoooo", "xxxxx", "xxxxx", "ooooo"];
        assert_eq!(offered(&far, "A1", false), ["A2", "A5", "A3"], "A2 would be alone");
        assert_eq!(offered(&far, "A1", true), ["A2", "A5", "D1"]);
    }

    #[test]
    fn a_party_is_split_only_when_nothing_is_free_together_and_into_as_few_as_can_be() {
        assert_eq!(best(&["ooxoo", "xoxxx", "xoxox"], 3, Seating::Standard), ["A1 A2 B2", "A4 A5 C4"]);
        assert_eq!(best(&["ooxoo"], 3, Seating::Standard), ["A1 A2 A4"], "two and one");
        assert_eq!(best(&["oooxooo"], 4, Seating::Standard), ["A2 A3 A5 A6"], "nobody sits alone");
        assert_eq!(best(&["oxoxo", "xxxxo"], 3, Seating::Standard), ["A1 A3 A5"]);
        assert_eq!(best(&["oxoxo"], 4, Seating::Standard), [""; 0]);
    }

    #[test]
    fn who_wants_room_for_a_wheelchair_is_offered_room_for_a_wheelchair() {
        let rows = ["oooooo", "Wcoocw"];
        assert_eq!(offered(&rows, "B1 B2", false), ["B5 B6"]);
        assert_eq!(best(&["wc ooo", "xx oxx"], 4, Seating::Accessible), ["A1 A2 A3 A4"]);
        assert_eq!(best(&["Wc ooo", "xx oxx"], 4, Seating::Accessible), [""; 0]);
    }

    proptest! {
        #[test]
        fn they_can_be_had_are_as_many_as_wanted_and_exist_when_there_are_as_many(
            gone in proptest::collection::vec(proptest::bool::weighted(0.7), 60),
            size in 1usize..=10,
            rule in any::<bool>(),
            accessible in any::<bool>(),
        ) {
            let row = |y: usize| (0..12).map(|x| match (y, x, gone[y * 12 + x]) {
                (_, 5, _) => ' ',
                (4, 0, gone) => if gone { 'W' } else { 'w' },
                (4, 1, gone) => if gone { 'C' } else { 'c' },
                (.., gone) => if gone { 'x' } else { 'o' },
            }).collect::<String>();
            let rows: Vec<String> = (0..5).map(row).collect();
            let (plan, taken) = house(&rows.iter().map(String::as_str).collect::<Vec<_>>());
            let seating = if accessible { Seating::Accessible } else { Seating::Standard };
            let found = alternatives(&plan, &taken, Wanted::best(&plan, Party::try_from(size).unwrap(), seating), rule);
            prop_assert!(found.len() <= ALTERNATIVES_MAX);
            let distinct: HashSet<_> = found.iter().flatten().collect();
            prop_assert_eq!(distinct.len(), found.len() * size);
            for seats in &found {
                prop_assert!(seats.iter().all(|seat| taken.free(*seat)));
                let of = |kind| seats.iter().filter(|seat| plan.kind(**seat) == kind).count();
                prop_assert_eq!(of(SeatKind::Wheelchair) > 0, accessible);
                prop_assert!(accessible || of(SeatKind::Companion) == 0);
                prop_assert!(!rule || orphans::judge(&plan, &taken, seats).is_none());
            }
            let free = (0..plan.capacity()).filter(|seat| taken.free(*seat) && plan.kind(*seat) == SeatKind::Standard).count();
            if !accessible && !rule {
                prop_assert_eq!(found.is_empty(), free < size);
            }
        }
    }
}
