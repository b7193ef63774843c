//! A seat map made ready for choosing: seats by number, who sits beside whom, and every block in order of its place.
//!
//! All of it depends on the seat map alone, so it is made once per show; what is free comes in as [`Taken`]. Seats are
//! numbered row by row, so that the seats of a block have numbers that follow on each other, and choosing neither compares
//! nor copies names.

pub mod taken;

use std::collections::HashMap;
use std::ops::Range;

use crate::hold::PARTY_MAX;
use crate::id::SeatId;
use crate::seat_map::{Seat, SeatKind, SeatMap};

use taken::Taken;

/// A row to the front or back weighs as much as this many seats to the side.
const ROW_WEIGHT: f64 = 2.0;

/// A place in the auditorium, in seat widths and seat depths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    x: f64,
    y: f64,
}

impl Point {
    /// How far another is, in seat widths.
    pub fn distance(self, other: Self) -> f64 {
        (self.x - other.x).abs() + ROW_WEIGHT * (self.y - other.y).abs()
    }
}

/// Adjacent places in one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The number of its leftmost seat.
    pub first: usize,
    /// How many.
    pub size: usize,
}

impl Block {
    /// The numbers of its seats.
    pub fn seats(self) -> Range<usize> {
        self.first..self.first + self.size
    }

    /// Whether they have a seat in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.first < other.first + other.size && other.first < self.first + self.size
    }
}

/// A seat map, ready.
#[derive(Debug)]
pub struct Plan {
    seats: Vec<Seat>,
    numbers: HashMap<SeatId, usize>,
    /// Adjacent standard seats, as long as they go.
    stretches: Vec<Range<usize>>,
    /// Adjacent seats of any kind, as long as they go.
    spans: Vec<Range<usize>>,
    /// The stretch each seat is in; an empty one for places that are kept.
    stretch_of: Vec<Range<usize>>,
    /// The first seats of all blocks of standard seats, by size less one, the best places first.
    ranked: Vec<Vec<usize>>,
    ideal: Point,
}

impl Plan {
    /// Of a seat map, whose rows are in order.
    pub fn of(map: &SeatMap) -> Self {
        let seats: Vec<Seat> = map.seats().cloned().collect();
        let numbers = seats.iter().enumerate().map(|(number, seat)| (seat.id.clone(), number)).collect();
        let beside = |a: &Seat, b: &Seat| a.y == b.y && b.x == a.x + 1;
        let standard = |seat: &Seat| seat.kind == SeatKind::Standard;
        let spans = ranges(&seats, beside);
        let stretches: Vec<_> = ranges(&seats, |a, b| beside(a, b) && standard(a) && standard(b))
            .into_iter()
            .filter(|range| standard(&seats[range.start]))
            .collect();
        let mut stretch_of = vec![0..0; seats.len()];
        for stretch in &stretches {
            stretch_of[stretch.clone()].fill(stretch.clone());
        }
        let ideal = ideal(&seats);
        let mut plan = Self { seats, numbers, stretches, spans, stretch_of, ranked: Vec::new(), ideal };
        plan.ranked = (1..=PARTY_MAX).map(|size| plan.rank(size)).collect();
        plan
    }

    fn rank(&self, size: usize) -> Vec<usize> {
        let blocks = self.stretches.iter().flat_map(|stretch| windows(stretch, size));
        let mut ranked: Vec<_> =
            blocks.map(|block| (self.middle(block).distance(self.ideal), block.first)).collect();
        ranked.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        ranked.into_iter().map(|(_, first)| first).collect()
    }

    /// Every block of so many standard seats, the best places first.
    pub fn blocks(&self, size: usize) -> impl Iterator<Item = Block> {
        let ranked = size.checked_sub(1).and_then(|at| self.ranked.get(at));
        ranked.into_iter().flatten().map(move |first| Block { first: *first, size })
    }

    /// Every block of so many places with room for a wheelchair.
    pub fn accessible_blocks(&self, size: usize) -> impl Iterator<Item = Block> {
        let room = |block: &Block| block.seats().any(|seat| self.kind(seat) == SeatKind::Wheelchair);
        self.spans.iter().flat_map(move |span| windows(span, size)).filter(room)
    }

    /// The adjacent standard seats, as long as they go, of which this is one; none around a place that is kept.
    pub fn stretch(&self, seat: usize) -> Range<usize> {
        self.stretch_of[seat].clone()
    }

    /// All of them.
    pub fn stretches(&self) -> &[Range<usize>] {
        &self.stretches
    }

    /// Adjacent seats of any kind, as long as they go.
    pub fn spans(&self) -> &[Range<usize>] {
        &self.spans
    }

    /// The adjacent seats of any kind, as long as they go, of which this is one.
    pub fn span(&self, seat: usize) -> Range<usize> {
        let at = self.spans.partition_point(|span| span.end <= seat);
        self.spans[at].clone()
    }

    /// What a seat is made for.
    pub fn kind(&self, seat: usize) -> SeatKind {
        self.seats[seat].kind
    }

    /// A seat's name.
    pub fn id(&self, seat: usize) -> &SeatId {
        &self.seats[seat].id
    }

    /// The names of seats.
    pub fn ids(&self, seats: impl IntoIterator<Item = usize>) -> Vec<SeatId> {
        seats.into_iter().map(|seat| self.id(seat).clone()).collect()
    }

    /// The number of a name, if there is such a seat.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// How many places there are.
    pub fn capacity(&self) -> usize {
        self.seats.len()
    }

    /// With these seats taken; names of no seat are passed over.
    pub fn taken<'name>(&self, names: impl IntoIterator<Item = &'name str>) -> Taken {
        let mut taken = Taken::none(self.capacity());
        for seat in names.into_iter().filter_map(|name| self.number(name)) {
            taken.take(seat);
        }
        taken
    }

    /// The best place: the centre, two thirds back.
    pub fn ideal(&self) -> Point {
        self.ideal
    }

    /// The middle of a block.
    pub fn middle(&self, block: Block) -> Point {
        let (first, last) = (self.point(block.first), self.point(block.first + block.size.max(1) - 1));
        Point { x: f64::midpoint(first.x, last.x), y: first.y }
    }

    /// The middle of some seats; the best place when there are none.
    pub fn middle_of(&self, seats: &[usize]) -> Point {
        let count = seats.len() as f64;
        let mean = |of: fn(Point) -> f64| seats.iter().map(|seat| of(self.point(*seat))).sum::<f64>() / count;
        if seats.is_empty() {
            self.ideal
        } else {
            Point { x: mean(|point| point.x), y: mean(|point| point.y) }
        }
    }

    fn point(&self, seat: usize) -> Point {
        let Seat { x, y, .. } = self.seats[seat];
        Point { x: x.into(), y: y.into() }
    }
}

/// Every block of a size in a range of adjacent seats.
pub(crate) fn windows(range: &Range<usize>, size: usize) -> impl Iterator<Item = Block> + use<> {
    let blocks = if size == 0 { 0 } else { (range.len() + 1).saturating_sub(size) };
    (range.start..range.start + blocks).map(move |first| Block { first, size })
}

/// Cuts the seats where two neighbours are not `joined`.
fn ranges(seats: &[Seat], joined: impl Fn(&Seat, &Seat) -> bool) -> Vec<Range<usize>> {
    let mut start = 0;
    let range = |part: &[Seat]| {
        let range = start..start + part.len();
        start = range.end;
        range
    };
    seats.chunk_by(|a, b| joined(a, b)).map(range).collect()
}

fn ideal(seats: &[Seat]) -> Point {
    let bounds = |of: fn(&Seat) -> u16| {
        let (least, most) = (seats.iter().map(of).min(), seats.iter().map(of).max());
        (f64::from(least.unwrap_or_default()), f64::from(most.unwrap_or_default()))
    };
    let ((left, right), (front, back)) = (bounds(|seat| seat.x), bounds(|seat| seat.y));
    Point { x: f64::midpoint(left, right), y: front + (back - front) * 2.0 / 3.0 }
}

#[cfg(test)]
pub(crate) mod drawn {
    //! Seat maps as they are drawn in tests.

    use super::{Plan, Taken};
    use crate::id::SeatId;
    use crate::seat_map::{Row, Seat, SeatKind, SeatMap};

    /// Rows from the screen on: `o` a seat, `x` one that is taken, `w` and `c` places that are kept (`W` and `C` taken), a
    /// space an aisle. Rows are lettered from A, seats numbered from the left.
    pub(crate) fn house(rows: &[&str]) -> (Plan, Taken) {
        let mut gone = Vec::new();
        let row = |(y, line): (usize, &&str)| {
            let label = char::from(b'A' + y as u8).to_string();
            let mut seats = Vec::new();
            for (x, letter) in line.chars().enumerate().filter(|(_, letter)| *letter != ' ') {
                let id = SeatId::parse(format!("{label}{}", seats.len() + 1)).unwrap();
                let kind = match letter.to_ascii_lowercase() {
                    'w' => SeatKind::Wheelchair,
                    'c' => SeatKind::Companion,
                    _ => SeatKind::Standard,
                };
                if matches!(letter, 'x' | 'W' | 'C') {
                    gone.push(id.clone());
                }
                seats.push(Seat { id, x: x as u16, y: y as u16, kind });
            }
            Row { label, seats }
        };
        let plan = Plan::of(&SeatMap { rows: rows.iter().enumerate().map(row).collect() });
        let taken = plan.taken(gone.iter().map(SeatId::as_str));
        (plan, taken)
    }

    /// Numbers of seats such as `A1 A2`.
    pub(crate) fn numbers(plan: &Plan, names: &str) -> Vec<usize> {
        names.split(' ').map(|name| plan.number(name).unwrap()).collect()
    }

    /// Names of seats such as `A1 A2`.
    pub(crate) fn names(plan: &Plan, seats: impl IntoIterator<Item = usize>) -> String {
        let names: Vec<_> = seats.into_iter().map(|seat| plan.id(seat).as_str()).collect();
        names.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::drawn::{house, names};

    #[test]
    fn stretches_end_at_aisles_and_at_places_that_are_kept() {
        let (plan, _) = house(&["oo ooo", "wcoo o"]);
        let all: Vec<_> = plan.stretches().iter().map(|stretch| names(&plan, stretch.clone())).collect();
        assert_eq!(all, ["A1 A2", "A3 A4 A5", "B3 B4", "B5"]);
        let at = |name| plan.number(name).unwrap();
        assert_eq!(names(&plan, plan.span(at("B4"))), "B1 B2 B3 B4");
        assert_eq!(names(&plan, plan.stretch(at("B4"))), "B3 B4");
        assert!(plan.stretch(at("B2")).is_empty());
    }

    #[test]
    fn blocks_come_by_their_place() {
        let (plan, _) = house(&["oooo", "oooo", "oooo", "oooo"]);
        let blocks: Vec<_> = plan.blocks(2).map(|block| names(&plan, block.seats())).collect();
        assert_eq!((blocks[0].as_str(), blocks.len()), ("C2 C3", 12));
        assert_eq!((plan.blocks(0).count(), plan.blocks(5).count(), plan.blocks(11).count()), (0, 0, 0));
    }
}
