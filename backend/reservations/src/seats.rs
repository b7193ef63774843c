//! `/api/shows/{id}/seat-map` and `/api/shows/{id}/seats`: where the seats are, and whose.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use domain::id::ShowId;
use domain::live::Seats;
use domain::seat_map::Row;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use service::json::Path;
use service::problem::Problem;
use sha2::{Digest, Sha256};

use crate::context::{Context, PRIVATE};
use crate::error::Error;
use crate::mirror;

/// A seat map never changes; a day is long enough.
const SEAT_MAP_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=86400, immutable");
/// Bytes of the hash that make an `ETag`.
const ETAG_BYTES: usize = 16;

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct SeatMapBody<'a> {
    show_id: &'a ShowId,
    rows: &'a [Row],
}

/// Where the seats of a show are. Immutable.
#[utoipa::path(
    get, path = "/api/shows/{id}/seat-map", tag = "seats",
    params(("id" = String, Path, description = "The show.")),
    responses((status = 200, description = "Rows of seats from the screen to the back.", body = SeatMapBody), (status = 404, body = service::problem::ProblemBody, description = "`show_not_found`"))
)]
pub(crate) async fn seat_map(
    State(state): State<Context>,
    Path(id): Path<ShowId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let show = state.app.show(&id).await?;
    let body = SeatMapBody { show_id: &id, rows: &show.seat_map.rows };
    let body = serde_json::to_vec(&body).map_err(|_| Problem::internal())?;
    let digest = Sha256::digest(&body);
    let etag = format!("\"{}\"", HEXLOWER.encode(&digest[..ETAG_BYTES]));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known.is_some_and(|known| known == "*" || known.contains(&etag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    let etag = HeaderValue::from_str(&etag).map_err(|_| Problem::internal())?;
    response.headers_mut().extend([(header::ETAG, etag), (header::CACHE_CONTROL, SEAT_MAP_CACHE)]);
    Ok(response)
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AvailabilityBody {
    show_id: ShowId,
    /// Grows with every change; the live socket counts in the same versions.
    version: u64,
    /// Places in the auditorium: those not in `seats` are free.
    capacity: usize,
    /// Seats that are `held` or `booked`.
    #[schema(value_type = std::collections::HashMap<String, domain::status::SeatStatus>)]
    seats: Seats,
}

/// Whose the seats of a show are, right now.
#[utoipa::path(
    get, path = "/api/shows/{id}/seats", tag = "seats",
    params(("id" = String, Path, description = "The show.")),
    responses((status = 200, body = AvailabilityBody, description = "All that is not free."), (status = 404, body = service::problem::ProblemBody, description = "`show_not_found`"))
)]
pub(crate) async fn availability(
    State(state): State<Context>,
    Path(id): Path<ShowId>,
) -> Result<Response, Error> {
    let show = state.app.show(&id).await?;
    state.app.in_use.note(&id);
    let picture = mirror::picture(&state.app, &id).await?;
    let capacity = show.seat_map.capacity();
    let body = AvailabilityBody { show_id: id, version: picture.version, capacity, seats: picture.seats };
    Ok(([(header::CACHE_CONTROL, PRIVATE)], axum::Json(body)).into_response())
}
