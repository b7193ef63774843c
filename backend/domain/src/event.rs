//! What one owner tells the others: facts about a show, past tense.
//!
//! The JSON of these is stored in outboxes and streams: `{"id","type","version","at","show_id","data"}`, where an owner writes all
//! but `id` and `at`, which its outbox knows, and sometimes `trace` besides, which leads to its cause. Types and members are only ever added, and a reader ignores those it does not know.
//! Where that is not enough a type gets a new version, and readers learn it before anybody writes it.
//!
//! In which order they come:
//!
//! - The events that give a seat to somebody (`SeatsHeld`, `SeatsOffered`, `SeatsEscrowed`, `BookingConfirmed`) are in the order in
//!   which the seat changed hands, and so are the events of one hold, from the first to its booking's cancellation.
//! - Between different seats of a show there is no order, and none between shows.
//! - A hold that lapsed can be taken over before it is announced. So an event that ends a hold or a booking (`SeatsReleased`,
//!   `HoldExpired`, `BookingCancelled`) may come after somebody else's `SeatsHeld`: its seats are free of *that* hold, and whoever
//!   keeps a picture changes only what it shows as that hold's.
//! - An escrow that ends without an offer is not told: its seats are free when its `expires_at` has passed, or somebody has them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{BookingId, EntryId, EscrowId, HoldId, SeatId, SessionId, ShowId};
use crate::queue::estimate::Estimate;
use crate::status::CloseReason;

/// An event as a stream carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its number in the owner's outbox, as text that no other event of any owner has.
    pub id: String,
    /// When it was written, by the database's clock.
    pub at: Timestamp,
    /// The transaction it was written by, which tells whether a reading of the owner's views has seen what it tells of. Older
    /// programs do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_in: Option<u64>,
    /// What is told.
    #[serde(flatten)]
    pub event: Event,
}

/// An event as its owner writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    version: First,
    /// Of which show.
    pub show_id: ShowId,
    /// The W3C `traceparent` of what caused it, where that is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

impl Event {
    /// Where it comes from, when somebody wants to follow it.
    #[must_use]
    pub fn caused_by(self, trace: Option<String>) -> Self {
        Self { trace, ..self }
    }
}

/// The version of every type so far. A later one is not for this program to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
struct First;

impl From<First> for u16 {
    fn from(_: First) -> Self {
        1
    }
}

impl TryFrom<u16> for First {
    type Error = String;

    fn try_from(version: u16) -> Result<Self, String> {
        if version == 1 { Ok(Self) } else { Err(format!("version {version} is not known here")) }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Fact {
    /// A buyer holds seats.
    SeatsHeld(SeatsHeld),
    /// A buyer gave a hold back.
    SeatsReleased(HoldEnded),
    /// A hold's deadline passed and its seats are no longer its.
    HoldExpired(HoldEnded),
    /// Seats were sold.
    BookingConfirmed(BookingConfirmed),
    /// A booking was cancelled.
    BookingCancelled(BookingCancelled),
    /// Seats came free while people wait: they belong to the queue until `expires_at`.
    SeatsEscrowed(SeatsEscrowed),
    /// A hold was placed for somebody who waits.
    SeatsOffered(SeatsOffered),
    /// Seats that these people waited for are gone.
    WaitersTold(WaitersTold),
    /// These people stand somewhere else in line than they knew.
    LineMoved(LineMoved),
    /// These people wait no more: their show is over for the line.
    LineClosed(LineClosed),
}

/// The types by name, for consumers that choose among them.
pub mod kind {
    /// [`super::Fact::SeatsHeld`].
    pub const SEATS_HELD: &str = "SeatsHeld";
    /// [`super::Fact::SeatsReleased`].
    pub const SEATS_RELEASED: &str = "SeatsReleased";
    /// [`super::Fact::HoldExpired`].
    pub const HOLD_EXPIRED: &str = "HoldExpired";
    /// [`super::Fact::BookingConfirmed`].
    pub const BOOKING_CONFIRMED: &str = "BookingConfirmed";
    /// [`super::Fact::BookingCancelled`].
    pub const BOOKING_CANCELLED: &str = "BookingCancelled";
    /// [`super::Fact::SeatsEscrowed`].
    pub const SEATS_ESCROWED: &str = "SeatsEscrowed";
    /// [`super::Fact::SeatsOffered`].
    pub const SEATS_OFFERED: &str = "SeatsOffered";
    /// [`super::Fact::WaitersTold`].
    pub const WAITERS_TOLD: &str = "WaitersTold";
    /// [`super::Fact::LineMoved`].
    pub const LINE_MOVED: &str = "LineMoved";
    /// [`super::Fact::LineClosed`].
    pub const LINE_CLOSED: &str = "LineClosed";
}

impl Fact {
    /// The name of its type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SeatsHeld(_) => kind::SEATS_HELD,
            Self::SeatsReleased(_) => kind::SEATS_RELEASED,
            Self::HoldExpired(_) => kind::HOLD_EXPIRED,
            Self::BookingConfirmed(_) => kind::BOOKING_CONFIRMED,
            Self::BookingCancelled(_) => kind::BOOKING_CANCELLED,
            Self::SeatsEscrowed(_) => kind::SEATS_ESCROWED,
            Self::SeatsOffered(_) => kind::SEATS_OFFERED,
            Self::WaitersTold(_) => kind::WAITERS_TOLD,
            Self::LineMoved(_) => kind::LINE_MOVED,
            Self::LineClosed(_) => kind::LINE_CLOSED,
        }
    }

    /// The event that this happened to a show.
    pub fn of(self, show_id: ShowId) -> Event {
        Event { version: First, show_id, trace: None, fact: self }
    }
}

/// A hold from the street; one for somebody who waits is [`SeatsOffered`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatsHeld {
    /// The hold.
    pub hold_id: HoldId,
    /// Whose.
    pub session_id: SessionId,
    /// Its seats.
    pub seats: Vec<SeatId>,
    /// Its deadline, as long as nobody prolongs it.
    pub expires_at: Timestamp,
}

/// A hold that is over without a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldEnded {
    /// Which.
    pub hold_id: HoldId,
    /// Whose.
    pub session_id: SessionId,
    /// Its seats.
    pub seats: Vec<SeatId>,
    /// The waitlist entry it was offered to, if any.
    pub entry_id: Option<EntryId>,
}

/// A sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingConfirmed {
    /// The booking.
    pub booking_id: BookingId,
    /// The hold it came from.
    pub hold_id: HoldId,
    /// Whose.
    pub session_id: SessionId,
    /// The seats.
    pub seats: Vec<SeatId>,
    /// The waitlist entry its hold was offered to, if any.
    pub entry_id: Option<EntryId>,
    /// When they were sold. Older programs do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booked_at: Option<Timestamp>,
}

/// A sale taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingCancelled {
    /// The booking.
    pub booking_id: BookingId,
    /// The seats.
    pub seats: Vec<SeatId>,
    /// When they were sold. Older programs do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booked_at: Option<Timestamp>,
}

/// Seats on their way to the next in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatsEscrowed {
    /// The escrow.
    pub escrow_id: EscrowId,
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
    /// What was sold.
    pub seats: Vec<SeatId>,
    /// Who waited.
    pub session_ids: Vec<SessionId>,
}

/// News for people in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineMoved {
    /// Where they stand now.
    pub places: Vec<PlaceTold>,
}

/// Where somebody stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceTold {
    /// Their place in line.
    pub entry_id: EntryId,
    /// Who.
    pub session_id: SessionId,
    /// 1 is the front.
    pub position: u64,
    /// How long it may take, if that can be said.
    pub estimate: Option<Estimate>,
}

/// The end of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineClosed {
    /// Why.
    pub reason: CloseReason,
    /// Who waited.
    pub entries: Vec<EntryTold>,
}

/// Somebody in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryTold {
    /// Their place in line.
    pub entry_id: EntryId,
    /// Who.
    pub session_id: SessionId,
}
