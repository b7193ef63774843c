//! Which seats a person picks from what the map shows: some free block, nearer the middle rather than not.

use domain::id::SeatId;
use domain::live::Seats;
use domain::seat_map::{Row, Seat, SeatKind, SeatMap};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

/// Blocks that somebody looks at before they decide.
const LOOKED_AT: usize = 3;

/// Free seats for a party: adjacent if there are such, else anywhere; nothing when there are not as many.
pub(super) fn pick(
    map: &SeatMap,
    taken: &Seats,
    party: usize,
    chance: &mut Xoshiro256PlusPlus,
) -> Option<Vec<SeatId>> {
    let blocks = blocks(map, taken, party);
    if blocks.is_empty() {
        return scattered(map, taken, party, chance);
    }
    let looked_at = (0..LOOKED_AT).map(|_| blocks[chance.random_range(0..blocks.len())]);
    let nearest = looked_at.min_by_key(|block| from_middle(map, block))?;
    Some(nearest.iter().map(|seat| seat.id.clone()).collect())
}

/// How many seats a person could still have.
pub(super) fn free(map: &SeatMap, taken: &Seats) -> usize {
    map.seats().filter(|seat| usable(seat, taken)).count()
}

/// Wheelchair places and those beside them are kept for who needs them.
fn usable(seat: &Seat, taken: &Seats) -> bool {
    seat.kind == SeatKind::Standard && !taken.contains_key(&seat.id)
}

fn blocks<'map>(map: &'map SeatMap, taken: &Seats, party: usize) -> Vec<&'map [Seat]> {
    let windows = |row: &'map Row| row.seats.windows(party.max(1));
    let adjacent = |block: &&[Seat]| block.windows(2).all(|pair| pair[1].x == pair[0].x + 1);
    let free = |block: &&[Seat]| block.iter().all(|seat| usable(seat, taken));
    map.rows.iter().flat_map(windows).filter(adjacent).filter(free).collect()
}

fn scattered(
    map: &SeatMap,
    taken: &Seats,
    party: usize,
    chance: &mut Xoshiro256PlusPlus,
) -> Option<Vec<SeatId>> {
    let mut free: Vec<&Seat> = map.seats().filter(|seat| usable(seat, taken)).collect();
    if free.len() < party {
        return None;
    }
    let draw = |_| free.swap_remove(chance.random_range(0..free.len())).id.clone();
    Some((0..party).map(draw).collect())
}

/// Twice the distance, in seat widths and rows, to the middle of the auditorium.
fn from_middle(map: &SeatMap, block: &[Seat]) -> u32 {
    let (Some(first), Some(last)) = (block.first(), block.last()) else { return u32::MAX };
    let width = map.seats().map(|seat| seat.x).max().unwrap_or_default();
    let depth = map.seats().map(|seat| seat.y).max().unwrap_or_default();
    u32::from((first.x + last.x).abs_diff(width)) + u32::from((2 * first.y).abs_diff(depth))
}

#[cfg(test)]
mod tests {
    use domain::status::SeatStatus;
    use rand::SeedableRng;

    use super::*;

    fn map(rows: u16, seats: u16) -> SeatMap {
        let row = |y: u16| {
            let label = char::from(b'A' + y as u8).to_string();
            let seat = |x: u16| Seat {
                id: SeatId::parse(format!("{label}{}", x + 1)).unwrap(),
                // An aisle after the fifth seat, and room for a wheelchair at the end.
                x: x + u16::from(x >= 5),
                y,
                kind: if x + 1 == seats { SeatKind::Wheelchair } else { SeatKind::Standard },
            };
            Row { seats: (0..seats).map(seat).collect(), label }
        };
        SeatMap { rows: (0..rows).map(row).collect() }
    }

    fn all_but(map: &SeatMap, free: &[&str]) -> Seats {
        let taken = map.seats().filter(|seat| !free.contains(&seat.id.as_str()));
        taken.map(|seat| (seat.id.clone(), SeatStatus::Booked)).collect()
    }

    fn chance() -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(1)
    }

    fn names(picked: Option<Vec<SeatId>>) -> Vec<String> {
        let mut names: Vec<_> = picked.unwrap().iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn a_block_is_free_adjacent_and_as_large_as_the_party() {
        let map = map(4, 10);
        let mut chance = chance();
        let taken = all_but(&map, &["A1", "A2", "A3", "B5", "B6", "C7", "C8"]);
        for _ in 0..50 {
            let picked = names(pick(&map, &taken, 2, &mut chance));
            // B5 and B6 have the aisle between them.
            assert!(
                [["A1", "A2"], ["A2", "A3"], ["C7", "C8"]].iter().any(|block| picked == *block),
                "{picked:?}"
            );
        }
    }

    #[test]
    fn who_cannot_sit_together_sits_apart_and_who_cannot_sit_gets_nothing() {
        let map = map(4, 10);
        let taken = all_but(&map, &["A1", "B3", "D8", "D10"]);
        assert_eq!(names(pick(&map, &taken, 3, &mut chance())), ["A1", "B3", "D8"]);
        assert_eq!(pick(&map, &taken, 4, &mut chance()), None, "D10 is a wheelchair place");
        assert_eq!(free(&map, &taken), 3);
    }

    #[test]
    fn a_seed_picks_the_same_seats_and_the_middle_is_liked() {
        let map = map(9, 20);
        let picks = |mut chance| -> Vec<_> {
            (0..200).map(|_| pick(&map, &Seats::new(), 2, &mut chance).unwrap()).collect()
        };
        let picked = picks(chance());
        assert_eq!(picked, picks(chance()));
        let front = picked.iter().filter(|seats| seats[0].as_str().starts_with('A')).count();
        let middle = picked.iter().filter(|seats| seats[0].as_str().starts_with('E')).count();
        assert!(middle > 2 * front.max(1), "{middle} in the middle, {front} in the first row");
    }
}
