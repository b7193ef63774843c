//! `/api/bookings`: what this browser bought.

pub mod body;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::id::BookingId;
use http::header;
use serde::Serialize;
use service::json::Path;
use service::problem::{Problem, ProblemBody};
use service::request::detached;
use service::session::Session;

use crate::bookings::body::BookingBody;
use crate::cancelling;
use crate::context::{Context, PRIVATE, whose};
use crate::error::Error;
use crate::store::bookings;

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
pub(crate) async fn list(State(state): State<Context>, session: Session) -> Result<Response, Problem> {
    let client = state.app.connection().await.map_err(Error::from)?;
    let bookings = bookings::of_session(&client, &whose(&session)?).await.map_err(Error::from)?;
    let body = BookingsBody {
        bookings: bookings.iter().map(|booking| BookingBody::of(booking, &state.app.tickets)).collect(),
    };
    Ok(([(header::CACHE_CONTROL, PRIVATE)], axum::Json(body)).into_response())
}

/// A booking of this browser.
#[utoipa::path(
    get, path = "/api/bookings/{id}", tag = "bookings", params(("id" = String, Path, description = "The booking.")),
    responses((status = 200, body = BookingBody, description = "The booking."), (status = 404, body = ProblemBody, description = "`booking_not_found`"))
)]
pub(crate) async fn find(
    State(state): State<Context>,
    session: Session,
    Path(id): Path<BookingId>,
) -> Result<Response, Problem> {
    let booking = cancelling::find(&state.app, &whose(&session)?, &id).await?;
    let body = BookingBody::of(&booking, &state.app.tickets);
    Ok(([(header::CACHE_CONTROL, PRIVATE)], axum::Json(body)).into_response())
}

/// Takes a booking back; its seats are free again and its ticket is void.
#[utoipa::path(
    delete, path = "/api/bookings/{id}", tag = "bookings", params(("id" = String, Path, description = "The booking.")),
    responses((status = 200, body = BookingBody, description = "The cancelled booking."), (status = 404, body = ProblemBody, description = "`booking_not_found`"), (status = 410, body = ProblemBody, description = "`show_started`"))
)]
pub(crate) async fn cancel(
    State(state): State<Context>,
    session: Session,
    Path(id): Path<BookingId>,
) -> Result<Response, Problem> {
    let session = whose(&session)?;
    let app = Arc::clone(&state.app);
    let booking =
        detached(state.drain.clone(), async move { cancelling::cancel(&app, &session, &id).await }).await??;
    let body = BookingBody::of(&booking, &state.app.tickets);
    Ok(([(header::CACHE_CONTROL, PRIVATE)], axum::Json(body)).into_response())
}
