//! The rows, as plain data.

use domain::id::{AuditoriumId, BookingId, EntryId, EscrowId, HoldId, SeatId, SessionId, ShowId};
use domain::status::{BookingStatus, EntryStatus, HoldStatus};
use serde::{Deserialize, Serialize};

/// Nanoseconds since the epoch, by the database's clock.
pub type Nanos = u64;

/// A screening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// Which.
    pub show: ShowId,
    /// Where.
    pub auditorium: AuditoriumId,
    /// How many it can seat.
    pub capacity: usize,
}

/// Where a seat is, and whether it is like most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// Column; a gap of more than one is an aisle.
    pub x: u16,
    /// Row.
    pub y: u16,
    /// No wheelchair's, and no companion's.
    pub standard: bool,
}

/// Whose a seat is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimStatus {
    /// Nobody's.
    Free,
    /// A hold's.
    Held,
    /// On its way to the next in line.
    Escrow,
    /// Sold.
    Booked,
}

/// A seat that was ever claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Of which show.
    pub show: ShowId,
    /// Which seat.
    pub seat: SeatId,
    /// Whose.
    pub status: ClaimStatus,
    /// The hold or escrow it belongs to.
    pub owner: Option<String>,
    /// The fencing token of its last claim.
    pub token: i64,
    /// When it lapses.
    pub expires_at_ns: Option<Nanos>,
}

/// Seats kept for a buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which.
    pub hold: HoldId,
    /// Of which show.
    pub show: ShowId,
    /// Whose.
    pub session: SessionId,
    /// The place in line it was offered to, if any.
    pub entry: Option<EntryId>,
    /// Which seats.
    pub seats: Vec<SeatId>,
    /// Its fencing token.
    pub token: i64,
    /// How it stands, as written.
    pub status: HoldStatus,
    /// When it was placed.
    pub created_at_ns: Nanos,
    /// Its deadline, as it was moved last.
    pub expires_at_ns: Nanos,
    /// Whether its buyer moved the deadline.
    #[serde(default)]
    pub extended: bool,
    /// Whether it was moved for a payment that began shortly before.
    #[serde(default)]
    pub graced: bool,
    /// When it was written to be over.
    #[serde(default)]
    pub ended_at_ns: Option<Nanos>,
}

impl Hold {
    /// Whether its deadline is not the one that it was placed with.
    pub fn moved(&self) -> bool {
        self.extended || self.graced
    }
}

/// A sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// Which.
    pub booking: BookingId,
    /// The hold it came from.
    pub hold: HoldId,
    /// Of which show.
    pub show: ShowId,
    /// Whose.
    pub session: SessionId,
    /// Which seats.
    pub seats: Vec<SeatId>,
    /// Whether it stands.
    pub status: BookingStatus,
    /// The key it was confirmed with.
    pub key: String,
    /// When it was sold.
    pub booked_at_ns: Nanos,
    /// When it was taken back.
    pub cancelled_at_ns: Option<Nanos>,
}

impl Booking {
    /// Whether its hold had lapsed when it was sold: it was paid too late, and nobody had its seats. Both times are the
    /// database's, and the deadline itself is the first moment at which a hold is over.
    pub fn late(&self, hold: &Hold) -> bool {
        self.booked_at_ns >= hold.expires_at_ns
    }
}

/// A seat of a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingSeat {
    /// Of which booking.
    pub booking: BookingId,
    /// Of which show.
    pub show: ShowId,
    /// Which.
    pub seat: SeatId,
    /// Whether it is sold by this booking now.
    pub live: bool,
}

/// Seats that came free while people wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escrow {
    /// Which.
    pub escrow: EscrowId,
    /// Of which show.
    pub show: ShowId,
    /// What is left in it.
    pub seats: Vec<SeatId>,
    /// Whether it is still to be given.
    pub open: bool,
    /// Then its seats are anybody's.
    pub expires_at_ns: Nanos,
}

/// Whether seats of a show that come free are kept for its line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Which show.
    pub show: ShowId,
    /// Whether they are.
    pub open: bool,
}

/// A place in line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which.
    pub entry: EntryId,
    /// Order of arrival.
    pub seq: i64,
    /// Of which show.
    pub show: ShowId,
    /// Whose.
    pub session: SessionId,
    /// How many they are.
    pub party: usize,
    /// The only seats they want; any when empty.
    pub seats: Vec<SeatId>,
    /// Whether they sit beside each other or not at all.
    #[serde(default)]
    pub together: bool,
    /// Whether they need room for a wheelchair.
    #[serde(default)]
    pub wheelchair: bool,
    /// How it stands.
    pub status: EntryStatus,
    /// When they came.
    pub created_at_ns: Nanos,
    /// When it was over.
    pub ended_at_ns: Option<Nanos>,
}

/// What somebody in line was to be offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Order of decision.
    pub seq: i64,
    /// Out of which escrow.
    pub escrow: EscrowId,
    /// Whose place in line.
    pub entry: EntryId,
    /// Which seats.
    pub seats: Vec<SeatId>,
    /// How far it came.
    pub status: OfferStatus,
    /// The hold that was placed.
    pub hold: Option<HoldId>,
    /// When it was decided.
    pub decided_at_ns: Nanos,
}

/// How far an offer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferStatus {
    /// Written down.
    Decided,
    /// Reservations is asked for the hold.
    Asked,
    /// The hold is placed.
    Made,
    /// The seats were gone.
    Gone,
    /// Its owner went before reservations was asked.
    Withdrawn,
    /// It was taken, given back, or lapsed.
    Settled,
    /// Its owner went; the hold is being given back.
    Returning,
    /// It was given back.
    Returned,
}
