//! `/internal/…`: what the waitlist asks of us. The balancer never routes these.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post, put};
use domain::id::{EntryId, EscrowId, HoldId, SeatId, SessionId, ShowId};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service::json::{Json, Path};
use service::problem::Problem;
use service::request::detached;

use crate::context::Context;
use crate::error::Error;
use crate::freeing;
use crate::offering::{self, Offer, Part};
use crate::store::queues;

/// The longest an offer may last.
const OFFER_SECONDS_MAX: u64 = 3_600;
/// The most escrows that one call may name.
const ESCROWS_MAX: usize = 1_000;

pub(crate) fn routes() -> axum::Router<Context> {
    axum::Router::new()
        .route("/internal/shows/{id}/queue", put(set_queue))
        .route("/internal/shows/{id}/offers", post(offer_gathered))
        .route("/internal/shows/{id}/escrows/keep", post(keep))
        .route("/internal/shows/{id}/escrows/release", post(release))
        .route("/internal/escrows/{id}", delete(close_escrow))
        .route("/internal/escrows/{id}/offers", post(offer))
        .route("/internal/holds/{id}", delete(give_back))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueBody {
    open: bool,
    revision: i64,
}

async fn set_queue(
    State(state): State<Context>,
    Path(show): Path<ShowId>,
    Json(body): Json<QueueBody>,
) -> Result<StatusCode, Problem> {
    let client = state.app.connection().await.map_err(Error::from)?;
    let open = queues::set(&client, &show, body.open, body.revision).await.map_err(Error::from)?;
    if let Err(error) = state.app.gate.set_queue(&show, open).await {
        tracing::debug!(%show, %error, "the mirror learns of the queue when it is filled");
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfferBody {
    entry_id: EntryId,
    session_id: SessionId,
    seats: Vec<SeatId>,
    seconds: u64,
}

#[derive(Debug, Serialize)]
struct OfferedBody {
    hold_id: HoldId,
    expires_at: Timestamp,
}

async fn offer(
    State(state): State<Context>,
    Path(escrow): Path<EscrowId>,
    Json(body): Json<OfferBody>,
) -> Result<Response, Problem> {
    let parts = vec![sorted(escrow, body.seats)];
    place(state, parts, body.entry_id, body.session_id, body.seconds).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GatheredBody {
    entry_id: EntryId,
    session_id: SessionId,
    /// The first of them names the offer: the same first one and entry are the same offer.
    from: Vec<PartBody>,
    seconds: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartBody {
    escrow_id: EscrowId,
    seats: Vec<SeatId>,
}

async fn offer_gathered(
    State(state): State<Context>,
    Path(_show): Path<ShowId>,
    Json(body): Json<GatheredBody>,
) -> Result<Response, Problem> {
    place(state, parts(body.from), body.entry_id, body.session_id, body.seconds).await
}

async fn place(
    state: Context,
    parts: Vec<Part>,
    entry: EntryId,
    session: SessionId,
    seconds: u64,
) -> Result<Response, Problem> {
    let lasts = Duration::from_secs(seconds.clamp(1, OFFER_SECONDS_MAX));
    let offer = Offer { parts, entry, session, lasts };
    let hold =
        detached(state.drain.clone(), async move { offering::offer(&state.app, &offer).await }).await??;
    let body = OfferedBody { hold_id: hold.id, expires_at: hold.deadline.expires_at };
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
}

fn parts(bodies: Vec<PartBody>) -> Vec<Part> {
    bodies.into_iter().take(ESCROWS_MAX).map(|part| sorted(part.escrow_id, part.seats)).collect()
}

fn sorted(escrow: EscrowId, mut seats: Vec<SeatId>) -> Part {
    seats.sort();
    seats.dedup();
    Part { escrow, seats }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeepBody {
    escrow_ids: Vec<EscrowId>,
    seconds: u64,
}

async fn keep(
    State(state): State<Context>,
    Path(show): Path<ShowId>,
    Json(mut body): Json<KeepBody>,
) -> Result<StatusCode, Problem> {
    body.escrow_ids.truncate(ESCROWS_MAX);
    let lasts = Duration::from_secs(body.seconds.min(OFFER_SECONDS_MAX));
    let keeping = async move { offering::keep(&state.app, &show, &body.escrow_ids, lasts).await };
    detached(state.drain, keeping).await??;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseBody {
    from: Vec<PartBody>,
}

async fn release(
    State(state): State<Context>,
    Path(show): Path<ShowId>,
    Json(body): Json<ReleaseBody>,
) -> Result<StatusCode, Problem> {
    let parts = parts(body.from);
    detached(state.drain, async move { offering::release(&state.app, &show, &parts).await }).await??;
    Ok(StatusCode::NO_CONTENT)
}

async fn close_escrow(
    State(state): State<Context>,
    Path(escrow): Path<EscrowId>,
) -> Result<StatusCode, Problem> {
    detached(state.drain.clone(), async move { offering::close(&state.app, &escrow).await }).await??;
    Ok(StatusCode::NO_CONTENT)
}

async fn give_back(State(state): State<Context>, Path(hold): Path<HoldId>) -> Result<StatusCode, Problem> {
    detached(state.drain.clone(), async move { freeing::release(&state.app, &hold).await }).await??;
    Ok(StatusCode::NO_CONTENT)
}
