//! The whole HTTP surface.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, header};
use service::session::{self, SessionKeys};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Waitlist, audit, entries};

#[derive(OpenApi)]
#[openapi(info(title = "Marquee waitlist", description = "Waiting for seats that come free."))]
struct Document;

/// Every route, with the session around those that are somebody's.
pub(crate) fn all(waitlist: Arc<Waitlist>, keys: SessionKeys) -> Router {
    let (private, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(entries::join))
        .routes(routes!(entries::mine))
        .routes(routes!(entries::read, entries::leave))
        .split_for_parts();
    let private = private
        .route_layer(map_response(never_cached))
        .route_layer(from_fn_with_state(keys, session::recognise))
        .with_state(Arc::clone(&waitlist));
    private
        .merge(audit::routes().with_state(waitlist))
        .route("/openapi.json", get(async move || axum::Json(document)))
}

async fn never_cached(mut response: Response) -> Response {
    let private = HeaderValue::from_static("private, no-store");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(private);
    response
}
