//! The body of a request, which arrives before the request has a place in its pool: a client that sends it slowly takes nothing
//! from others but its own connection.
//!
//! What may be longer than Pingora keeps for another try is passed on as it comes, and its request has its place meanwhile.

use http::header;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::request::Request;

/// So much Pingora keeps of a body.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// Waits for all of it, if it is short; Pingora sends what it has kept.
pub(super) async fn receive(session: &mut Session, request: &Request) -> Result<()> {
    if session.is_upgrade_req() || session.as_downstream_mut().is_body_done() {
        return Ok(());
    }
    let most = request.route().map_or(0, |route| route.body_bytes_max);
    let length = session.req_header().headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.unwrap_or(most) > KEPT_BYTES_MAX {
        return Ok(());
    }
    ask_for_it(session).await?;
    session.as_downstream_mut().enable_retry_buffering();
    let mut bytes = 0;
    while let Some(part) = session.as_downstream_mut().read_request_body().await.map_err(Error::into_down)? {
        bytes += part.len();
        if bytes > most {
            return too_large();
        }
        if !request.config().edge.body_pace.kept(bytes, request.started.elapsed()) {
            return too_slow();
        }
    }
    Ok(())
}

/// Whoever waits to be told that it is wanted is told so here (RFC 9110, 10.1.1), and not by the endpoint once more.
async fn ask_for_it(session: &mut Session) -> Result<()> {
    if session.req_header_mut().remove_header(&header::EXPECT).is_some() {
        session.as_downstream_mut().write_continue_response().await.map_err(Error::into_down)?;
    }
    Ok(())
}

/// A body that is longer than its route allows.
pub(super) fn too_large<T>() -> Result<T> {
    Error::e_explain(ErrorType::HTTPStatus(413), "the body is larger than its route allows")
}

/// A body that does not keep its pace.
pub(super) fn too_slow<T>() -> Result<T> {
    Error::e_explain(ErrorType::HTTPStatus(408), "the body comes too slowly")
}
