//! `/api/live`: from HTTP to the live socket.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use domain::id::ShowId;
use http::{HeaderMap, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use serde::Deserialize;
use service::json::Query;
use service::problem::{Problem, ProblemBody};
use service::session::Session;

use crate::context::{Context, whose};
use crate::error::Error;
use crate::live::{socket, upgrade};

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
        (status = 403, body = ProblemBody, description = "`origin_not_allowed`"),
        (status = 404, body = ProblemBody, description = "`show_not_found`"),
        (status = 503, body = ProblemBody, description = "`too_many_sockets`"),
    )
)]
pub(crate) async fn live(
    State(state): State<Context>,
    session: Session,
    Query(query): Query<LiveQuery>,
    headers: HeaderMap,
    connection: Option<Extension<OnUpgrade>>,
    wish: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let not_one = |why: String| Problem::new(StatusCode::BAD_REQUEST, "websocket_expected", why);
    drop(wish.map_err(|rejection| not_one(rejection.body_text()))?);
    let (Some(Extension(connection)), Some(key)) = (connection, headers.get(header::SEC_WEBSOCKET_KEY))
    else {
        return Err(not_one("this connection cannot become a WebSocket".to_owned()));
    };
    if !upgrade::welcome(&headers, &state.app.config.live.allowed_origins) {
        return Err(Error::OriginNotAllowed.into());
    }
    let place = Arc::clone(&state.app.sockets).try_acquire_owned().map_err(|_| Error::TooManySockets)?;
    if let Some(show) = &query.show {
        state.app.show(show).await?;
    }
    let session = whose(&session)?;
    let answer = upgrade::agreed(key).ok_or_else(Problem::internal)?;
    // The drain waits for open sockets to be closed properly.
    state.drain.clone().spawn(async move {
        if let Some(bare) = upgrade::bare(connection).await {
            socket::serve(bare, state.hub, session, query.show, state.drain).await;
        }
        drop(place);
    });
    Ok(answer)
}
