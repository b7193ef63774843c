//! One seat as the mirror has it: `kind:token:deadline:owner`.

use std::fmt;

use crate::claim::{Claim, State, Token};
use crate::id::OwnerId;
use crate::status::SeatStatus;

/// Some sweeper has announced what lapsed by then, unless none runs. Clocks that are less apart show nobody a held seat as free.
pub const SWEPT_WITHIN_MS: u64 = 2_000;

/// What a seat in the mirror is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody's, after it was somebody's.
    Free,
    /// Claimed here, not yet confirmed by Postgres; the token is that of whoever had it before.
    Pending,
    /// Held.
    Held,
    /// On its way to the next in line.
    Escrow,
    /// Sold.
    Booked,
}

impl Kind {
    /// As stored.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Free => "f",
            Self::Pending => "p",
            Self::Held => "h",
            Self::Escrow => "e",
            Self::Booked => "b",
        }
    }

    /// As shown.
    pub fn status(self) -> SeatStatus {
        match self {
            Self::Free => SeatStatus::Free,
            Self::Pending | Self::Held | Self::Escrow => SeatStatus::Held,
            Self::Booked => SeatStatus::Booked,
        }
    }

    /// Of two facts with the same token the one with the larger rank is the later. What is pending is nobody's fact yet, and
    /// stands above those of whoever had the seat before.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Held | Self::Escrow => 0,
            Self::Booked => 1,
            Self::Free => 2,
            Self::Pending => 3,
        }
    }

    fn parse(letter: &str) -> Option<Self> {
        [Self::Free, Self::Pending, Self::Held, Self::Escrow, Self::Booked]
            .into_iter()
            .find(|kind| kind.letter() == letter)
    }
}

/// One seat in the mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorSeat {
    /// What it is.
    pub kind: Kind,
    /// The fencing token of its last claim.
    pub token: Token,
    /// When a claim lapses; 0 where there is no deadline.
    pub deadline_ms: i64,
    /// The hold or escrow it belongs to; empty when free.
    pub owner: String,
}

impl MirrorSeat {
    /// What the mirror should say of a claim.
    pub fn of(claim: &Claim) -> Self {
        let kind = match claim.state {
            State::Free => Kind::Free,
            State::Held(_) => Kind::Held,
            State::Escrow(_) => Kind::Escrow,
            State::Booked(_) => Kind::Booked,
        };
        let deadline_ms = claim.expires_at().map_or(0, jiff::Timestamp::as_millisecond);
        let owner = claim.owner().map(|owner| owner.as_str().to_owned()).unwrap_or_default();
        Self { kind, token: claim.token, deadline_ms, owner }
    }

    /// A seat that Postgres has no row of.
    pub fn never_claimed() -> Self {
        Self { kind: Kind::Free, token: 0, deadline_ms: 0, owner: String::new() }
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ':');
        let kind = Kind::parse(parts.next()?)?;
        let (token, deadline_ms) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { kind, token, deadline_ms, owner: parts.next()?.to_owned() })
    }

    /// As a buyer sees it at `now_ms`, by Redis' clock. A sweeper says so, in a version of its own, when a claim has lapsed; only
    /// where it has not for long is the seat shown as it is, free unless it belongs to the queue.
    pub fn status(&self, now_ms: u64, queue_open: bool) -> SeatStatus {
        let lapsed = self.deadline_ms.unsigned_abs() + SWEPT_WITHIN_MS <= now_ms;
        match self.kind {
            Kind::Pending | Kind::Escrow if lapsed => SeatStatus::Free,
            Kind::Held if lapsed && !queue_open => SeatStatus::Free,
            kind => kind.status(),
        }
    }

    /// When [`MirrorSeat::status`] becomes another one although nobody changes the seat.
    pub fn turns_at(&self, queue_open: bool) -> Option<u64> {
        let lapses = match self.kind {
            Kind::Pending | Kind::Escrow => true,
            Kind::Held => !queue_open,
            Kind::Free | Kind::Booked => false,
        };
        lapses.then(|| self.deadline_ms.unsigned_abs() + SWEPT_WITHIN_MS)
    }

    /// Whether the gate lets somebody else claim it.
    pub fn free_for_claim(&self, now_ms: u64, queue_open: bool) -> bool {
        match self.kind {
            Kind::Free => true,
            Kind::Booked => false,
            Kind::Held => self.lapsed(now_ms) && !queue_open,
            Kind::Pending | Kind::Escrow => self.lapsed(now_ms),
        }
    }

    pub(super) fn lapsed(&self, now_ms: u64) -> bool {
        self.deadline_ms.unsigned_abs() <= now_ms
    }

    pub(super) fn belongs_to(&self, owner: &OwnerId) -> bool {
        self.kind != Kind::Free && self.owner == owner.as_str()
    }
}

impl fmt::Display for MirrorSeat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}:{}", self.kind.letter(), self.token, self.deadline_ms, self.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_that_nobody_swept_is_free_unless_people_wait() {
        let seat = MirrorSeat::parse("h:1:1000:x").unwrap();
        assert_eq!(seat.status(2_999, false), SeatStatus::Held);
        assert_eq!(seat.status(3_000, false), SeatStatus::Free);
        assert_eq!(seat.status(3_000, true), SeatStatus::Held);
        assert_eq!(MirrorSeat::parse("e:1:1000:x").unwrap().status(3_000, true), SeatStatus::Free);
        assert_eq!(MirrorSeat::parse("b:1:0:x").unwrap().status(3_000, false), SeatStatus::Booked);
    }

    #[test]
    fn what_is_written_is_read() {
        for text in ["f:7:0:", "h:8:1700000000000:hold_x", "b:9:0:hold_y"] {
            assert_eq!(MirrorSeat::parse(text).map(|seat| seat.to_string()).as_deref(), Some(text));
        }
        for broken in ["", "h", "x:1:2:3", "h:a:0:", "h:1:b:"] {
            assert_eq!(MirrorSeat::parse(broken), None, "{broken}");
        }
    }
}
