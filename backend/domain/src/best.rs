//! The best seats for a party: candidates in order, of which the gate gives the first that is still free.
//!
//! Blocks are compared first by how many seats they would leave alone, then by how far their middle is from the best place
//! of the auditorium. Wheelchair and companion places are kept for those who ask for them: see [`Seating`].

use crate::hold::{Party, Seating};
use crate::orphans;
use crate::plan::taken::Taken;
use crate::plan::{Block, Plan, Point};
use crate::seat_map::SeatKind;

/// How many candidates there are at most: as many as a house of two hundred and fifty has blocks, so that a crowd that asks
/// in one instant finds other candidates in the same call.
pub const CANDIDATES_MAX: usize = 256;

/// The free blocks for a party, the best first; none when nothing is free together.
pub fn candidates(plan: &Plan, taken: &Taken, party: Party, seating: Seating) -> Vec<Block> {
    let mut ranked = match seating {
        Seating::Standard => by_place(plan, taken, party.size()),
        Seating::Accessible => accessible(plan, taken, party.size(), plan.ideal()),
    };
    ranked.truncate(CANDIDATES_MAX);
    ranked
}

/// The plan has its blocks in order of their places; those that leave seats alone go behind, in the same order.
fn by_place(plan: &Plan, taken: &Taken, size: usize) -> Vec<Block> {
    let mut by_orphans = [Vec::new(), Vec::new(), Vec::new()];
    for block in plan.blocks(size).filter(|block| taken.all_free(block.seats())) {
        by_orphans[orphans::count(plan, taken, block)].push(block);
    }
    by_orphans.concat()
}

/// Free blocks with room for a wheelchair: one place of that kind rather than more, its companion's beside it, then as
/// everybody's.
pub(crate) fn accessible(plan: &Plan, taken: &Taken, size: usize, near: Point) -> Vec<Block> {
    let free = plan.accessible_blocks(size).filter(|block| taken.all_free(block.seats()));
    let mut ranked: Vec<_> = free
        .map(|block| {
            let wheelchairs = block.seats().filter(|seat| plan.kind(*seat) == SeatKind::Wheelchair).count();
            let alone = size > 1 && !accompanied(plan, block);
            let key = (wheelchairs, alone, orphans::count(plan, taken, block));
            (key, plan.middle(block).distance(near), block)
        })
        .collect();
    ranked.sort_by(|(one, near, _), (other, far, _)| one.cmp(other).then(near.total_cmp(far)));
    ranked.into_iter().map(|(.., block)| block).collect()
}

/// Whether a companion's place is beside one for a wheelchair.
fn accompanied(plan: &Plan, block: Block) -> bool {
    let kinds: Vec<_> = block.seats().map(|seat| plan.kind(seat)).collect();
    kinds.windows(2).any(|pair| pair.contains(&SeatKind::Wheelchair) && pair.contains(&SeatKind::Companion))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::drawn::{house, names};

    fn party(size: usize) -> Party {
        Party::try_from(size).unwrap()
    }

    fn all(rows: &[&str], size: usize, seating: Seating) -> Vec<String> {
        let (plan, taken) = house(rows);
        let candidates = candidates(&plan, &taken, party(size), seating);
        candidates.into_iter().map(|block| names(&plan, block.seats())).collect()
    }

    fn best(rows: &[&str], size: usize) -> Option<String> {
        all(rows, size, Seating::Standard).into_iter().next()
    }

    #[test]
    fn the_best_seats_are_central_and_towards_the_back() {
        assert_eq!(best(&["oooooooo"; 7], 2).as_deref(), Some("E4 E5"));
        assert_eq!(best(&["oooooooo", "ooooooxo", "oooxxooo"], 2).as_deref(), Some("B3 B4"));
    }

    #[test]
    fn a_party_never_sits_across_an_aisle_or_on_places_that_are_kept() {
        assert_eq!(best(&["wcooo oooo"], 4).as_deref(), Some("A6 A7 A8 A9"));
        assert_eq!(best(&["wcooo oooo"], 5), None);
    }

    #[test]
    fn no_seat_is_left_alone_when_avoidable() {
        assert_eq!(best(&["ooooo"], 3).as_deref(), Some("A1 A2 A3"), "the middle would leave two");
        assert_eq!(best(&["oo", "xx", "oxo", "xoo"], 1).as_deref(), Some("C1"));
        assert_eq!(best(&["oooooo", "oooxxx", "oooxxx"], 2).as_deref(), Some("A3 A4"), "however far");
        assert_eq!(best(&["xooo"], 2).as_deref(), Some("A2 A3"), "unavoidable");
    }

    #[test]
    fn places_that_are_kept_go_to_who_asks_with_the_companion_beside() {
        let rows = ["ooooo", "wcooocw"];
        assert_eq!(all(&rows, 1, Seating::Accessible), ["B1", "B7"]);
        assert_eq!(all(&rows, 2, Seating::Accessible), ["B1 B2", "B6 B7"]);
        assert_eq!(all(&["wcwoo"], 2, Seating::Accessible), ["A2 A3", "A1 A2", "A3 A4"]);
        assert_eq!(all(&["wcwoo"], 3, Seating::Accessible), ["A2 A3 A4", "A3 A4 A5", "A1 A2 A3"]);
        assert_eq!(all(&["Wcooo"], 2, Seating::Accessible), [""; 0]);
    }

    proptest! {
        #[test]
        fn candidates_are_free_adjacent_as_many_as_asked_and_the_sparing_come_first(gone in proptest::collection::vec(any::<bool>(), 60), size in 1usize..=10) {
            let row = |y: usize| (0..12).map(|x| if x == 5 { ' ' } else if gone[y * 12 + x] { 'x' } else { 'o' }).collect::<String>();
            let rows: Vec<String> = (0..5).map(row).chain(["wcoooooocw".to_owned()]).collect();
            let (plan, taken) = house(&rows.iter().map(String::as_str).collect::<Vec<_>>());
            let found = candidates(&plan, &taken, party(size), Seating::Standard);
            for block in &found {
                prop_assert!(block.size == size && taken.all_free(block.seats()));
                let stretch = plan.stretch(block.first);
                prop_assert!(stretch.contains(&(block.first + size - 1)), "adjacent and standard");
            }
            let orphans: Vec<_> = found.iter().map(|block| orphans::count(&plan, &taken, *block)).collect();
            prop_assert!(orphans.is_sorted());
            let any = plan.stretches().iter().any(|stretch| (stretch.start..stretch.end).any(|first| first + size <= stretch.end && taken.all_free(first..first + size)));
            prop_assert_eq!(any, !found.is_empty());
            for block in candidates(&plan, &taken, party(size), Seating::Accessible) {
                prop_assert!(block.seats().any(|seat| plan.kind(seat) == SeatKind::Wheelchair));
                prop_assert!(taken.all_free(block.seats()));
            }
        }
    }
}
