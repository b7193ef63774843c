//! The frames of the live socket.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EntryId, HoldId, SeatId, ShowId};
use crate::queue::estimate::Estimate;
use crate::status::{CloseReason, SeatStatus};

/// Seats and what became of them. In a snapshot free seats are left out.
pub type Seats = BTreeMap<SeatId, SeatStatus>;

/// What a client says. Unknown types are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// Tell me about this show.
    Watch {
        /// Which.
        show_id: ShowId,
    },
    /// No longer.
    Unwatch {
        /// Which.
        show_id: ShowId,
    },
    /// Something of a newer protocol.
    #[serde(other)]
    Unknown,
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The whole picture of a show.
    Snapshot {
        /// Which.
        show_id: ShowId,
        /// The picture's version.
        version: u64,
        /// All that is not free.
        seats: Seats,
    },
    /// One step on from the version before.
    Seats {
        /// Which show.
        show_id: ShowId,
        /// One more than the last.
        version: u64,
        /// What changed.
        changes: Seats,
    },
    /// Your hold's deadline passed.
    HoldExpired {
        /// Which.
        hold_id: HoldId,
        /// Of which show.
        show_id: ShowId,
        /// Its seats.
        seats: Vec<SeatId>,
    },
    /// Seats are kept for you.
    Offer {
        /// Your place in line.
        entry_id: EntryId,
        /// The hold in your name.
        hold_id: HoldId,
        /// Of which show.
        show_id: ShowId,
        /// The seats.
        seats: Vec<SeatId>,
        /// Confirm before this.
        expires_at: Timestamp,
    },
    /// You did not take the offer in time.
    OfferLapsed {
        /// Your place in line.
        entry_id: EntryId,
    },
    /// What you waited for is gone.
    Sold {
        /// Of which show.
        show_id: ShowId,
        /// The seats.
        seats: Vec<SeatId>,
    },
    /// You stand somewhere else in line than before.
    Queue {
        /// Your place in line.
        entry_id: EntryId,
        /// Of which show.
        show_id: ShowId,
        /// 1 is the front.
        position: u64,
        /// How long it may take, if that can be said.
        estimate: Option<Estimate>,
    },
    /// You wait no more.
    Closed {
        /// Your place in line.
        entry_id: EntryId,
        /// Of which show.
        show_id: ShowId,
        /// Why.
        reason: CloseReason,
    },
    /// The request on this socket could not be followed.
    Error {
        /// The show it was about, if any.
        #[serde(skip_serializing_if = "Option::is_none")]
        show_id: Option<ShowId>,
        /// A stable word.
        code: String,
    },
    /// Something of a newer protocol.
    #[serde(other)]
    Unknown,
}
