//! All claims of one show: many seats change hands together, or none does.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Claim, Onward, Refused, Taking, Token};
use crate::id::{OwnerId, SeatId};

/// Seats and what they become.
pub type Changes = Vec<(SeatId, Claim)>;

/// Seats that cannot be had, and why.
pub type Refusals = Vec<(SeatId, Refused)>;

/// The claims of one show; a seat that is not among them was never claimed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims(BTreeMap<SeatId, Claim>);

impl Claims {
    /// One seat's.
    pub fn of(&self, seat: &SeatId) -> Claim {
        self.0.get(seat).cloned().unwrap_or_else(Claim::never)
    }

    /// All there are, in order of their seats.
    pub fn iter(&self) -> impl Iterator<Item = (&SeatId, &Claim)> {
        self.0.iter()
    }

    /// Writes what was decided.
    pub fn set(&mut self, changes: &[(SeatId, Claim)]) {
        self.0.extend(changes.iter().cloned());
    }

    /// All these seats for the street ([`Claim::take`]), or none.
    pub fn take(
        &self,
        seats: &[SeatId],
        taking: &Taking,
        now: Timestamp,
        queue_open: bool,
    ) -> Result<Changes, Refusals> {
        all(seats, |seat| self.of(seat).take(taking, now, queue_open))
    }

    /// All these seats sold ([`Claim::book`]), or none.
    pub fn book(
        &self,
        seats: &[SeatId],
        owner: &OwnerId,
        token: Token,
        now: Timestamp,
    ) -> Result<Changes, Refusals> {
        all(seats, |seat| self.of(seat).book(owner, token, now))
    }

    /// All these seats to a later deadline ([`Claim::extend`]), or none.
    pub fn extend(
        &self,
        seats: &[SeatId],
        owner: &OwnerId,
        token: Token,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Changes, Refusals> {
        all(seats, |seat| self.of(seat).extend(owner, token, until, now))
    }

    /// Everything `owner` still has, to the street.
    pub fn free(&self, owner: &OwnerId) -> Changes {
        self.each(|_, claim| claim.free(owner))
    }

    /// What an escrow still has, to a later deadline ([`Claim::keep`]).
    pub fn keep(&self, owner: &OwnerId, until: Timestamp, now: Timestamp) -> Changes {
        self.each(|_, claim| claim.keep(owner, until, now))
    }

    /// What `from` has, of these seats or of all, to the next.
    pub fn pass(&self, from: &OwnerId, onward: Onward, to: &Taking, seats: Option<&[SeatId]>) -> Changes {
        self.each(|seat, claim| match seats {
            Some(seats) if !seats.contains(seat) => Err(Refused::NotTheirs),
            _ => claim.pass(from, onward, to),
        })
    }

    fn each(&self, rule: impl Fn(&SeatId, &Claim) -> Result<Claim, Refused>) -> Changes {
        let changed = |(seat, claim): (&SeatId, &Claim)| Some((seat.clone(), rule(seat, claim).ok()?));
        self.0.iter().filter_map(changed).collect()
    }
}

fn all(seats: &[SeatId], rule: impl Fn(&SeatId) -> Result<Claim, Refused>) -> Result<Changes, Refusals> {
    let (mut changes, mut refusals) = (Changes::new(), Refusals::new());
    for seat in seats {
        match rule(seat) {
            Ok(claim) => changes.push((seat.clone(), claim)),
            Err(refused) => refusals.push((seat.clone(), refused)),
        }
    }
    if refusals.is_empty() { Ok(changes) } else { Err(refusals) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_seats_are_had_or_none() {
        let seats = ["A1", "A2"].map(|seat| SeatId::parse(seat).unwrap());
        let owner = |name: &str| OwnerId::parse(name).unwrap();
        let taking = |name, token| Taking { owner: owner(name), token, expires_at: Timestamp::UNIX_EPOCH };
        let (before, after) = (Timestamp::MIN, Timestamp::MAX);
        let mut claims = Claims::default();
        claims.set(&claims.take(&seats[..1], &taking("a", 1), before, false).unwrap());
        let lost = claims.take(&seats, &taking("b", 2), before, false).unwrap_err();
        assert_eq!(lost, [(seats[0].clone(), Refused::Taken)]);
        assert_eq!(claims.take(&seats, &taking("b", 2), after, false).unwrap().len(), 2);
        assert_eq!(claims.free(&owner("a")).len(), 1);
        assert_eq!(claims.pass(&owner("a"), Onward::Escrow, &taking("q", 2), Some(&seats[1..])), []);
        assert_eq!(claims.pass(&owner("a"), Onward::Escrow, &taking("q", 2), None).len(), 1);
    }
}
