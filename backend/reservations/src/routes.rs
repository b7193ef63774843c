//! The whole HTTP surface of reservations on one screen.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use service::session::{SessionKeys, recognise};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::context::Context;
use crate::{bookings, holds, internal, seats, sockets, tickets};

#[derive(OpenApi)]
#[openapi(
    info(title = "Marquee", description = "Movie-theater seats."),
    components(schemas(service::problem::ProblemBody))
)]
struct Document;

/// Everything this service answers, probes aside.
pub fn routes(state: Context, keys: SessionKeys) -> Router {
    let (private, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(seats::availability))
        .routes(routes!(holds::place))
        .routes(routes!(holds::find, holds::release))
        .routes(routes!(holds::extend))
        .routes(routes!(holds::confirm))
        .routes(routes!(bookings::list))
        .routes(routes!(bookings::find, bookings::cancel))
        .routes(routes!(tickets::picture))
        .routes(routes!(sockets::live))
        .split_for_parts();
    let (public, published) = OpenApiRouter::new()
        .routes(routes!(seats::seat_map))
        .routes(routes!(tickets::keys))
        .routes(routes!(tickets::void))
        .split_for_parts();
    let document = document.merge_from(published);
    private
        .layer(from_fn_with_state(keys, recognise))
        .merge(public)
        .merge(internal::routes())
        .route("/openapi.json", get(async move || axum::Json(document)))
        .with_state(state)
}
