//! What somebody waits for, and whether it can ever come true in a house.

use crate::hold::{Party, Seating};
use crate::id::SeatId;
use crate::money::Money;
use crate::plan::Plan;
use crate::plan::taken::Taken;

use super::fitting;

/// What somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// How many they are.
    pub party: Party,
    /// Whether they sit beside each other, in one row, or not at all.
    pub together: bool,
    /// The only seats they want, sorted; any when empty. Places for wheelchairs and their companions are kept for those who ask for
    /// them or name them.
    pub seats: Vec<SeatId>,
    /// Whether they need room for a wheelchair, with the others beside it.
    pub seating: Seating,
    /// The most that one seat may cost.
    pub price_max: Option<Money>,
}

/// Why a wish can never come true in this house.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// It has no such seat.
    #[error("there is no seat {0}")]
    UnknownSeat(SeatId),
    /// It is smaller than the party.
    #[error("the auditorium has only {0} such seats")]
    TooSmall(usize),
    /// No row has as many adjacent places of that kind.
    #[error("nowhere in this auditorium are {0} such places beside each other")]
    NeverTogether(usize),
}

impl Wish {
    /// Any seats for so many people.
    pub fn any(party: Party) -> Self {
        Self { party, together: false, seats: Vec::new(), seating: Seating::Standard, price_max: None }
    }

    /// Whether a seat costs more than they would pay. Another currency is never compared.
    pub fn too_dear(&self, price: &Money) -> bool {
        self.price_max
            .as_ref()
            .is_some_and(|most| most.currency != price.currency || most.amount < price.amount)
    }

    /// Whether all free, it would fit.
    pub fn possible(&self, plan: &Plan) -> Result<(), Impossible> {
        if let Some(unknown) = self.seats.iter().find(|seat| plan.number(seat.as_str()).is_none()) {
            return Err(Impossible::UnknownSeat(unknown.clone()));
        }
        let size = self.party.size();
        let usable = fitting::usable(plan, self).count();
        if usable < size {
            return Err(Impossible::TooSmall(usable));
        }
        match fitting::fit(plan, self, &Taken::none(plan.capacity())) {
            Some(_) => Ok(()),
            None => Err(Impossible::NeverTogether(size)),
        }
    }
}
