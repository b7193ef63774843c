//! `catalog.movies`: one row per film, derived from what the sources say (`catalog.movie_records`).

use deadpool_postgres::GenericClient;
use domain::id::MovieId;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use service::postgres::Error;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use utoipa::ToSchema;

use super::ours;

/// A film as everybody sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Movie {
    /// The same wherever the same film is loaded.
    pub id: MovieId,
    /// As on the poster.
    pub title: String,
    /// The year it came out in the US.
    pub year: i16,
    /// The day it came out in the US; `null` where a source knows only the year.
    #[schema(required)]
    pub released_on: Option<Date>,
    /// How long it is.
    #[schema(required)]
    pub runtime_minutes: Option<i16>,
    /// By the Motion Picture Association, such as `PG-13`.
    #[schema(required)]
    pub mpaa_rating: Option<String>,
    /// Most fitting first.
    pub genres: Vec<String>,
    /// Who made it.
    pub directors: Vec<String>,
    /// Who is in it, leading parts first.
    pub cast: Vec<String>,
    /// What it is about.
    #[schema(required)]
    pub synopsis: Option<String>,
    /// The page a synopsis of others (CC BY-SA) was taken from.
    #[schema(required)]
    pub synopsis_source: Option<String>,
}

const COLUMNS: &str = "id, title, year, released_on, runtime_minutes, mpaa_rating, genres, directors, cast_members, \
                       synopsis, synopsis_source";

fn movie(row: &Row) -> Movie {
    Movie {
        id: ours(MovieId::parse(row.get::<_, &str>("id"))),
        title: row.get("title"),
        year: row.get("year"),
        released_on: row.get("released_on"),
        runtime_minutes: row.get("runtime_minutes"),
        mpaa_rating: row.get("mpaa_rating"),
        genres: row.get("genres"),
        directors: row.get("directors"),
        cast: row.get("cast_members"),
        synopsis: row.get("synopsis"),
        synopsis_source: row.get("synopsis_source"),
    }
}

/// Where a page of the list ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Of the last film.
    pub(crate) sort_title: String,
    /// Of the last film.
    pub(crate) id: String,
}

/// A film and its place in the list.
pub(crate) struct Placed {
    /// The film.
    pub(crate) movie: Movie,
    /// Where it stands.
    pub(crate) place: Place,
}

/// Films by title from behind `after`, all or those with words that begin with each of `words`.
///
/// The words must be letters and digits only.
pub(crate) async fn list(
    client: &impl GenericClient,
    words: &[String],
    after: Option<&Place>,
    limit: i64,
) -> Result<Vec<Placed>, Error> {
    let query = words.iter().map(|word| format!("'{word}':*")).collect::<Vec<_>>().join(" & ");
    // An empty query would match nothing; without words its condition is left out.
    let found = if words.is_empty() { "$1::text IS NOT NULL" } else { "search @@ $1::text::tsquery" };
    let list = format!(
        "SELECT {COLUMNS}, sort_title FROM catalog.movies
         WHERE {found} AND (sort_title, id) > ($2, $3) ORDER BY sort_title, id LIMIT $4"
    );
    let list = client.prepare_cached(&list).await?;
    let (title, id) = after.map_or(("", ""), |place| (place.sort_title.as_str(), place.id.as_str()));
    let rows = client.query(&list, &[&query, &title, &id, &limit]).await?;
    let placed = |row: &Row| {
        let movie = movie(row);
        let place = Place { sort_title: row.get("sort_title"), id: movie.id.as_str().to_owned() };
        Placed { movie, place }
    };
    Ok(rows.iter().map(placed).collect())
}

/// The film of that id.
pub(crate) async fn find(client: &impl GenericClient, id: &MovieId) -> Result<Option<Movie>, Error> {
    let find = format!("SELECT {COLUMNS} FROM catalog.movies WHERE id = $1");
    let find = client.prepare_cached(&find).await?;
    Ok(client.query_opt(&find, &[&id.as_str()]).await?.as_ref().map(movie))
}

/// The films of those ids, in any order.
pub(crate) async fn find_all(client: &impl GenericClient, ids: &[&str]) -> Result<Vec<Movie>, Error> {
    let find = format!("SELECT {COLUMNS} FROM catalog.movies WHERE id = ANY($1)");
    let find = client.prepare_cached(&find).await?;
    Ok(client.query(&find, &[&ids]).await?.iter().map(movie).collect())
}

/// A film to be written: its record and what is derived from it.
#[derive(Debug, Serialize)]
pub(crate) struct Entry<'a> {
    /// Its id.
    pub(crate) id: &'a str,
    /// What the id is derived from.
    pub(crate) natural_key: &'a str,
    /// Its place in lists.
    pub(crate) sort_title: String,
    /// What a search finds it by.
    pub(crate) words: Vec<String>,
    /// What is known of it.
    #[serde(flatten)]
    pub(crate) record: &'a super::records::Record,
}

/// Writes films, new ones and known ones, in one statement.
pub(crate) async fn write(client: &impl GenericClient, entries: &[Entry<'_>]) -> Result<(), Error> {
    const UPSERT: &str = r#"
        INSERT INTO catalog.movies (id, natural_key, title, sort_title, words, year, released_on, runtime_minutes,
            mpaa_rating, genres, directors, cast_members, synopsis, synopsis_source, distributor, us_gross,
            worldwide_gross, imdb_rating, imdb_votes)
        SELECT * FROM jsonb_to_recordset($1) AS entry (id text, natural_key text, title text, sort_title text,
            words text[], year smallint, released_on date, runtime_minutes smallint, mpaa_rating text, genres text[],
            directors text[], "cast" text[], synopsis text, synopsis_source text, distributor text, us_gross bigint,
            worldwide_gross bigint, imdb_rating double precision, imdb_votes bigint)
        ON CONFLICT (id) DO UPDATE SET title = excluded.title, sort_title = excluded.sort_title,
            words = excluded.words, year = excluded.year, released_on = excluded.released_on,
            runtime_minutes = excluded.runtime_minutes, mpaa_rating = excluded.mpaa_rating, genres = excluded.genres,
            directors = excluded.directors, cast_members = excluded.cast_members, synopsis = excluded.synopsis,
            synopsis_source = excluded.synopsis_source, distributor = excluded.distributor,
            us_gross = excluded.us_gross, worldwide_gross = excluded.worldwide_gross,
            imdb_rating = excluded.imdb_rating, imdb_votes = excluded.imdb_votes"#;
    let upsert = client.prepare_cached(UPSERT).await?;
    client.execute(&upsert, &[&Json(entries)]).await?;
    Ok(())
}
