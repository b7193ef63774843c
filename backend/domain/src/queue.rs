//! Who is offered the seats that came free: the first in line whom they fit, then the next.

use crate::hold::Party;
use crate::id::{EntryId, SeatId, SessionId};

/// Somebody in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter {
    /// Their place in line.
    pub entry_id: EntryId,
    /// Who they are.
    pub session_id: SessionId,
    /// How many they are.
    pub party: Party,
    /// The only seats they want; any when empty.
    pub seats: Vec<SeatId>,
}

/// Seats for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Who.
    pub waiter: Waiter,
    /// What.
    pub seats: Vec<SeatId>,
}

/// Gives `freed` to `line`, which is in order of arrival. Nobody is passed over for a later one with the same wish.
pub fn assign(line: &[Waiter], mut freed: Vec<SeatId>) -> (Vec<Assignment>, Vec<SeatId>) {
    freed.sort();
    let mut assignments = Vec::new();
    for waiter in line {
        if let Some(seats) = fitting(waiter, &freed) {
            freed.retain(|seat| !seats.contains(seat));
            assignments.push(Assignment { waiter: waiter.clone(), seats });
        }
    }
    (assignments, freed)
}

/// As many of the freed seats as the party needs, of those it wants.
fn fitting(waiter: &Waiter, freed: &[SeatId]) -> Option<Vec<SeatId>> {
    let wanted = |seat: &&SeatId| waiter.seats.is_empty() || waiter.seats.contains(seat);
    let seats: Vec<_> = freed.iter().filter(wanted).take(waiter.party.size()).cloned().collect();
    (seats.len() == waiter.party.size()).then_some(seats)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seats(names: &[&str]) -> Vec<SeatId> {
        names.iter().map(|name| SeatId::parse(name).unwrap()).collect()
    }

    fn waiter(name: &str, party: usize, wanted: &[&str]) -> Waiter {
        Waiter {
            entry_id: EntryId::parse(name).unwrap(),
            session_id: SessionId::parse(name).unwrap(),
            party: Party::try_from(party).unwrap(),
            seats: seats(wanted),
        }
    }

    fn served(assignments: &[Assignment]) -> Vec<(&str, Vec<SeatId>)> {
        assignments.iter().map(|each| (each.waiter.entry_id.as_str(), each.seats.clone())).collect()
    }

    #[test]
    fn the_first_whom_the_seats_fit_gets_them() {
        let line = [
            waiter("four", 4, &[]),
            waiter("picky", 1, &["C1"]),
            waiter("two", 2, &[]),
            waiter("one", 1, &[]),
        ];
        let (assignments, rest) = assign(&line, seats(&["A2", "A1"]));
        assert_eq!(served(&assignments), [("two", seats(&["A1", "A2"]))]);
        assert_eq!(rest, []);
    }

    #[test]
    fn what_nobody_wants_is_left() {
        let (assignments, rest) = assign(&[waiter("picky", 1, &["C1"])], seats(&["A1"]));
        assert_eq!((assignments, rest), (vec![], seats(&["A1"])));
    }

    proptest! {
        #[test]
        fn of_two_with_the_same_wish_the_earlier_is_served_first(parties in proptest::collection::vec(1usize..=4, 1..20), freed in 0usize..12) {
            let line: Vec<_> = parties.iter().enumerate().map(|(at, size)| waiter(&format!("w{at}"), *size, &[])).collect();
            let freed: Vec<_> = (0..freed).map(|at| SeatId::parse(format!("S{at}")).unwrap()).collect();
            let (assignments, rest) = assign(&line, freed.clone());
            let given: Vec<_> = assignments.iter().flat_map(|each| each.seats.clone()).chain(rest.clone()).collect();
            prop_assert_eq!(given.len(), freed.len());
            let lucky = |waiter: &Waiter| assignments.iter().any(|each| each.waiter == *waiter);
            for (at, later) in line.iter().enumerate() {
                for earlier in &line[..at] {
                    prop_assert!(earlier.party != later.party || lucky(earlier) || !lucky(later));
                }
            }
            prop_assert!(line.iter().all(|waiter| lucky(waiter) || waiter.party.size() > rest.len()));
        }
    }
}
