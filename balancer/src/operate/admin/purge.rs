//! `POST /purge`: takes stored answers back, here and at all other balancers.

use std::time::Duration;

use http::{Response, StatusCode};
use pingora::protocols::http::ServerSession;
use serde_json::json as object;

use super::{Admin, json, problem};
use crate::cache::purge::{Purge, Told};

/// A purge's body.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// How long it may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// Purges what the body names, and says what was done.
pub(super) async fn purge(admin: &Admin, session: &mut ServerSession) -> Response<Vec<u8>> {
    let body = match tokio::time::timeout(BODY_TIME_MAX, read(session)).await {
        Ok(Some(body)) => body,
        Ok(None) => {
            session.set_keepalive(None);
            return problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "a purge is at most 256 KiB; send several",
            );
        }
        Err(_) => {
            session.set_keepalive(None);
            return problem(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body did not come in time");
        }
    };
    match serde_json::from_slice::<Purge>(&body) {
        Ok(purge) => carry_out(admin, &purge).await,
        Err(error) => problem(StatusCode::BAD_REQUEST, "purge_malformed", &error.to_string()),
    }
}

async fn carry_out(admin: &Admin, purge: &Purge) -> Response<Vec<u8>> {
    if let Err(wrong) = admin.purger.carry_out(purge) {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, wrong.code(), &wrong.to_string());
    }
    match admin.purger.tell(purge).await {
        Ok(told) => {
            let told = match told {
                Told::Nobody => None,
                Told::Subscribers(count) => Some(count),
            };
            let (tags, urls) = (purge.tags.len(), purge.urls.len());
            tracing::info!(tags, urls, everything = purge.everything, "purged by hand");
            json(
                StatusCode::OK,
                &object!({ "tags": tags, "urls": urls, "everything": purge.everything, "mode": purge.mode, "subscribers": told }),
            )
        }
        Err(error) => {
            tracing::warn!(%error, "purged here, and the others were not told");
            let detail =
                "purged here, and the other balancers were not told: redis is away; send it again later";
            problem(StatusCode::SERVICE_UNAVAILABLE, "purge_not_told", detail)
        }
    }
}

/// The whole body; nothing when it is too large. What breaks off is as short as it is.
async fn read(session: &mut ServerSession) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = session.read_request_body().await {
        if body.len() + piece.len() > BODY_BYTES_MAX {
            return None;
        }
        body.extend_from_slice(&piece);
    }
    Some(body)
}
