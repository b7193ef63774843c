//! Whether seats are what somebody in line waits for. A reading of its own: the rule that serves the line is what is judged.

use std::collections::HashMap;

use domain::id::{SeatId, ShowId};

use crate::books::{Books, Entry, Spot};

/// The rooms of all shows.
pub(super) struct Rooms<'a>(HashMap<&'a ShowId, &'a HashMap<SeatId, Spot>>);

impl<'a> Rooms<'a> {
    pub(super) fn of(books: &'a Books) -> Self {
        let room = |show: &'a crate::books::Show| Some((&show.show, books.rooms.get(&show.auditorium)?));
        Self(books.shows.iter().filter_map(room).collect())
    }

    /// Whether these seats, which were given to `chosen`, would have been enough for this one. What cannot be said, is not.
    ///
    /// Room for a wheelchair is what somebody got who asked for it and is as many: which places that takes is the rule's to know.
    pub(super) fn fit(&self, entry: &Entry, seats: &[SeatId], chosen: Option<&Entry>) -> bool {
        let room = self.0.get(&entry.show).copied();
        let wanted: Vec<_> = seats.iter().filter(|seat| wants(entry, seat, room)).collect();
        if entry.wheelchair {
            let alike = |chosen: &Entry| chosen.wheelchair && chosen.party == entry.party;
            return chosen.is_some_and(alike) && wanted.len() == seats.len();
        }
        if entry.together && entry.party > 1 {
            return room.is_some_and(|room| beside(&wanted, room) >= entry.party);
        }
        wanted.len() >= entry.party
    }
}

/// Places that are kept for some go to those who ask for them or name them.
fn wants(entry: &Entry, seat: &SeatId, room: Option<&HashMap<SeatId, Spot>>) -> bool {
    if !entry.seats.is_empty() {
        return entry.seats.contains(seat);
    }
    entry.wheelchair || room.and_then(|room| room.get(seat)).is_none_or(|spot| spot.standard)
}

/// The most of these seats that are beside each other: in one row, and not across an aisle.
fn beside(seats: &[&SeatId], room: &HashMap<SeatId, Spot>) -> usize {
    let mut spots: Vec<_> =
        seats.iter().filter_map(|seat| room.get(*seat)).map(|spot| (spot.y, spot.x)).collect();
    spots.sort_unstable();
    let next = |two: &(u16, u16), one: &(u16, u16)| one.0 == two.0 && two.1.abs_diff(one.1) == 1;
    spots.chunk_by(|one, two| next(one, two)).map(<[_]>::len).max().unwrap_or(0)
}
