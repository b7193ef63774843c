//! `GET /api/movies…`: all films, the popular ones, one of them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use domain::id::MovieId;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use service::json::{Path, Query};
use service::problem::{Problem, ProblemBody};
use service::redis;
use utoipa::ToSchema;

use crate::error::Error;
use crate::popular::{self, Popular};
use crate::store::movies::{self, Movie};
use crate::{Catalog, answer, listing};

const LIST_MAX_AGE_SECONDS: u32 = 30;
const MOVIE_MAX_AGE_SECONDS: u32 = 60;
const POPULAR_MAX_AGE_SECONDS: u32 = 5;
const PAGE_DEFAULT: u16 = 20;
const PAGE_MAX: u16 = 100;

/// Which films.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct ListQuery {
    /// Words, or their beginnings, that all stand in the title; case, accents and punctuation do not matter.
    q: Option<String>,
    /// Films to a page: 1 to 100, 20 when not given.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of films by title.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MoviesPage {
    movies: Vec<Movie>,
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Films by title, page by page.
#[utoipa::path(get, path = "/api/movies", tag = "catalog", params(ListQuery), responses(
    (status = 200, body = MoviesPage),
    (status = 400, description = "`invalid_limit`, `invalid_cursor`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 422, description = "`invalid_limit`, `query_too_long`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(crate) async fn list(
    State(catalog): State<Arc<Catalog>>,
    headers: HeaderMap,
    Query(query): Query<ListQuery>,
) -> Result<Response, Error> {
    let limit = listing::limit(query.limit.as_deref(), PAGE_DEFAULT, PAGE_MAX)?;
    let words = listing::words(query.q.as_deref())?;
    // A cursor belongs to its search: in another it would skip films.
    let name =
        words.as_ref().map_or_else(|| "movies".to_owned(), |words| format!("movies {}", words.join(" ")));
    let after = listing::place(&name, query.cursor.as_deref())?;
    let mut found = match words {
        Some(words) if words.is_empty() => Vec::new(),
        words => {
            let client = catalog.pool.get().await?;
            movies::list(&client, &words.unwrap_or_default(), after.as_ref(), i64::from(limit) + 1).await?
        }
    };
    let more = found.len() > usize::from(limit);
    found.truncate(usize::from(limit));
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|last| listing::cursor(&name, &last.place));
    let movies = found.into_iter().map(|placed| placed.movie).collect();
    Ok(answer::shared(&headers, LIST_MAX_AGE_SECONDS, &MoviesPage { movies, next_cursor }))
}

/// How many popular films.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct PopularQuery {
    /// Films: 1 to 100, 20 when not given.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
}

/// The most popular new releases.
#[utoipa::path(get, path = "/api/movies/popular", tag = "catalog", params(PopularQuery), responses(
    (status = 200, body = Popular),
    (status = 400, description = "`invalid_limit`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 422, description = "`invalid_limit`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(crate) async fn popular(
    State(catalog): State<Arc<Catalog>>,
    headers: HeaderMap,
    Query(query): Query<PopularQuery>,
) -> Result<Response, Error> {
    let limit = listing::limit(query.limit.as_deref(), PAGE_DEFAULT, PAGE_MAX)?;
    let list = match popular::read(&catalog.redis, limit).await {
        Ok(Some(list)) => {
            catalog.metrics.popular_reads.with_label_values(&["redis"]).inc();
            list
        }
        Ok(None) | Err(redis::Error::Away) => counted_here(&catalog, limit).await?,
        Err(refused @ redis::Error::Refused(_)) => {
            tracing::error!(error = %format!("{:#}", anyhow::Error::from(refused)), "redis refused the popular list");
            counted_here(&catalog, limit).await?
        }
    };
    Ok(answer::shared(&headers, POPULAR_MAX_AGE_SECONDS, &list))
}

async fn counted_here(catalog: &Catalog, limit: u16) -> Result<Popular, Error> {
    catalog.metrics.popular_reads.with_label_values(&["postgres"]).inc();
    Ok(catalog.fallback.list(&catalog.pool).await?.top(usize::from(limit)))
}

/// One film.
#[utoipa::path(get, path = "/api/movies/{id}", tag = "catalog", params(("id" = String, Path, description = "The film's id.")), responses(
    (status = 200, body = Movie),
    (status = 404, description = "`movie_not_found`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(crate) async fn read(
    State(catalog): State<Arc<Catalog>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let movie = find(&catalog, &id).await?;
    Ok(answer::shared(&headers, MOVIE_MAX_AGE_SECONDS, &movie))
}

/// The film that a path names.
pub(crate) async fn find(catalog: &Catalog, id: &str) -> Result<Movie, Error> {
    let id = MovieId::parse(id).map_err(|_| Error::MovieNotFound)?;
    let client = catalog.pool.get().await?;
    movies::find(&client, &id).await?.ok_or(Error::MovieNotFound)
}
