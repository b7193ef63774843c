//! `/api/bookings`: what this browser bought.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::id::{BookingId, HoldId, SeatId, ShowId};
use domain::money::Money;
use domain::status::BookingStatus;
use http::header;
use jiff::Timestamp;
use serde::Serialize;
use service::json::Path;
use service::problem::{Problem, ProblemBody};
use service::request::detached;
use service::session::Session;

use crate::error::Error;
use crate::holds::whose;
use crate::seats::PRIVATE;
use crate::store::bookings::{self, Booking};
use crate::{cancelling, routes};

/// A booking as its buyer sees it.
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
}

impl BookingBody {
    /// Of a row.
    pub fn of(booking: &Booking) -> Self {
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
        }
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct BookingsBody {
    /// Newest first, 200 at most.
    bookings: Vec<BookingBody>,
}

/// This browser's bookings.
#[utoipa::path(
    get, path = "/api/bookings", tag = "bookings",
    responses((status = 200, body = BookingsBody, description = "Newest first."))
)]
pub(crate) async fn list(State(state): State<routes::State>, session: Session) -> Result<Response, Problem> {
    let client = state.app.connection().await.map_err(Error::from)?;
    let bookings = bookings::of_session(&client, &whose(&session)?).await.map_err(Error::from)?;
    let body = BookingsBody { bookings: bookings.iter().map(BookingBody::of).collect() };
    Ok(([(header::CACHE_CONTROL, PRIVATE)], axum::Json(body)).into_response())
}

/// A booking of this browser.
#[utoipa::path(
    get, path = "/api/bookings/{id}", tag = "bookings", params(("id" = String, Path, description = "The booking.")),
    responses((status = 200, body = BookingBody, description = "The booking."), (status = 404, body = ProblemBody, description = "`booking_not_found`"))
)]
pub(crate) async fn find(
    State(state): State<routes::State>,
    session: Session,
    Path(id): Path<BookingId>,
) -> Result<Response, Problem> {
    let booking = cancelling::find(&state.app, &whose(&session)?, &id).await?;
    Ok(([(header::CACHE_CONTROL, PRIVATE)], axum::Json(BookingBody::of(&booking))).into_response())
}

/// Takes a booking back; its seats are free again.
#[utoipa::path(
    delete, path = "/api/bookings/{id}", tag = "bookings", params(("id" = String, Path, description = "The booking.")),
    responses((status = 200, body = BookingBody, description = "The cancelled booking."), (status = 404, body = ProblemBody, description = "`booking_not_found`"), (status = 410, body = ProblemBody, description = "`show_started`"))
)]
pub(crate) async fn cancel(
    State(state): State<routes::State>,
    session: Session,
    Path(id): Path<BookingId>,
) -> Result<Response, Problem> {
    let session = whose(&session)?;
    let booking =
        detached(state.drain.clone(), async move { cancelling::cancel(&state.app, &session, &id).await })
            .await??;
    Ok(([(header::CACHE_CONTROL, PRIVATE)], axum::Json(BookingBody::of(&booking))).into_response())
}
