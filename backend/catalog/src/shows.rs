//! `GET /api/movies/{id}/shows`, `GET /api/shows/{id}` and `GET /api/cities`: where and when films are shown.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use domain::id::ShowId;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use service::json::{Path, Query};
use service::problem::ProblemBody;
use utoipa::ToSchema;

use crate::error::Error;
use crate::store::cities::{self, City};
use crate::store::shows::{self, Place, Show, ShowDetail, Wanted};
use crate::{Catalog, answer, listing, movies};

const LIST_MAX_AGE_SECONDS: u32 = 15;
const SHOW_MAX_AGE_SECONDS: u32 = 30;
const CITIES_MAX_AGE_SECONDS: u32 = 60;
const PAGE_DEFAULT: u16 = 50;
const PAGE_MAX: u16 = 200;

/// Which shows.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct ShowsQuery {
    /// A day on the theater's own calendar; without it, all shows that have not begun.
    #[param(value_type = Option<String>, format = Date)]
    on: Option<String>,
    /// A city's name or id.
    city: Option<String>,
    /// Shows to a page: 1 to 200, 50 when not given.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of shows by time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShowsPage {
    shows: Vec<Show>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A film's shows by time, page by page.
#[utoipa::path(get, path = "/api/movies/{id}/shows", tag = "catalog", params(("id" = String, Path, description = "The film's id."), ShowsQuery), responses(
    (status = 200, body = ShowsPage),
    (status = 400, description = "`invalid_date`, `invalid_limit`, `invalid_cursor`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 404, description = "`movie_not_found`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 422, description = "`invalid_limit`, `invalid_city`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(catalog): State<Arc<Catalog>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<ShowsQuery>,
) -> Result<Response, Error> {
    let limit = listing::limit(query.limit.as_deref(), PAGE_DEFAULT, PAGE_MAX)?;
    let on = listing::day(query.on.as_deref())?;
    let city = listing::city(query.city.as_deref())?;
    let name = format!("shows {id} {on:?} {city:?}");
    let after: Option<Place> = listing::place(&name, query.cursor.as_deref())?;
    let movie = movies::find(&catalog, &id).await?;
    let wanted = Wanted { movie_id: &movie.id, on, city: city.as_deref() };
    let client = catalog.pool.get().await?;
    let mut shows = shows::list(&client, &wanted, after.as_ref(), i64::from(limit) + 1).await?;
    let more = shows.len() > usize::from(limit);
    shows.truncate(usize::from(limit));
    let place = |show: &Show| Place { starts_at: show.starts_at, id: show.id.clone() };
    let next_cursor = shows.last().filter(|_| more).map(|last| listing::cursor(&name, &place(last)));
    Ok(answer::shared(&headers, LIST_MAX_AGE_SECONDS, &ShowsPage { shows, next_cursor }))
}

/// One show.
#[utoipa::path(get, path = "/api/shows/{id}", tag = "catalog", params(("id" = String, Path, description = "The show's id.")), responses(
    (status = 200, body = ShowDetail),
    (status = 404, description = "`show_not_found`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(crate) async fn read(
    State(catalog): State<Arc<Catalog>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let id = ShowId::parse(id).map_err(|_| Error::ShowNotFound)?;
    let client = catalog.pool.get().await?;
    let show = shows::find(&client, &id).await?.ok_or(Error::ShowNotFound)?;
    Ok(answer::shared(&headers, SHOW_MAX_AGE_SECONDS, &show))
}

/// The cities to choose from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cities {
    cities: Vec<City>,
}

/// Cities that have theaters, by name.
#[utoipa::path(get, path = "/api/cities", tag = "catalog", responses((status = 200, body = Cities)))]
pub(crate) async fn cities(
    State(catalog): State<Arc<Catalog>>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let client = catalog.pool.get().await?;
    let cities = cities::with_theaters(&client).await?;
    Ok(answer::shared(&headers, CITIES_MAX_AGE_SECONDS, &Cities { cities }))
}
