//! `GET /api/movies…`: all films, the popular ones, one of them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use domain::id::MovieId;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use service::json::{Path, Query};
use service::problem::{Problem, ProblemBody};
use utoipa::ToSchema;

use crate::error::Error;
use crate::popular::{Asked, Popular, Source};
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

/// Which popular films.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub(crate) struct PopularQuery {
    /// Films: 1 to 100, 20 when not given.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
    /// Only what people did in this country, by its two letters (ISO 3166-1).
    country: Option<String>,
    /// Only what people did in this city, by its name or id.
    city: Option<String>,
    /// `true` to be told why each film stands where it stands.
    #[param(value_type = Option<bool>)]
    explain: Option<String>,
}

impl PopularQuery {
    fn asked(&self) -> Result<Asked, Error> {
        let limit = listing::limit(self.limit.as_deref(), PAGE_DEFAULT, PAGE_MAX)?;
        let country = listing::country(self.country.as_deref())?;
        let city = listing::city(self.city.as_deref())?;
        if self.city.is_some() && city.is_none() {
            return Err(listing::InvalidListing::City.into());
        }
        Ok(Asked { limit: usize::from(limit), country, city })
    }
}

/// The most popular new releases: everywhere, in a country, or in a city.
#[utoipa::path(get, path = "/api/movies/popular", tag = "catalog", params(PopularQuery), responses(
    (status = 200, body = Popular),
    (status = 400, description = "`invalid_limit`, `invalid_country`, `invalid_explain`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 404, description = "`country_not_found`, `city_not_found`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 422, description = "`invalid_limit`, `invalid_city`, `city_ambiguous`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(crate) async fn popular(
    State(catalog): State<Arc<Catalog>>,
    headers: HeaderMap,
    Query(query): Query<PopularQuery>,
) -> Result<Response, Error> {
    let asked = query.asked()?;
    let explain = listing::flag("explain", query.explain.as_deref())?;
    let read =
        if explain { catalog.popular.explained(&asked).await } else { catalog.popular.list(&asked).await };
    let (list, source): (Popular, Source) = read?;
    catalog.metrics.popular_reads.with_label_values(&[source.name()]).inc();
    Ok(answer::shared(&headers, POPULAR_MAX_AGE_SECONDS, &list))
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
