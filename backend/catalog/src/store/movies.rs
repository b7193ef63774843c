//! `catalog.movies`: films and their facts.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::MovieId;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use super::Result;

/// A film as it is written, by the demo and the importer. What a source does not know is left as it was.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewMovie {
    /// As printed on the poster.
    pub title: String,
    /// With the title, the natural key.
    pub year: i32,
    /// The day it came out.
    pub released_on: Option<Date>,
    /// Its length.
    pub runtime_minutes: Option<i32>,
    /// `G`, `PG`, `PG-13`, `R`, `NC-17`.
    pub mpaa_rating: Option<String>,
    /// In order of weight.
    pub genres: Vec<String>,
    /// In order of billing.
    pub cast: Vec<String>,
    /// Who made it.
    pub directors: Vec<String>,
    /// Who brought it to theaters.
    pub distributor: Option<String>,
    /// A sentence or a paragraph.
    pub synopsis: Option<String>,
    /// Dollars.
    pub us_gross: Option<i64>,
    /// Dollars.
    pub worldwide_gross: Option<i64>,
    /// 0 to 10.
    pub imdb_rating: Option<f64>,
    /// How many voted.
    pub imdb_votes: Option<i64>,
}

/// What an upsert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upserted {
    /// A new row, or a changed one.
    Written,
    /// Everything was known.
    Unchanged,
}

/// Writes a film. Facts that are missing or empty in `movie` keep their stored value.
pub async fn upsert(transaction: &Transaction<'_>, movie: &NewMovie) -> Result<Upserted> {
    let upsert = transaction
        .prepare_cached(
            r#"INSERT INTO catalog.movies AS m (id, title, title_key, year, released_on, runtime_minutes, mpaa_rating, genres, "cast",
                    directors, distributor, synopsis, us_gross, worldwide_gross, imdb_rating, imdb_votes)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
               ON CONFLICT (id) DO UPDATE SET
                    released_on = coalesce(excluded.released_on, m.released_on),
                    runtime_minutes = coalesce(excluded.runtime_minutes, m.runtime_minutes),
                    mpaa_rating = coalesce(excluded.mpaa_rating, m.mpaa_rating),
                    genres = CASE WHEN excluded.genres = '{}' THEN m.genres ELSE excluded.genres END,
                    "cast" = CASE WHEN excluded."cast" = '{}' THEN m."cast" ELSE excluded."cast" END,
                    directors = CASE WHEN excluded.directors = '{}' THEN m.directors ELSE excluded.directors END,
                    distributor = coalesce(excluded.distributor, m.distributor),
                    synopsis = coalesce(excluded.synopsis, m.synopsis),
                    us_gross = coalesce(excluded.us_gross, m.us_gross),
                    worldwide_gross = coalesce(excluded.worldwide_gross, m.worldwide_gross),
                    imdb_rating = coalesce(excluded.imdb_rating, m.imdb_rating),
                    imdb_votes = coalesce(excluded.imdb_votes, m.imdb_votes)
               WHERE (m.released_on, m.runtime_minutes, m.mpaa_rating, m.genres, m."cast", m.directors, m.distributor,
                      m.synopsis, m.us_gross, m.worldwide_gross, m.imdb_rating, m.imdb_votes)
                 IS DISTINCT FROM
                     (coalesce(excluded.released_on, m.released_on), coalesce(excluded.runtime_minutes, m.runtime_minutes),
                      coalesce(excluded.mpaa_rating, m.mpaa_rating),
                      CASE WHEN excluded.genres = '{}' THEN m.genres ELSE excluded.genres END,
                      CASE WHEN excluded."cast" = '{}' THEN m."cast" ELSE excluded."cast" END,
                      CASE WHEN excluded.directors = '{}' THEN m.directors ELSE excluded.directors END,
                      coalesce(excluded.distributor, m.distributor), coalesce(excluded.synopsis, m.synopsis),
                      coalesce(excluded.us_gross, m.us_gross), coalesce(excluded.worldwide_gross, m.worldwide_gross),
                      coalesce(excluded.imdb_rating, m.imdb_rating), coalesce(excluded.imdb_votes, m.imdb_votes))"#,
        )
        .await?;
    let id = crate::names::movie_id(&movie.title, movie.year);
    let key = crate::names::title_key(&movie.title);
    let rows = transaction
        .execute(
            &upsert,
            &[
                &id,
                &movie.title,
                &key,
                &movie.year,
                &movie.released_on,
                &movie.runtime_minutes,
                &movie.mpaa_rating,
                &movie.genres,
                &movie.cast,
                &movie.directors,
                &movie.distributor,
                &movie.synopsis,
                &movie.us_gross,
                &movie.worldwide_gross,
                &movie.imdb_rating,
                &movie.imdb_votes,
            ],
        )
        .await?;
    Ok(if rows == 0 { Upserted::Unchanged } else { Upserted::Written })
}

/// A film as visitors see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Movie {
    /// Its id.
    pub id: MovieId,
    /// As printed on the poster.
    pub title: String,
    /// The year it came out.
    pub year: i32,
    /// The day it came out, where known.
    pub released_on: Option<Date>,
    /// Its length, where known.
    pub runtime_minutes: Option<i32>,
    /// `G`, `PG`, `PG-13`, `R`, `NC-17`, where known.
    pub mpaa_rating: Option<String>,
    /// In order of weight.
    pub genres: Vec<String>,
    /// In order of billing.
    pub cast: Vec<String>,
    /// Who made it.
    pub directors: Vec<String>,
    /// What it is about, where known.
    pub synopsis: Option<String>,
}

const COLUMNS: &str =
    r#"id, title, year, released_on, runtime_minutes, mpaa_rating, genres, "cast", directors, synopsis"#;

impl Movie {
    fn of(row: &Row) -> Self {
        Self {
            id: MovieId::parse(row.get::<_, String>("id")).expect("only parsed ids are stored"),
            title: row.get("title"),
            year: row.get("year"),
            released_on: row.get("released_on"),
            runtime_minutes: row.get("runtime_minutes"),
            mpaa_rating: row.get("mpaa_rating"),
            genres: row.get("genres"),
            cast: row.get("cast"),
            directors: row.get("directors"),
            synopsis: row.get("synopsis"),
        }
    }
}

/// Where a page begins: behind this film, in order of title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The last one's sort key.
    pub key: String,
    /// The last one's id.
    pub id: String,
}

/// A page of films in order of title, and where the next one begins. `query` is a `tsquery`; all films without it.
pub async fn page(
    client: &impl GenericClient,
    query: Option<&str>,
    after: Option<&After>,
    limit: usize,
) -> Result<(Vec<Movie>, Option<After>)> {
    let page = client
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, title_key FROM catalog.movies
             WHERE ($1::text IS NULL OR to_tsvector('simple', title_key) @@ to_tsquery('simple', $1))
               AND ($2::text IS NULL OR (title_key, id) > ($2, $3))
             ORDER BY title_key, id LIMIT $4"
        ))
        .await?;
    let wanted = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let rows =
        client.query(&page, &[&query, &after.map(|it| &it.key), &after.map(|it| &it.id), &wanted]).await?;
    let last = (rows.len() > limit).then(|| &rows[limit - 1]);
    let next = last.map(|row| After { key: row.get("title_key"), id: row.get("id") });
    Ok((rows.iter().take(limit).map(Movie::of).collect(), next))
}

/// Finds a film.
pub async fn find(client: &impl GenericClient, movie: &MovieId) -> Result<Option<Movie>> {
    let find = client.prepare_cached(&format!("SELECT {COLUMNS} FROM catalog.movies WHERE id = $1")).await?;
    Ok(client.query_opt(&find, &[&movie.as_str()]).await?.as_ref().map(Movie::of))
}

/// Several films, in no order.
pub async fn of_ids(client: &impl GenericClient, ids: &[String]) -> Result<Vec<Movie>> {
    let find =
        client.prepare_cached(&format!("SELECT {COLUMNS} FROM catalog.movies WHERE id = ANY($1)")).await?;
    Ok(client.query(&find, &[&ids]).await?.iter().map(Movie::of).collect())
}
