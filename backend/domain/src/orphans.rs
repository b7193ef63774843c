//! Seats left alone: the rule that some theaters have, and what to choose instead.
//!
//! A free standard seat is alone when both its neighbours are taken, or are no standard seats of the same stretch: hardly
//! anybody buys it. Wheelchair and companion places are never counted as alone, and a choice that has one of them is not
//! asked to avoid anything.

use std::ops::Range;

use crate::plan::taken::Taken;
use crate::plan::{Block, Plan, windows};
use crate::seat_map::SeatKind;

/// A choice that the rule refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphans {
    /// The seats it would leave alone.
    pub left: Vec<usize>,
    /// As many seats near it, in the same stretches, that leave none.
    pub instead: Vec<usize>,
}

/// How many seats a free block would leave alone that were not before.
pub fn count(plan: &Plan, taken: &Taken, block: Block) -> usize {
    let (before, after) = around(plan, taken, block);
    usize::from(before.is_some()) + usize::from(after.is_some())
}

/// Whether the rule lets somebody have a free block: it leaves none alone, or all of its size in its stretch would.
pub fn allowed(plan: &Plan, taken: &Taken, block: Block) -> bool {
    let kept = block.seats().any(|seat| plan.kind(seat) != SeatKind::Standard);
    kept || count(plan, taken, block) == 0
        || sparing(plan, taken, &plan.stretch(block.first), block).is_none()
}

/// Why the rule refuses a choice of free seats; nothing when it does not.
pub fn judge(plan: &Plan, taken: &Taken, choice: &[usize]) -> Option<Orphans> {
    if choice.iter().any(|seat| plan.kind(*seat) != SeatKind::Standard || !taken.free(*seat)) {
        return None;
    }
    let mut after = taken.clone();
    for seat in choice {
        after.take(*seat);
    }
    let mut orphans = Orphans { left: Vec::new(), instead: Vec::new() };
    for (stretch, own) in by_stretch(plan, choice) {
        let left: Vec<_> = beside(&own, &stretch).filter(|seat| alone(&after, &stretch, *seat)).collect();
        let whole = Block { first: own[0], size: own.len() };
        match sparing(plan, taken, &stretch, whole) {
            Some(better) if !left.is_empty() => {
                orphans.left.extend(left);
                orphans.instead.extend(better.seats());
            }
            _ => orphans.instead.extend(own),
        }
    }
    (!orphans.left.is_empty()).then_some(orphans)
}

/// The seats of a choice, stretch by stretch, from left to right.
fn by_stretch(plan: &Plan, choice: &[usize]) -> Vec<(Range<usize>, Vec<usize>)> {
    let mut sorted = choice.to_vec();
    sorted.sort_unstable();
    let parts = sorted.chunk_by(|a, b| plan.stretch(*a) == plan.stretch(*b));
    parts.map(|part| (plan.stretch(part[0]), part.to_vec())).collect()
}

/// The seats of a stretch that have one of `own` beside them, each once.
fn beside(own: &[usize], stretch: &Range<usize>) -> impl Iterator<Item = usize> {
    stretch.clone().filter(|seat| {
        own.contains(&(seat + 1)) || seat.checked_sub(1).is_some_and(|left| own.contains(&left))
    })
}

/// The block of that size in a stretch that leaves none alone and is nearest to one that may.
fn sparing(plan: &Plan, taken: &Taken, stretch: &Range<usize>, block: Block) -> Option<Block> {
    windows(stretch, block.size)
        .filter(|other| taken.all_free(other.seats()) && count(plan, taken, *other) == 0)
        .min_by_key(|other| other.first.abs_diff(block.first))
}

/// The seats left alone before and after a free block.
fn around(plan: &Plan, taken: &Taken, block: Block) -> (Option<usize>, Option<usize>) {
    let Range { start: first, end } = block.seats();
    let (left, right) = (plan.stretch(first), plan.stretch(end - 1));
    let before = (first > left.start && !left.is_empty())
        .then(|| first - 1)
        .filter(|seat| taken.free(*seat) && (*seat == left.start || !taken.free(seat - 1)));
    let after = (end < right.end)
        .then_some(end)
        .filter(|seat| taken.free(*seat) && (seat + 1 == right.end || !taken.free(seat + 1)));
    (before, after)
}

fn alone(taken: &Taken, stretch: &Range<usize>, seat: usize) -> bool {
    let closed_left = seat == stretch.start || !taken.free(seat - 1);
    let closed_right = seat + 1 == stretch.end || !taken.free(seat + 1);
    taken.free(seat) && closed_left && closed_right
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::drawn::{house, names, numbers};

    /// What is left alone, and the fix.
    fn judged(rows: &[&str], choice: &str) -> Option<(String, String)> {
        let (plan, taken) = house(rows);
        let orphans = judge(&plan, &taken, &numbers(&plan, choice))?;
        Some((names(&plan, orphans.left), names(&plan, orphans.instead)))
    }

    macro_rules! refused {
        ($left:literal, $instead:literal) => {
            Some(($left.to_owned(), $instead.to_owned()))
        };
    }

    #[test]
    fn a_seat_at_the_edge_at_the_aisle_or_beside_a_taken_one_is_not_left_alone() {
        assert_eq!(judged(&["ooooo"], "A2 A3"), refused!("A1", "A1 A2"));
        assert_eq!(judged(&["oooo oo"], "A2 A3"), refused!("A1 A4", "A1 A2"));
        assert_eq!(judged(&["xoooo"], "A3 A4"), refused!("A2 A5", "A2 A3"));
    }

    #[test]
    fn a_place_that_is_kept_is_an_edge_and_never_alone() {
        assert_eq!(judged(&["wcoooo"], "A4"), refused!("A3", "A3"));
        assert_eq!(judged(&["wcoo"], "A3 A4"), None, "the companion's place may stay alone");
        assert_eq!(judged(&["wcooo"], "A2 A4"), None, "who takes a kept place avoids nothing");
    }

    #[test]
    fn what_cannot_be_avoided_is_allowed() {
        assert_eq!(judged(&["ooo"], "A1 A2"), None, "every two of three leave one");
        assert_eq!(judged(&["xooox"], "A3"), refused!("A2 A4", "A2"));
        assert_eq!(judged(&["oo"], "A1"), None);
        assert_eq!(judged(&["oo"], "A1 A2"), None, "the last ones");
        assert_eq!(judged(&["xox"], "A2"), None);
    }

    #[test]
    fn what_was_alone_before_is_nobodys_fault_and_what_is_not_free_is_the_gates_to_say() {
        assert_eq!(judged(&["xoxoo"], "A4 A5"), None);
        assert_eq!(judged(&["oxooo"], "A2 A4"), None);
    }

    #[test]
    fn only_the_part_that_leaves_one_alone_is_changed() {
        assert_eq!(judged(&["oooo", "oooo"], "A1 A2 B2 B3"), refused!("B1 B4", "A1 A2 B1 B2"));
        assert_eq!(judged(&["oooooo"], "A1 A3"), refused!("A2", "A1 A2"), "a gap between one's own");
    }

    proptest! {
        #[test]
        fn what_is_offered_instead_is_free_as_many_and_refused_no_more(gone in proptest::collection::vec(any::<bool>(), 24), picks in proptest::collection::vec(any::<bool>(), 24)) {
            let row = |from: usize| (from..from + 12).map(|at| if at % 12 == 7 { ' ' } else if gone[at] { 'x' } else { 'o' }).collect::<String>();
            let (plan, taken) = house(&[&row(0), &row(12)]);
            let choice: Vec<_> = (0..plan.capacity()).filter(|seat| picks[*seat] && taken.free(*seat)).take(10).collect();
            if let Some(Orphans { left, instead }) = judge(&plan, &taken, &choice) {
                prop_assert!(left.iter().all(|seat| taken.free(*seat) && !choice.contains(seat)));
                prop_assert_eq!(instead.len(), choice.len());
                prop_assert!(instead.iter().all(|seat| taken.free(*seat)));
                prop_assert_eq!(judge(&plan, &taken, &instead), None);
            }
            for block in plan.blocks(2).filter(|block| taken.all_free(block.seats())) {
                let seats: Vec<_> = block.seats().collect();
                prop_assert_eq!(allowed(&plan, &taken, block), judge(&plan, &taken, &seats).is_none());
            }
        }
    }
}
