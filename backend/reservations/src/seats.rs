//! `/api/shows/{id}/seat-map` and `/api/shows/{id}/seats`: where the seats are, and whose.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use domain::id::ShowId;
use domain::live::Seats;
use domain::seat_map::Row;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use service::json::Path;
use service::problem::Problem;
use sha2::{Digest, Sha256};

use crate::context::{Context, PRIVATE};
use crate::mirror;

/// A seat map never changes; a day is long enough.
const SEAT_MAP_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=86400, immutable");
/// What the caches in front of us are told, and no browser (RFC 9213).
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
/// What it can be purged by.
const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
/// Availability, for the balancer alone: it is told of every change.
const STORED_SECONDS_MAX: u64 = 10;
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
    let mut response = validated(&body, &headers)?;
    response.headers_mut().insert(header::CACHE_CONTROL, SEAT_MAP_CACHE);
    Ok(response)
}

/// The body under a hash of it, or that it is known already.
fn validated(body: &impl Serialize, headers: &HeaderMap) -> Result<Response, Problem> {
    let body = serde_json::to_vec(body).map_err(|_| Problem::internal())?;
    let digest = Sha256::digest(&body);
    let etag = format!("\"{}\"", HEXLOWER.encode(&digest[..ETAG_BYTES]));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known.is_some_and(|known| known == "*" || known.contains(&etag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    let etag = HeaderValue::from_str(&etag).map_err(|_| Problem::internal())?;
    response.headers_mut().insert(header::ETAG, etag);
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

/// Whose the seats of a show are, right now. The balancer may store it: every change of it is purged by its tag, in the call that
/// makes the change, and what changes by itself, a claim that lapses unannounced, ends it in time.
#[utoipa::path(
    get, path = "/api/shows/{id}/seats", tag = "seats",
    params(("id" = String, Path, description = "The show.")),
    responses((status = 200, body = AvailabilityBody, description = "All that is not free."), (status = 404, body = service::problem::ProblemBody, description = "`show_not_found`"))
)]
pub(crate) async fn availability(
    State(state): State<Context>,
    Path(id): Path<ShowId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let show = state.app.show(&id).await?;
    state.app.in_use.note(&id);
    let picture = mirror::picture(&state.app, &id).await?;
    let capacity = show.seat_map.capacity();
    let seconds = picture.lasts.as_secs().min(STORED_SECONDS_MAX);
    state.app.in_use.note_stored(&id, Duration::from_secs(seconds));
    let tag = format!("show:{id}");
    let body = AvailabilityBody { show_id: id, version: picture.version, capacity, seats: picture.seats };
    let mut response = validated(&body, &headers)?;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, PRIVATE);
    if seconds > 0 {
        let stored = format!("max-age={seconds}, must-revalidate");
        for (name, value) in [(CDN_CACHE_CONTROL, stored), (CACHE_TAG, tag)] {
            headers.insert(name, HeaderValue::from_str(&value).map_err(|_| Problem::internal())?);
        }
    }
    Ok(response)
}
