//! `catalog.shows`: screenings.

use deadpool_postgres::GenericClient;
use domain::id::{AuditoriumId, MovieId, ShowId, TheaterId};
use domain::money::Money;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use service::postgres::Error;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use utoipa::ToSchema;

use super::ours;

/// One screening.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Show {
    pub(crate) id: ShowId,
    pub(crate) movie_id: MovieId,
    pub(crate) theater: Theater,
    pub(crate) auditorium: Auditorium,
    pub(crate) starts_at: Timestamp,
    /// Of one seat.
    pub(crate) price: Money,
}

/// Where a show is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Theater {
    pub(crate) id: TheaterId,
    pub(crate) name: String,
    /// Its city's name.
    pub(crate) city: String,
    /// Two letters.
    pub(crate) state: String,
    /// IANA: the clock on its wall.
    pub(crate) timezone: String,
}

/// In which room a show is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Auditorium {
    pub(crate) id: AuditoriumId,
    pub(crate) name: String,
}

const COLUMNS: &str = "s.id, s.movie_id, s.starts_at, s.price_minor, s.currency, a.id AS auditorium_id, \
                       a.name AS auditorium, a.capacity, t.id AS theater_id, t.name AS theater, c.name AS city, \
                       c.state, c.timezone";
const TABLES: &str = "catalog.shows s JOIN catalog.auditoriums a ON a.id = s.auditorium_id \
                      JOIN catalog.theaters t ON t.id = a.theater_id JOIN catalog.cities c ON c.id = t.city_id";

fn show(row: &Row) -> Show {
    let text = |column: &str| row.get::<_, String>(column);
    Show {
        id: ours(ShowId::parse(text("id"))),
        movie_id: ours(MovieId::parse(text("movie_id"))),
        theater: Theater {
            id: ours(TheaterId::parse(text("theater_id"))),
            name: text("theater"),
            city: text("city"),
            state: text("state"),
            timezone: text("timezone"),
        },
        auditorium: Auditorium {
            id: ours(AuditoriumId::parse(text("auditorium_id"))),
            name: text("auditorium"),
        },
        starts_at: row.get("starts_at"),
        price: Money { amount: row.get("price_minor"), currency: text("currency") },
    }
}

/// Where a page of the list ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Of the last show.
    pub(crate) starts_at: Timestamp,
    /// Of the last show.
    pub(crate) id: ShowId,
}

/// Which shows of a film are wanted.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// The film.
    pub(crate) movie_id: &'a MovieId,
    /// A day on the theater's own calendar; without one, all that have not begun.
    pub(crate) on: Option<Date>,
    /// A city's id or folded name.
    pub(crate) city: Option<&'a str>,
}

/// Shows of a film by time, from behind `after`.
pub(crate) async fn list(
    client: &impl GenericClient,
    wanted: &Wanted<'_>,
    after: Option<&Place>,
    limit: i64,
) -> Result<Vec<Show>, Error> {
    // A local day lies within the UTC days around it: that bound is what the index is for.
    let list = format!(
        "SELECT {COLUMNS} FROM {TABLES}
         WHERE s.movie_id = $1
           AND CASE WHEN $2::date IS NULL THEN s.starts_at > clock_timestamp()
                    ELSE (s.starts_at AT TIME ZONE c.timezone)::date = $2 END
           AND s.starts_at >= coalesce($2::date - 1, '-infinity') AND s.starts_at < coalesce($2::date + 2, 'infinity')
           AND ($3::text IS NULL OR c.id = $3 OR c.name_key = $3)
           AND ($4::timestamptz IS NULL OR (s.starts_at, s.id) > ($4, $5))
         ORDER BY s.starts_at, s.id LIMIT $6"
    );
    let list = client.prepare_cached(&list).await?;
    let (starts_at, id) = after.map_or((None, ""), |place| (Some(place.starts_at), place.id.as_str()));
    let rows = client
        .query(&list, &[&wanted.movie_id.as_str(), &wanted.on, &wanted.city, &starts_at, &id, &limit])
        .await?;
    Ok(rows.iter().map(show).collect())
}

/// One show with what a page about it needs besides.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShowDetail {
    #[serde(flatten)]
    pub(crate) show: Show,
    pub(crate) movie: MovieTitle,
    /// How many places there are.
    pub(crate) capacity: i32,
}

/// Enough of a film to name it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MovieTitle {
    pub(crate) id: MovieId,
    pub(crate) title: String,
}

/// The show of that id.
pub(crate) async fn find(client: &impl GenericClient, id: &ShowId) -> Result<Option<ShowDetail>, Error> {
    let find = format!(
        "SELECT {COLUMNS}, m.title FROM {TABLES} JOIN catalog.movies m ON m.id = s.movie_id WHERE s.id = $1"
    );
    let find = client.prepare_cached(&find).await?;
    let detail = |row: Row| {
        let show = show(&row);
        let movie = MovieTitle { id: show.movie_id.clone(), title: row.get("title") };
        ShowDetail { show, movie, capacity: row.get("capacity") }
    };
    Ok(client.query_opt(&find, &[&id.as_str()]).await?.map(detail))
}

/// A show to be written.
#[derive(Debug, Serialize)]
pub(crate) struct Entry<'a> {
    pub(crate) id: String,
    pub(crate) movie_id: &'a str,
    pub(crate) auditorium_id: &'a str,
    pub(crate) starts_at: Timestamp,
    pub(crate) price_minor: i64,
    pub(crate) currency: &'a str,
}

/// Adds shows that are not there yet; says how many. A show that is there stays: tickets were sold for it.
pub(crate) async fn add(client: &impl GenericClient, entries: &[Entry<'_>]) -> Result<u64, Error> {
    let insert = "INSERT INTO catalog.shows (id, movie_id, auditorium_id, starts_at, price_minor, currency)
                  SELECT * FROM jsonb_to_recordset($1) AS entry (id text, movie_id text, auditorium_id text,
                      starts_at timestamptz, price_minor bigint, currency text)
                  ON CONFLICT DO NOTHING";
    let insert = client.prepare_cached(insert).await?;
    Ok(client.execute(&insert, &[&Json(entries)]).await?)
}

/// A film that plays, and since when.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The film.
    pub(crate) movie_id: String,
    /// The first show of its present run.
    pub(crate) opened_at: Timestamp,
    /// Its place among films of one opening.
    pub(crate) sort_title: String,
}

/// Films whose present run began within `window_days` and has shows to come.
///
/// A run ends with a pause of `pause_days`: a film that comes back after it is new again. Only shows that can tell are looked at,
/// however long the house has been open: a run that began within the window has nothing in the pause before it.
pub(crate) async fn openings(
    client: &impl GenericClient,
    window_days: f64,
    pause_days: f64,
) -> Result<Vec<Opening>, Error> {
    let openings = "
        WITH begun AS (
            SELECT movie_id, starts_at,
                   starts_at - lag(starts_at) OVER (PARTITION BY movie_id ORDER BY starts_at)
                       <= $2 * interval '1 day' AS continues
            FROM catalog.shows WHERE starts_at > statement_timestamp() - ($1 + $2) * interval '1 day'
        ), runs AS (
            SELECT movie_id, max(starts_at) FILTER (WHERE continues IS NOT TRUE) AS opened_at
            FROM begun GROUP BY movie_id HAVING max(starts_at) > statement_timestamp()
        )
        SELECT movie_id, opened_at, sort_title FROM runs JOIN catalog.movies ON id = movie_id
        WHERE opened_at > statement_timestamp() - $1 * interval '1 day'";
    let openings = client.prepare_cached(openings).await?;
    let opening = |row: &Row| Opening { movie_id: row.get(0), opened_at: row.get(1), sort_title: row.get(2) };
    Ok(client.query(&openings, &[&window_days, &pause_days]).await?.iter().map(opening).collect())
}

/// Which films have shows to come, and in which theaters.
pub(crate) async fn playing(client: &impl GenericClient) -> Result<Vec<(String, String)>, Error> {
    let playing = "SELECT DISTINCT s.movie_id, a.theater_id FROM catalog.shows s
                   JOIN catalog.auditoriums a ON a.id = s.auditorium_id WHERE s.starts_at > statement_timestamp()";
    let playing = client.prepare_cached(playing).await?;
    Ok(client.query(&playing, &[]).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What is shown, and in which theater: show, film, theater.
pub(crate) async fn films_of(
    client: &impl GenericClient,
    ids: &[&str],
) -> Result<Vec<(String, String, String)>, Error> {
    let find = "SELECT s.id, s.movie_id, a.theater_id FROM catalog.shows s
                JOIN catalog.auditoriums a ON a.id = s.auditorium_id WHERE s.id = ANY($1)";
    let find = client.prepare_cached(find).await?;
    let rows = client.query(&find, &[&ids]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}
