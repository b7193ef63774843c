//! The best seats for a party, and what to offer instead of seats that are gone.
//!
//! A block is as many adjacent places in one row as the party has people. Blocks are compared by how far their middle is
//! from the best place of the auditorium (the centre, two thirds back), with a penalty for leaving one seat alone
//! between neighbours. Wheelchair and companion places are kept for those who name them.

use std::collections::HashSet;

use crate::hold::Party;
use crate::id::SeatId;
use crate::seat_map::{Row, Seat, SeatKind, SeatMap};

/// How many alternatives are offered.
pub const ALTERNATIVES_MAX: usize = 3;
/// A row to the front or back weighs as much as this many seats to the side.
const ROW_WEIGHT: f64 = 2.0;
/// A seat left alone weighs as much as this many seats to the side.
const ORPHAN_WEIGHT: f64 = 3.0;

/// The best free block for `party`, if there is one.
pub fn best(map: &SeatMap, free: impl Fn(&SeatId) -> bool, party: Party) -> Option<Vec<SeatId>> {
    let ideal = ideal(map)?;
    let blocks = blocks(map, &free, party.size());
    blocks.into_iter().min_by(|a, b| a.cost(ideal).total_cmp(&b.cost(ideal))).map(Block::into_ids)
}

/// Up to [`ALTERNATIVES_MAX`] free blocks as large as `wanted` and near it, none sharing a seat.
pub fn alternatives(map: &SeatMap, free: impl Fn(&SeatId) -> bool, wanted: &[SeatId]) -> Vec<Vec<SeatId>> {
    let Some(near) = middle(map, wanted) else {
        return Vec::new();
    };
    let mut blocks = blocks(map, &free, wanted.len());
    blocks.sort_by(|a, b| a.cost(near).total_cmp(&b.cost(near)));
    let mut used = HashSet::new();
    let mut offered = Vec::new();
    for block in blocks {
        if offered.len() == ALTERNATIVES_MAX {
            break;
        }
        if block.seats.iter().all(|seat| !used.contains(&seat.id)) {
            used.extend(block.seats.iter().map(|seat| seat.id.clone()));
            offered.push(block.into_ids());
        }
    }
    offered
}

/// Adjacent free seats in one row.
struct Block<'map> {
    seats: &'map [Seat],
    orphans: u8,
}

impl Block<'_> {
    fn cost(&self, (x, y): (f64, f64)) -> f64 {
        let (Some(first), Some(last)) = (self.seats.first(), self.seats.last()) else {
            return f64::MAX;
        };
        let middle = f64::midpoint(f64::from(first.x), f64::from(last.x));
        (middle - x).abs()
            + ROW_WEIGHT * (f64::from(first.y) - y).abs()
            + ORPHAN_WEIGHT * f64::from(self.orphans)
    }

    fn into_ids(self) -> Vec<SeatId> {
        self.seats.iter().map(|seat| seat.id.clone()).collect()
    }
}

fn blocks<'map>(map: &'map SeatMap, free: &impl Fn(&SeatId) -> bool, size: usize) -> Vec<Block<'map>> {
    if size == 0 {
        return Vec::new();
    }
    map.rows.iter().flat_map(|row| runs(row, free)).flat_map(|run| cut(run, size)).collect()
}

/// The longest stretches of adjacent free standard seats.
fn runs<'map>(row: &'map Row, free: &impl Fn(&SeatId) -> bool) -> Vec<&'map [Seat]> {
    let usable = |seat: &Seat| seat.kind == SeatKind::Standard && free(&seat.id);
    let joined = row.seats.chunk_by(|a, b| b.x == a.x + 1 && usable(a) == usable(b));
    joined.filter(|run| run.first().is_some_and(usable)).collect()
}

/// Every block of `size` in a run, with the seats it would leave alone at the run's ends.
fn cut(run: &[Seat], size: usize) -> impl Iterator<Item = Block<'_>> {
    run.windows(size).enumerate().map(move |(before, seats)| {
        let after = run.len() - before - size;
        Block { seats, orphans: u8::from(before == 1) + u8::from(after == 1) }
    })
}

fn ideal(map: &SeatMap) -> Option<(f64, f64)> {
    let (left, right) = (map.seats().map(|seat| seat.x).min()?, map.seats().map(|seat| seat.x).max()?);
    let (front, back) = (map.seats().map(|seat| seat.y).min()?, map.seats().map(|seat| seat.y).max()?);
    let depth = f64::from(back) - f64::from(front);
    Some((f64::midpoint(f64::from(left), f64::from(right)), f64::from(front) + depth * 2.0 / 3.0))
}

fn middle(map: &SeatMap, wanted: &[SeatId]) -> Option<(f64, f64)> {
    let wanted: HashSet<_> = wanted.iter().collect();
    let found: Vec<_> = map.seats().filter(|seat| wanted.contains(&seat.id)).collect();
    let count = found.len() as f64;
    let sum = |of: fn(&Seat) -> u16| found.iter().map(|seat| f64::from(of(seat))).sum::<f64>();
    (!found.is_empty()).then(|| (sum(|seat| seat.x) / count, sum(|seat| seat.y) / count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows `A`… of `width` seats with an aisle after column 5; the last row begins with a wheelchair place and its companion.
    fn map(rows: u16, width: u16) -> SeatMap {
        let seat = |y: u16, x: u16| Seat {
            id: SeatId::parse(format!("{}{}", (b'A' + y as u8) as char, x + 1)).unwrap(),
            x: if x < 5 { x } else { x + 2 },
            y,
            kind: match (y + 1 == rows, x) {
                (true, 0) => SeatKind::Wheelchair,
                (true, 1) => SeatKind::Companion,
                _ => SeatKind::Standard,
            },
        };
        let row = |y| Row { label: format!("{y}"), seats: (0..width).map(|x| seat(y, x)).collect() };
        SeatMap { rows: (0..rows).map(row).collect() }
    }

    fn ids(seats: &[&str]) -> Vec<SeatId> {
        seats.iter().map(|seat| SeatId::parse(seat).unwrap()).collect()
    }

    fn party(size: usize) -> Party {
        Party::try_from(size).unwrap()
    }

    #[test]
    fn the_best_seats_are_central_and_towards_the_back() {
        let map = map(7, 15);
        assert_eq!(best(&map, |_| true, party(2)), Some(ids(&["E6", "E7"])));
    }

    #[test]
    fn a_party_never_sits_across_an_aisle_or_on_special_places() {
        let map = map(1, 9);
        assert_eq!(best(&map, |_| true, party(3)), Some(ids(&["A3", "A4", "A5"])));
        assert_eq!(best(&map, |_| true, party(5)), None);
    }

    #[test]
    fn no_seat_is_left_alone_when_avoidable() {
        let map = map(2, 5);
        // Row A is better in the middle (A2–A4 leaves two alone), yet an end leaves two together.
        let picked = best(&map, |seat| seat.as_str().starts_with('A'), party(3)).unwrap();
        assert!(picked == ids(&["A1", "A2", "A3"]) || picked == ids(&["A3", "A4", "A5"]), "{picked:?}");
    }

    proptest! {
        #[test]
        fn what_is_picked_is_free_adjacent_standard_and_as_many_as_asked(taken in proptest::collection::hash_set(0usize..60, 0..60), size in 1usize..=10) {
            let map = map(5, 12);
            let all: Vec<_> = map.seats().cloned().collect();
            let free = |id: &SeatId| !all.iter().position(|seat| seat.id == *id).is_some_and(|at| taken.contains(&at));
            if let Some(picked) = best(&map, free, party(size)) {
                let seats: Vec<_> = all.iter().filter(|seat| picked.contains(&seat.id)).collect();
                prop_assert_eq!(seats.len(), size);
                prop_assert!(seats.iter().all(|seat| free(&seat.id) && seat.kind == SeatKind::Standard));
                prop_assert!(seats.windows(2).all(|pair| pair[0].y == pair[1].y && pair[1].x == pair[0].x + 1));
            }
            let wanted: Vec<_> = all.iter().take(size).map(|seat| seat.id.clone()).collect();
            let offered = alternatives(&map, free, &wanted);
            let distinct: HashSet<_> = offered.iter().flatten().collect();
            prop_assert_eq!(distinct.len(), offered.iter().map(Vec::len).sum::<usize>());
            prop_assert!(offered.len() <= ALTERNATIVES_MAX && offered.iter().flatten().all(free));
        }
    }
}
