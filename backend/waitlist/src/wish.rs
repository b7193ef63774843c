//! What somebody waits for: how many seats, and which, if not any.

use std::collections::HashSet;

use domain::hold::Party;
use domain::id::SeatId;
use domain::seat_map::SeatMap;

/// A wish that makes sense by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// How many they are.
    pub(crate) party: Party,
    /// The only seats they want, sorted; any when empty.
    pub(crate) seats: Vec<SeatId>,
}

/// Why a wish can never come true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidWish {
    /// No people, or too many for one offer.
    #[error("a party is 1 to {} people", domain::hold::PARTY_MAX)]
    Party,
    /// More seats than one entry may name.
    #[error("name at most {0} seats")]
    TooManySeats(usize),
    /// The party would have to share seats.
    #[error("name at least as many seats as the party needs, or none for any")]
    TooFewSeats,
    /// The same seat twice.
    #[error("seat {0} is named twice")]
    DuplicateSeat(SeatId),
    /// The auditorium has no such seat.
    #[error("there is no seat {0:?}")]
    UnknownSeat(String),
    /// The auditorium is smaller than the party.
    #[error("the auditorium has only {0} seats")]
    AuditoriumTooSmall(usize),
}

impl Wish {
    /// From a request's members.
    pub(crate) fn parse(party: i64, names: Option<&[String]>, seats_max: usize) -> Result<Self, InvalidWish> {
        let party = usize::try_from(party).ok().and_then(|size| Party::try_from(size).ok());
        let party = party.ok_or(InvalidWish::Party)?;
        let Some(names) = names else { return Ok(Self { party, seats: Vec::new() }) };
        if names.len() > seats_max {
            return Err(InvalidWish::TooManySeats(seats_max));
        }
        if names.len() < party.size() {
            return Err(InvalidWish::TooFewSeats);
        }
        let mut seen = HashSet::new();
        for name in names {
            let seat = SeatId::parse(name).map_err(|_| InvalidWish::UnknownSeat(name.clone()))?;
            if !seen.insert(seat.clone()) {
                return Err(InvalidWish::DuplicateSeat(seat));
            }
        }
        let mut seats: Vec<_> = seen.into_iter().collect();
        seats.sort();
        Ok(Self { party, seats })
    }

    /// Whether it can come true in this auditorium.
    pub(crate) fn fits(&self, map: &SeatMap) -> Result<(), InvalidWish> {
        if self.party.size() > map.capacity() {
            return Err(InvalidWish::AuditoriumTooSmall(map.capacity()));
        }
        let known: HashSet<_> = map.seats().map(|seat| &seat.id).collect();
        match self.seats.iter().find(|seat| !known.contains(seat)) {
            Some(unknown) => Err(InvalidWish::UnknownSeat(unknown.to_string())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(party: i64, names: &[&str]) -> Result<Wish, InvalidWish> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Wish::parse(party, Some(&names), 3)
    }

    #[test]
    fn order_does_not_matter() {
        assert_eq!(parse(1, &["B1", "A1"]), parse(1, &["A1", "B1"]));
    }

    #[test]
    fn what_can_never_come_true_is_refused() {
        assert_eq!(Wish::parse(0, None, 3), Err(InvalidWish::Party));
        assert_eq!(Wish::parse(-1, None, 3), Err(InvalidWish::Party));
        assert_eq!(Wish::parse(11, None, 3), Err(InvalidWish::Party));
        assert_eq!(parse(1, &[]), Err(InvalidWish::TooFewSeats));
        assert_eq!(parse(2, &["A1"]), Err(InvalidWish::TooFewSeats));
        assert_eq!(parse(1, &["A1", "A2", "A3", "A4"]), Err(InvalidWish::TooManySeats(3)));
        assert_eq!(parse(1, &["A1", "A1"]), Err(InvalidWish::DuplicateSeat(SeatId::parse("A1").unwrap())));
        assert_eq!(parse(1, &["A 1"]), Err(InvalidWish::UnknownSeat("A 1".to_owned())));
    }
}
