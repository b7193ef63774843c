//! Which of some free seats fit a wish, and which would help it once more are free.
//!
//! What fits some seats fits more: no choice depends on a seat that is free beside those it needs.

use std::cmp::Reverse;

use crate::best;
use crate::hold::Seating;
use crate::plan::taken::Taken;
use crate::plan::{Block, Plan, windows};
use crate::seat_map::SeatKind;

use super::Wish;

/// The seats that somebody is given, by number and in order, when there are enough.
pub fn fit(plan: &Plan, wish: &Wish, free: &Taken) -> Option<Vec<usize>> {
    let free = &wanted(plan, wish, free);
    let size = wish.party.size();
    let block = match wish.seating {
        Seating::Accessible => best::accessible(plan, free, size, plan.ideal()).into_iter().next(),
        Seating::Standard if wish.seats.is_empty() => {
            best::candidates(plan, free, wish.party, Seating::Standard).into_iter().next()
        }
        Seating::Standard => blocks(plan, wish).find(|block| free.all_free(block.seats())),
    };
    if let Some(block) = block {
        return Some(block.seats().collect());
    }
    if wish.together || wish.seating == Seating::Accessible {
        return None;
    }
    let seats: Vec<_> = usable(plan, wish).filter(|seat| free.free(*seat)).take(size).collect();
    (seats.len() == size).then_some(seats)
}

/// Those of some free seats that are worth keeping for somebody whom they do not fit: of a party that sits together those of one
/// block, the one that has the most of them, of others all they want.
pub fn useful(plan: &Plan, wish: &Wish, free: &Taken) -> Vec<usize> {
    let free = &wanted(plan, wish, free);
    if !wish.together && wish.seating == Seating::Standard {
        return usable(plan, wish).filter(|seat| free.free(*seat)).collect();
    }
    let gathered = |block: &Block| block.seats().filter(|seat| free.free(*seat)).count();
    // Of those with as many the first, which is the best.
    let block = blocks(plan, wish).min_by_key(|block| Reverse(gathered(block)));
    block.into_iter().flat_map(Block::seats).filter(|seat| free.free(*seat)).collect()
}

/// Seats that are part of what somebody may be given.
pub fn usable<'a>(plan: &'a Plan, wish: &'a Wish) -> impl Iterator<Item = usize> + 'a {
    (0..plan.capacity()).filter(|seat| wants(plan, wish, *seat))
}

/// Whether a seat may be part of what somebody is given.
pub fn wants(plan: &Plan, wish: &Wish, seat: usize) -> bool {
    let named = wish.seats.is_empty() || wish.seats.binary_search(plan.id(seat)).is_ok();
    let kind = match wish.seating {
        Seating::Accessible => true,
        Seating::Standard => !wish.seats.is_empty() || plan.kind(seat) == SeatKind::Standard,
    };
    named && kind
}

/// Every block that would do, the best first where they are ranked.
fn blocks<'a>(plan: &'a Plan, wish: &'a Wish) -> Box<dyn Iterator<Item = Block> + 'a> {
    let size = wish.party.size();
    let whole = move |block: &Block| block.seats().all(|seat| wants(plan, wish, seat));
    match wish.seating {
        Seating::Accessible => Box::new(plan.accessible_blocks(size).filter(whole)),
        Seating::Standard if wish.seats.is_empty() => Box::new(plan.blocks(size)),
        Seating::Standard => {
            Box::new(plan.spans().iter().flat_map(move |span| windows(span, size)).filter(whole))
        }
    }
}

/// What is free and wanted.
fn wanted(plan: &Plan, wish: &Wish, free: &Taken) -> Taken {
    let mut left = Taken::all(plan.capacity());
    for seat in usable(plan, wish).filter(|seat| free.free(*seat)) {
        left.release(seat);
    }
    left
}
