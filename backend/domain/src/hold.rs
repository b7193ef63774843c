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
    /// Not a seat's name at all.
    #[error("{0:?} is not a seat")]
    NotASeat(String),
}

/// What a buyer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// These seats, all or none; sorted, so that two requests never wait for each other in a circle.
    Seats(Vec<SeatId>),
    /// The best seats for a party.
    Best(Party),
}

impl Selection {
    /// From a request's two optional members.
    pub fn parse(seats: Option<&[String]>, best: Option<usize>) -> Result<Self, InvalidSelection> {
        match (seats, best) {
            (Some(seats), None) => Self::seats(seats),
            (None, Some(size)) => Party::try_from(size).map(Self::Best),
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
        let parse = |seats: &[&str]| Selection::parse(Some(&names(seats)), None);
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
        assert_eq!(Selection::parse(None, None), Err(InvalidSelection::Ambiguous));
        assert_eq!(Selection::parse(Some(&names(&["A1"])), Some(1)), Err(InvalidSelection::Ambiguous));
        assert_eq!(Selection::parse(None, Some(11)), Err(InvalidSelection::TooMany));
        assert_eq!(Selection::parse(None, Some(0)), Err(InvalidSelection::Empty));
    }
}
