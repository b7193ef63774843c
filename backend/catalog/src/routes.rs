//! The whole HTTP surface.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use service::session::{self, SessionKeys};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Catalog, movies, openapi, pages, shows};

#[derive(OpenApi)]
#[openapi(info(
    title = "Marquee",
    description = "Movie-theater seats: films, shows, holds, bookings and waiting lists."
))]
struct Document;

/// Every route: the API, which everybody shares, and the pages, with whose first one a session begins.
pub(crate) fn all(catalog: Arc<Catalog>, keys: SessionKeys) -> Router {
    let (api, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(movies::list))
        .routes(routes!(movies::popular))
        .routes(routes!(movies::read))
        .routes(routes!(shows::list))
        .routes(routes!(shows::read))
        .routes(routes!(shows::cities))
        .split_for_parts();
    let document = Arc::new(document);
    let own = Arc::clone(&document);
    api.route("/api/openapi.json", get(move |state, headers| openapi::whole(state, headers, document)))
        .with_state(catalog)
        .route("/openapi.json", get(async move || axum::Json(own)))
        .merge(pages::routes().layer(from_fn_with_state(keys, session::recognise)))
}
