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
use crate::offering::{self, Offer};
use crate::store::queues;

/// The longest an offer may last.
const OFFER_SECONDS_MAX: u64 = 3_600;

pub(crate) fn routes() -> axum::Router<Context> {
    axum::Router::new()
        .route("/internal/shows/{id}/queue", put(set_queue))
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
    let mut seats = body.seats;
    seats.sort();
    let lasts = Duration::from_secs(body.seconds.clamp(1, OFFER_SECONDS_MAX));
    let offer = Offer { escrow, entry: body.entry_id, session: body.session_id, seats, lasts };
    let hold =
        detached(state.drain.clone(), async move { offering::offer(&state.app, &offer).await }).await??;
    let body = OfferedBody { hold_id: hold.id, expires_at: hold.deadline.expires_at };
    Ok((StatusCode::CREATED, axum::Json(body)).into_response())
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
