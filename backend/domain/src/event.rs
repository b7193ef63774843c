//! What one owner tells the others: facts, past tense, in the order they were committed.
//!
//! The JSON of these is stored in outboxes and streams: variants and members are only ever added.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{BookingId, EntryId, EscrowId, HoldId, SeatId, SessionId, ShowId};

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A hold's deadline passed and its seats are no longer its.
    HoldExpired(HoldEnded),
    /// A buyer gave a hold back.
    HoldReleased(HoldEnded),
    /// Seats were sold.
    SeatsBooked(SeatsBooked),
    /// A booking was cancelled.
    BookingCancelled(BookingCancelled),
    /// Seats came free while people wait: they belong to the queue until `expires_at`.
    SeatsEscrowed(SeatsEscrowed),
    /// A hold was placed for somebody who waits.
    SeatsOffered(SeatsOffered),
    /// Seats that these people waited for are gone.
    WaitersTold(WaitersTold),
}

/// A hold that is over without a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldEnded {
    /// Which.
    pub hold_id: HoldId,
    /// Of which show.
    pub show_id: ShowId,
    /// Whose.
    pub session_id: SessionId,
    /// Its seats.
    pub seats: Vec<SeatId>,
    /// The waitlist entry it was offered to, if any.
    pub entry_id: Option<EntryId>,
}

/// A sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatsBooked {
    /// The booking.
    pub booking_id: BookingId,
    /// The hold it came from.
    pub hold_id: HoldId,
    /// Of which show.
    pub show_id: ShowId,
    /// Whose.
    pub session_id: SessionId,
    /// The seats.
    pub seats: Vec<SeatId>,
    /// The waitlist entry its hold was offered to, if any.
    pub entry_id: Option<EntryId>,
}

/// A sale taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingCancelled {
    /// The booking.
    pub booking_id: BookingId,
    /// Of which show.
    pub show_id: ShowId,
    /// The seats.
    pub seats: Vec<SeatId>,
}

/// Seats on their way to the next in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatsEscrowed {
    /// The escrow.
    pub escrow_id: EscrowId,
    /// Of which show.
    pub show_id: ShowId,
    /// The seats.
    pub seats: Vec<SeatId>,
    /// After this they go on open sale.
    pub expires_at: Timestamp,
}

/// A hold in the name of somebody who waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatsOffered {
    /// Whose place in line.
    pub entry_id: EntryId,
    /// The hold.
    pub hold_id: HoldId,
    /// Of which show.
    pub show_id: ShowId,
    /// Whose.
    pub session_id: SessionId,
    /// The seats.
    pub seats: Vec<SeatId>,
    /// Until when they may confirm.
    pub expires_at: Timestamp,
}

/// News for people who waited in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitersTold {
    /// Of which show.
    pub show_id: ShowId,
    /// What was sold.
    pub seats: Vec<SeatId>,
    /// Who waited.
    pub session_ids: Vec<SessionId>,
}
