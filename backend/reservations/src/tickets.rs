//! `/api/bookings/{id}/ticket.svg`, and what scanners ask for: `/api/tickets/keys` and `/api/shows/{id}/tickets/void`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::id::{BookingId, ShowId};
use domain::status::BookingStatus;
use http::{HeaderValue, header};
use serde::Deserialize;
use service::json::{Path, Query};
use service::problem::{Problem, ProblemBody};
use service::session::Session;

use crate::cancelling;
use crate::context::{Context, PRIVATE, whose};
use crate::error::Error;
use crate::store::bookings;
use crate::ticket::void::{self, VoidPage};
use crate::ticket::{PublicKeys, qr};

/// Long enough to take the load, short enough that scanners soon know a key that was added.
const KEYS_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// A ticket that was cancelled a moment ago must not get in.
const VOID_CACHE: HeaderValue = HeaderValue::from_static("no-store");
const SVG: HeaderValue = HeaderValue::from_static("image/svg+xml");

/// The ticket of a booking as a QR code.
#[utoipa::path(
    get, path = "/api/bookings/{id}/ticket.svg", tag = "tickets", params(("id" = String, Path, description = "The booking.")),
    responses(
        (status = 200, body = String, content_type = "image/svg+xml", description = "The code of the booking's ticket, error correction M, with its quiet zone."),
        (status = 404, body = ProblemBody, description = "`booking_not_found`; `show_not_found` when the show was taken off the program"),
        (status = 410, body = ProblemBody, description = "`booking_cancelled`"),
    )
)]
pub(crate) async fn picture(
    State(state): State<Context>,
    session: Session,
    Path(id): Path<BookingId>,
) -> Result<Response, Problem> {
    let booking = cancelling::find(&state.app, &whose(&session)?, &id).await?;
    if booking.status == BookingStatus::Cancelled {
        return Err(Error::BookingCancelled.into());
    }
    let code = state.app.tickets.code_of(&booking).ok_or(Error::ShowNotFound)?;
    let svg = qr::svg(&code, &booking.seats).map_err(|error| {
        tracing::error!(booking = %booking.id, %error, "a ticket does not fit into a QR code");
        Problem::internal()
    })?;
    Ok(([(header::CONTENT_TYPE, SVG), (header::CACHE_CONTROL, PRIVATE)], svg).into_response())
}

/// The public keys that tickets are checked with, for scanners that work offline. The format of a ticket's code stands in
/// `backend/domain/src/ticket.rs`.
#[utoipa::path(
    get, path = "/api/tickets/keys", tag = "tickets",
    responses((status = 200, body = PublicKeys, description = "A JSON Web Key Set of Ed25519 keys. A ticket is good under the key that it names."))
)]
pub(crate) async fn keys(State(state): State<Context>) -> Response {
    ([(header::CACHE_CONTROL, KEYS_CACHE)], axum::Json(state.app.tickets.public())).into_response()
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VoidQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Tickets of a show that are void because their bookings were cancelled. A scanner loads all pages before the doors open.
#[utoipa::path(
    get, path = "/api/shows/{id}/tickets/void", tag = "tickets",
    params(("id" = String, Path, description = "The show."), VoidQuery),
    responses(
        (status = 200, body = VoidPage, description = "Hashes of the bookings' ids, sorted."),
        (status = 400, body = ProblemBody, description = "`invalid_cursor`, `invalid_query`"),
        (status = 404, body = ProblemBody, description = "`show_not_found`"),
    )
)]
pub(crate) async fn void(
    State(state): State<Context>,
    Path(id): Path<ShowId>,
    Query(VoidQuery { cursor }): Query<VoidQuery>,
) -> Result<Response, Error> {
    if !cursor.as_deref().is_none_or(void::is_id) {
        return Err(Error::CursorInvalid);
    }
    state.app.show(&id).await?;
    let found = bookings::void(&state.app.connection().await?, &id, cursor.as_deref()).await?;
    Ok(([(header::CACHE_CONTROL, VOID_CACHE)], axum::Json(VoidPage::of(id, cursor, found))).into_response())
}
