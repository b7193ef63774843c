//! What every handler works with.

use std::sync::Arc;

use domain::id::SessionId;
use http::HeaderValue;
use service::drain::Drain;
use service::problem::Problem;
use service::session::Session;

use crate::app::App;
use crate::live::hub::Hub;

/// The application, the live picture, and when to stop.
#[derive(Debug, Clone)]
pub struct Context {
    /// The application.
    pub app: Arc<App>,
    /// The live picture.
    pub hub: Hub,
    /// When to stop.
    pub drain: Drain,
}

/// `Cache-Control` of what concerns one session, or changes any moment.
pub(crate) const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// The session's id as one of ours.
pub(crate) fn whose(session: &Session) -> Result<SessionId, Problem> {
    SessionId::parse(&session.0).map_err(|_| Problem::internal())
}
