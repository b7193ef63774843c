//! `/api/live`: from HTTP to the live socket.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use domain::id::ShowId;
use http::StatusCode;
use serde::Deserialize;
use service::json::Query;
use service::problem::{Problem, ProblemBody};
use service::session::Session;

use crate::context::{Context, whose};
use crate::error::Error;
use crate::live::socket;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct LiveQuery {
    /// The show to watch from the start; others can follow with `watch` frames.
    #[param(value_type = Option<String>)]
    show: Option<ShowId>,
}

/// The live socket: snapshots and changes of the shows it watches, and notices for this browser.
#[utoipa::path(
    get, path = "/api/live", tag = "seats", params(LiveQuery),
    responses(
        (status = 101, description = "A WebSocket; its frames are described in DESIGN, section 5."),
        (status = 400, body = ProblemBody, description = "`websocket_expected`"),
        (status = 404, body = ProblemBody, description = "`show_not_found`"),
        (status = 503, body = ProblemBody, description = "`too_many_sockets`"),
    )
)]
pub(crate) async fn live(
    State(state): State<Context>,
    session: Session,
    Query(query): Query<LiveQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| {
        Problem::new(StatusCode::BAD_REQUEST, "websocket_expected", rejection.body_text())
    })?;
    let place = Arc::clone(&state.app.sockets).try_acquire_owned().map_err(|_| Error::TooManySockets)?;
    if let Some(show) = &query.show {
        state.app.show(show).await?;
    }
    let session = whose(&session)?;
    let upgrade = upgrade.max_message_size(socket::FRAME_BYTES_MAX).max_frame_size(socket::FRAME_BYTES_MAX);
    // Most sockets are idle most of the time: what they have in memory is what ten thousand of them cost.
    let upgrade = upgrade.read_buffer_size(socket::FRAME_BYTES_MAX).write_buffer_size(0);
    Ok(upgrade.on_upgrade(move |socket| {
        let drain = state.drain.clone();
        let (ended, end) = tokio::sync::oneshot::channel::<()>();
        // The drain waits for open sockets to be closed properly.
        state.drain.spawn(async move { drop(end.await) });
        async move {
            socket::serve(socket, state.hub, session, query.show, drain).await;
            drop((ended, place));
        }
    }))
}
