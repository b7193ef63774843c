//! A booking as its buyer sees it.

use domain::id::{BookingId, HoldId, SeatId, ShowId};
use domain::money::Money;
use domain::status::BookingStatus;
use jiff::Timestamp;
use serde::Serialize;

use crate::store::bookings::Booking;
use crate::ticket::TicketKeys;

/// The answer's body.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BookingBody {
    id: BookingId,
    hold_id: HoldId,
    show_id: ShowId,
    seats: Vec<SeatId>,
    status: BookingStatus,
    booked_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<Timestamp>,
    /// For all seats together.
    price: Money,
    email: String,
    /// What opens the door; nothing once the booking is cancelled.
    ticket: Option<TicketBody>,
}

/// A ticket, signed: whoever has the public keys can check it without asking anybody.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TicketBody {
    /// Capitals, digits and dots; see `GET /api/bookings/{id}/ticket.svg` for the picture.
    #[schema(max_length = 1380)]
    code: String,
}

impl BookingBody {
    /// Of a row, with its ticket signed.
    pub fn of(booking: &Booking, keys: &TicketKeys) -> Self {
        Self {
            id: booking.id.clone(),
            hold_id: booking.hold.clone(),
            show_id: booking.show.clone(),
            seats: booking.seats.clone(),
            status: booking.status,
            booked_at: booking.booked_at,
            cancelled_at: booking.cancelled_at,
            price: booking.price.clone(),
            email: booking.email.clone(),
            ticket: keys.code_of(booking).map(|code| TicketBody { code }),
        }
    }
}
