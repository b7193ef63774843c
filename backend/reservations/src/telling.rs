//! What the others are told of holds and bookings, put into the outbox by whoever changes them, with the claims locked.
//! Each says which request it was, where traces are on; of many that are written together each has its own.

use domain::event::{
    BookingCancelled, BookingConfirmed, Event, Fact, HoldEnded, SeatsEscrowed, SeatsHeld, SeatsOffered,
};
use domain::id::EntryId;
use domain::status::HoldStatus;
use service::traces;

use crate::store::bookings::Booking;
use crate::store::escrows::Escrow;
use crate::store::holds::Hold;

/// A hold was placed from the street. Nobody waits for this one: it needs no ring of the bell.
pub fn held(hold: &Hold, trace: Option<&String>) -> Event {
    let told = SeatsHeld {
        hold_id: hold.id.clone(),
        session_id: hold.session.clone(),
        seats: hold.seats.clone(),
        expires_at: hold.deadline.expires_at,
    };
    Fact::SeatsHeld(told).of(hold.show.clone()).caused_by(trace.cloned())
}

/// A hold was placed for somebody who waits.
pub fn offered(hold: &Hold, entry: &EntryId) -> Event {
    let offered = SeatsOffered {
        entry_id: entry.clone(),
        hold_id: hold.id.clone(),
        session_id: hold.session.clone(),
        seats: hold.seats.clone(),
        expires_at: hold.deadline.expires_at,
    };
    Fact::SeatsOffered(offered).of(hold.show.clone()).caused_by(traces::current())
}

/// A hold is over without a sale, and is now `status`.
pub fn ended(hold: &Hold, status: HoldStatus) -> Event {
    let ended = HoldEnded {
        hold_id: hold.id.clone(),
        session_id: hold.session.clone(),
        seats: hold.seats.clone(),
        entry_id: hold.entry.clone(),
    };
    let fact =
        if status == HoldStatus::Expired { Fact::HoldExpired(ended) } else { Fact::SeatsReleased(ended) };
    fact.of(hold.show.clone()).caused_by(traces::current())
}

/// Seats wait for the queue.
pub fn escrowed(escrow: &Escrow) -> Event {
    let escrowed = SeatsEscrowed {
        escrow_id: escrow.id.clone(),
        seats: escrow.seats.clone(),
        expires_at: escrow.expires_at,
    };
    Fact::SeatsEscrowed(escrowed).of(escrow.show.clone()).caused_by(traces::current())
}

/// A hold was sold.
pub fn confirmed(booking: &Booking, hold: &Hold, trace: Option<&String>) -> Event {
    let confirmed = BookingConfirmed {
        booking_id: booking.id.clone(),
        hold_id: hold.id.clone(),
        session_id: hold.session.clone(),
        seats: hold.seats.clone(),
        entry_id: hold.entry.clone(),
        booked_at: Some(booking.booked_at),
    };
    Fact::BookingConfirmed(confirmed).of(hold.show.clone()).caused_by(trace.cloned())
}

/// A sale was taken back.
pub fn cancelled(booking: &Booking) -> Event {
    let cancelled = BookingCancelled {
        booking_id: booking.id.clone(),
        seats: booking.seats.clone(),
        booked_at: Some(booking.booked_at),
    };
    Fact::BookingCancelled(cancelled).of(booking.show.clone()).caused_by(traces::current())
}
