//! What a buyer may ask for: seats by name, or the best for a party.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::id::SeatId;

/// The most seats in one hold, and people in one party.
pub const PARTY_MAX: usize = 10;

/// A number of people from 1 to [`PARTY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "usize", into = "usize")]
#[schema(value_type = u8, minimum = 1, maximum = 10)]
pub struct Party(usize);

impl Party {
    /// How many.
    pub fn size(self) -> usize {
        self.0
    }
}

impl TryFrom<usize> for Party {
    type Error = InvalidSelection;

    fn try_from(size: usize) -> Result<Self, InvalidSelection> {
        match size {
            0 => Err(InvalidSelection::Empty),
            1..=PARTY_MAX => Ok(Self(size)),
            _ => Err(InvalidSelection::TooMany),
        }
    }
}

impl From<Party> for usize {
    fn from(party: Party) -> Self {
        party.0
    }
}

/// Why a wish for seats cannot be granted whatever is free.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelection {
    /// Nothing is asked for.
    #[error("ask for at least one seat")]
    Empty,
    /// More than one hold may have.
    #[error("at most {PARTY_MAX} seats at once")]
    TooMany,
    /// The same seat twice.
    #[error("seat {0} is named twice")]
    Duplicate(SeatId),
    /// Both `seats` and `best`, or neither.
    #[error("name either `seats` or `best`")]
    Ambiguous,
    /// `accessible` together with `seats`: who names seats names the places for wheelchairs too.
    #[error("`accessible` goes with `best`; with `seats`, name the places themselves")]
    AccessibleSeats,
    /// Not a seat's name at all.
    #[error("{0:?} is not a seat")]
    NotASeat(String),
}

/// Which places a party is given when it does not name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seating {
    /// Standard seats alone.
    Standard,
    /// Room for a wheelchair, a companion's place beside it where there is one, and standard seats for the others.
    Accessible,
}

/// What a buyer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// These seats, all or none; sorted, so that two requests never wait for each other in a circle.
    Seats(Vec<SeatId>),
    /// The best seats for a party.
    Best(Party, Seating),
}

impl Selection {
    /// From a request's optional members.
    pub fn parse(
        seats: Option<&[String]>,
        best: Option<usize>,
        accessible: Option<bool>,
    ) -> Result<Self, InvalidSelection> {
        let seating = if accessible == Some(true) { Seating::Accessible } else { Seating::Standard };
        match (seats, best) {
            (Some(_), None) if accessible.is_some() => Err(InvalidSelection::AccessibleSeats),
            (Some(seats), None) => Self::seats(seats),
            (None, Some(size)) => Ok(Self::Best(Party::try_from(size)?, seating)),
            _ => Err(InvalidSelection::Ambiguous),
        }
    }

    fn seats(names: &[String]) -> Result<Self, InvalidSelection> {
        Party::try_from(names.len())?;
        let mut seen = HashSet::new();
        let mut seats = Vec::with_capacity(names.len());
        for name in names {
            let seat = SeatId::parse(name).map_err(|_| InvalidSelection::NotASeat(name.clone()))?;
            if !seen.insert(seat.clone()) {
                return Err(InvalidSelection::Duplicate(seat));
            }
            seats.push(seat);
        }
        seats.sort();
        Ok(Self::Seats(seats))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_selection_is_one_to_ten_distinct_seats() {
        let parse = |seats: &[&str]| Selection::parse(Some(&names(seats)), None, None);
        assert_eq!(
            parse(&["B2", "A1"]),
            Ok(Selection::Seats(vec![SeatId::parse("A1").unwrap(), SeatId::parse("B2").unwrap()]))
        );
        assert_eq!(parse(&[]), Err(InvalidSelection::Empty));
        assert_eq!(parse(&["A1", "A1"]), Err(InvalidSelection::Duplicate(SeatId::parse("A1").unwrap())));
        assert_eq!(parse(&["A 1"]), Err(InvalidSelection::NotASeat("A 1".to_owned())));
        assert_eq!(
            parse(&["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]),
            Err(InvalidSelection::TooMany)
        );
    }

    #[test]
    fn seats_and_best_exclude_each_other() {
        assert_eq!(Selection::parse(None, None, None), Err(InvalidSelection::Ambiguous));
        assert_eq!(Selection::parse(Some(&names(&["A1"])), Some(1), None), Err(InvalidSelection::Ambiguous));
        assert_eq!(Selection::parse(None, Some(11), None), Err(InvalidSelection::TooMany));
        assert_eq!(Selection::parse(None, Some(0), None), Err(InvalidSelection::Empty));
    }

    #[test]
    fn room_for_a_wheelchair_is_asked_for_with_the_best_alone() {
        let two = Party::try_from(2).unwrap();
        for (accessible, seating) in
            [(None, Seating::Standard), (Some(false), Seating::Standard), (Some(true), Seating::Accessible)]
        {
            assert_eq!(Selection::parse(None, Some(2), accessible), Ok(Selection::Best(two, seating)));
        }
        for accessible in [true, false] {
            let named = Selection::parse(Some(&names(&["A1"])), None, Some(accessible));
            assert_eq!(named, Err(InvalidSelection::AccessibleSeats));
        }
    }
}
