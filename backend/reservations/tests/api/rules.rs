//! The rules are said twice: in `domain`, which the simulation drives, and in the Lua and SQL that run. Random calls on random
//! states must come to the same in both.

mod claims;
mod gate;

use domain::claim::{Claim as Fact, State};
use domain::id::{OwnerId, SeatId, ShowId};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use reservations::store::claims::{Claim, ClaimStatus};

/// Few seats and owners, so that they meet.
const SEATS: [&str; 4] = ["A1", "A2", "A3", "A4"];
const OWNERS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// One seeded source of choices.
struct Chance(Xoshiro256PlusPlus);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.random_range(0..choices.len())].clone()
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.0.random_range(0..many) == 0
    }

    fn below(&mut self, bound: i64) -> i64 {
        self.0.random_range(0..bound)
    }

    fn owner(&mut self) -> OwnerId {
        OwnerId::parse(self.of(&OWNERS)).unwrap()
    }

    /// Some of the seats, in order.
    fn seats(&mut self) -> Vec<SeatId> {
        let mut seats: Vec<_> = SEATS.iter().filter(|_| self.one_in(2)).collect();
        if seats.is_empty() {
            seats.push(&SEATS[0]);
        }
        seats.into_iter().map(|seat| SeatId::parse(seat).unwrap()).collect()
    }
}

/// As Postgres would have it.
fn row(show: &ShowId, seat: &SeatId, fact: &Fact) -> Claim {
    let status = match fact.state {
        State::Free => ClaimStatus::Free,
        State::Held(_) => ClaimStatus::Held,
        State::Escrow(_) => ClaimStatus::Escrow,
        State::Booked(_) => ClaimStatus::Booked,
    };
    Claim {
        show: show.clone(),
        seat: seat.clone(),
        status,
        owner: fact.owner().map(ToString::to_string),
        token: fact.token,
        expires_at: fact.expires_at(),
    }
}
