//! Whose a seat is, as Postgres has it, and how it changes hands.
//!
//! `reservations.claims` says the same in SQL, and a test of reservations compares the two. Whoever holds the row's lock
//! decides, by the database's clock; here both are arguments.

pub mod show;

use jiff::Timestamp;

use crate::id::OwnerId;

/// A fencing token: every claim takes the next, so that a late writer is known by its smaller one.
pub type Token = i64;

/// One seat's claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The token of whoever claimed it last; it stays when the seat comes free.
    pub token: Token,
    /// Whose it is.
    pub state: State,
}

/// Whose a seat is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nobody's.
    Free,
    /// A hold's, until its deadline.
    Held(Kept),
    /// On its way to the next in line, until its deadline.
    Escrow(Kept),
    /// Sold.
    Booked(OwnerId),
}

/// A seat that is somebody's for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The hold or escrow.
    pub owner: OwnerId,
    /// From here on it has lapsed.
    pub expires_at: Timestamp,
}

/// What somebody who wants a seat comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taking {
    /// The hold or escrow it is for.
    pub owner: OwnerId,
    /// A new token.
    pub token: Token,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Where a seat is passed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onward {
    /// To the queue.
    Escrow,
    /// To somebody who waited.
    Held,
}

/// Why a claim stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody has it.
    #[error("somebody has the seat")]
    Taken,
    /// It lapsed, and belongs to those who wait.
    #[error("the seat belongs to those who wait")]
    Queued,
    /// Somebody with a larger token was here.
    #[error("the token is an old one")]
    OldToken,
    /// It is somebody else's, or nobody's.
    #[error("the seat is not this owner's")]
    NotTheirs,
    /// Its deadline has passed.
    #[error("the claim has lapsed")]
    Lapsed,
    /// A deadline only moves on.
    #[error("the claim lasts as long already")]
    NotLater,
}

impl Claim {
    /// Of a seat that nobody ever claimed.
    pub fn never() -> Self {
        Self { token: 0, state: State::Free }
    }

    /// Who has it, lapsed or not.
    pub fn owner(&self) -> Option<&OwnerId> {
        match &self.state {
            State::Free => None,
            State::Held(kept) | State::Escrow(kept) => Some(&kept.owner),
            State::Booked(owner) => Some(owner),
        }
    }

    /// When it lapses, if it does.
    pub fn expires_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Held(kept) | State::Escrow(kept) => Some(kept.expires_at),
            State::Free | State::Booked(_) => None,
        }
    }

    /// Whether somebody has it who may rely on it.
    pub fn live(&self, now: Timestamp) -> bool {
        match &self.state {
            State::Free => false,
            State::Held(kept) | State::Escrow(kept) => kept.expires_at > now,
            State::Booked(_) => true,
        }
    }

    /// Whether the street may have it. A lapsed hold is taken over, unless people wait for the show (`queue_open`): then it is
    /// the queue's. A lapsed escrow is anybody's.
    pub fn takeable(&self, now: Timestamp, queue_open: bool) -> Result<(), Refused> {
        if self.live(now) {
            return Err(Refused::Taken);
        }
        if queue_open && matches!(self.state, State::Held(_)) {
            return Err(Refused::Queued);
        }
        Ok(())
    }

    /// From the street ([`Claim::takeable`]), under a larger token.
    pub fn take(&self, taking: &Taking, now: Timestamp, queue_open: bool) -> Result<Self, Refused> {
        self.takeable(now, queue_open)?;
        if taking.token <= self.token {
            return Err(Refused::OldToken);
        }
        Ok(Self { token: taking.token, state: State::Held(taking.kept()) })
    }

    /// From held to sold.
    pub fn book(&self, owner: &OwnerId, token: Token, now: Timestamp) -> Result<Self, Refused> {
        let kept = self.held_by(owner, token, now)?;
        Ok(Self { token, state: State::Booked(kept.owner.clone()) })
    }

    /// To a later deadline.
    pub fn extend(
        &self,
        owner: &OwnerId,
        token: Token,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let kept = self.held_by(owner, token, now)?;
        if until <= kept.expires_at {
            return Err(Refused::NotLater);
        }
        Ok(Self { token, state: State::Held(Kept { owner: owner.clone(), expires_at: until }) })
    }

    /// To a later deadline, of a live escrow: its seats are kept for somebody whom they do not fit yet.
    pub fn keep(&self, owner: &OwnerId, until: Timestamp, now: Timestamp) -> Result<Self, Refused> {
        match &self.state {
            State::Escrow(kept) if kept.owner != *owner => Err(Refused::NotTheirs),
            State::Escrow(kept) if kept.expires_at <= now => Err(Refused::Lapsed),
            State::Escrow(kept) if until <= kept.expires_at => Err(Refused::NotLater),
            State::Escrow(_) => {
                let kept = Kept { owner: owner.clone(), expires_at: until };
                Ok(Self { token: self.token, state: State::Escrow(kept) })
            }
            State::Free | State::Held(_) | State::Booked(_) => Err(Refused::NotTheirs),
        }
    }

    /// Back to the street, whatever it was.
    pub fn free(&self, owner: &OwnerId) -> Result<Self, Refused> {
        self.of(owner)?;
        Ok(Self { token: self.token, state: State::Free })
    }

    /// From one owner to another, lapsed or not, without the street in between.
    pub fn pass(&self, from: &OwnerId, onward: Onward, to: &Taking) -> Result<Self, Refused> {
        self.of(from)?;
        if to.token <= self.token {
            return Err(Refused::OldToken);
        }
        let state = match onward {
            Onward::Escrow => State::Escrow(to.kept()),
            Onward::Held => State::Held(to.kept()),
        };
        Ok(Self { token: to.token, state })
    }

    fn of(&self, owner: &OwnerId) -> Result<(), Refused> {
        if self.owner() == Some(owner) { Ok(()) } else { Err(Refused::NotTheirs) }
    }

    /// What a live hold with this token has.
    pub fn held_by(&self, owner: &OwnerId, token: Token, now: Timestamp) -> Result<&Kept, Refused> {
        match &self.state {
            State::Held(kept) if kept.owner != *owner => Err(Refused::NotTheirs),
            State::Held(_) if self.token != token => Err(Refused::OldToken),
            State::Held(kept) if kept.expires_at <= now => Err(Refused::Lapsed),
            State::Held(kept) => Ok(kept),
            State::Free | State::Escrow(_) | State::Booked(_) => Err(Refused::NotTheirs),
        }
    }
}

impl Taking {
    fn kept(&self) -> Kept {
        Kept { owner: self.owner.clone(), expires_at: self.expires_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> OwnerId {
        OwnerId::parse(name).unwrap()
    }

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).unwrap()
    }

    fn taking(name: &str, token: Token) -> Taking {
        Taking { owner: owner(name), token, expires_at: at(100 * token) }
    }

    fn held() -> Claim {
        Claim::never().take(&taking("a", 1), at(0), false).unwrap()
    }

    #[test]
    fn a_seat_is_taken_when_it_is_free_or_has_lapsed() {
        assert_eq!(held().take(&taking("b", 2), at(99), false), Err(Refused::Taken));
        assert_eq!(held().take(&taking("b", 2), at(100), true), Err(Refused::Queued));
        assert_eq!(held().take(&taking("b", 1), at(100), false), Err(Refused::OldToken));
        assert_eq!(held().take(&taking("b", 2), at(100), false).unwrap().owner(), Some(&owner("b")));
        let sold = held().book(&owner("a"), 1, at(0)).unwrap();
        assert_eq!(sold.take(&taking("b", 2), at(1_000), false), Err(Refused::Taken));
    }

    #[test]
    fn a_lapsed_escrow_is_anybodys() {
        let escrow = held().pass(&owner("a"), Onward::Escrow, &taking("queue", 2)).unwrap();
        assert_eq!(escrow.take(&taking("b", 3), at(199), true), Err(Refused::Taken));
        assert!(escrow.take(&taking("b", 3), at(200), true).is_ok());
    }

    #[test]
    fn only_a_live_claim_under_its_own_token_is_sold() {
        assert_eq!(held().book(&owner("b"), 1, at(0)), Err(Refused::NotTheirs));
        assert_eq!(held().book(&owner("a"), 2, at(0)), Err(Refused::OldToken));
        assert_eq!(held().book(&owner("a"), 1, at(100)), Err(Refused::Lapsed));
        let sold = held().book(&owner("a"), 1, at(99)).unwrap();
        assert_eq!(sold, Claim { token: 1, state: State::Booked(owner("a")) });
        assert_eq!(sold.book(&owner("a"), 1, at(99)), Err(Refused::NotTheirs));
    }

    #[test]
    fn a_live_claim_is_extended_and_never_shortened() {
        assert_eq!(held().extend(&owner("a"), 1, at(100), at(0)), Err(Refused::NotLater));
        assert_eq!(held().extend(&owner("a"), 1, at(200), at(100)), Err(Refused::Lapsed));
        assert_eq!(held().extend(&owner("a"), 1, at(200), at(99)).unwrap().expires_at(), Some(at(200)));
    }

    #[test]
    fn a_live_escrow_is_kept_longer_and_nothing_else_is() {
        let escrow = held().pass(&owner("a"), Onward::Escrow, &taking("queue", 2)).unwrap();
        assert_eq!(escrow.keep(&owner("queue"), at(201), at(199)).unwrap().expires_at(), Some(at(201)));
        assert_eq!(escrow.keep(&owner("queue"), at(201), at(200)), Err(Refused::Lapsed));
        assert_eq!(escrow.keep(&owner("queue"), at(200), at(0)), Err(Refused::NotLater));
        assert_eq!(escrow.keep(&owner("other"), at(201), at(0)), Err(Refused::NotTheirs));
        assert_eq!(held().keep(&owner("a"), at(201), at(0)), Err(Refused::NotTheirs));
    }

    #[test]
    fn what_comes_free_keeps_its_token() {
        assert_eq!(held().free(&owner("b")), Err(Refused::NotTheirs));
        assert_eq!(held().free(&owner("a")), Ok(Claim { token: 1, state: State::Free }));
    }

    #[test]
    fn a_seat_is_passed_on_under_a_larger_token_alone() {
        assert_eq!(held().pass(&owner("b"), Onward::Escrow, &taking("queue", 2)), Err(Refused::NotTheirs));
        assert_eq!(held().pass(&owner("a"), Onward::Escrow, &taking("queue", 1)), Err(Refused::OldToken));
        let escrow = held().pass(&owner("a"), Onward::Escrow, &taking("queue", 2)).unwrap();
        let offered = escrow.pass(&owner("queue"), Onward::Held, &taking("c", 3)).unwrap();
        assert_eq!((offered.token, offered.live(at(299)), offered.live(at(300))), (3, true, false));
    }
}
