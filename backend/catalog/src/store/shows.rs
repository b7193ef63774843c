//! `catalog.shows`: screenings.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{AuditoriumId, MovieId, ShowId, TheaterId};
use domain::money::Money;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use super::Result;

/// A screening as it is written. Its natural key is room and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewShow {
    /// The film.
    pub movie_id: String,
    /// The room.
    pub auditorium_id: String,
    /// When it begins.
    pub starts_at: Timestamp,
    /// The day, where the theater stands.
    pub local_day: Date,
    /// For one seat.
    pub price: Money,
}

/// Writes the shows that are not there; what is there stays as it is, for people may have bought. Returns how many.
pub async fn insert(transaction: &Transaction<'_>, shows: &[NewShow]) -> Result<u64> {
    let insert = transaction
        .prepare_cached(
            "INSERT INTO catalog.shows (id, movie_id, auditorium_id, starts_at, local_day, price_minor, currency)
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::date[], $6::bigint[], $7::text[])
             ON CONFLICT DO NOTHING",
        )
        .await?;
    let ids: Vec<_> = shows
        .iter()
        .map(|show| crate::names::id("show", &[&show.auditorium_id, &show.starts_at.to_string()]))
        .collect();
    let movies: Vec<_> = shows.iter().map(|show| show.movie_id.as_str()).collect();
    let auditoriums: Vec<_> = shows.iter().map(|show| show.auditorium_id.as_str()).collect();
    let starts: Vec<_> = shows.iter().map(|show| show.starts_at).collect();
    let days: Vec<_> = shows.iter().map(|show| show.local_day).collect();
    let prices: Vec<_> = shows.iter().map(|show| show.price.amount).collect();
    let currencies: Vec<_> = shows.iter().map(|show| show.price.currency.as_str()).collect();
    Ok(transaction
        .execute(&insert, &[&ids, &movies, &auditoriums, &starts, &days, &prices, &currencies])
        .await?)
}

/// A house as visitors see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Theater {
    /// Its id.
    pub id: TheaterId,
    /// Its name.
    pub name: String,
    /// Its city.
    pub city: String,
    /// Two letters.
    pub state: String,
    /// An IANA time zone, to show times where the theater stands.
    pub timezone: String,
}

/// A room as visitors see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Auditorium {
    /// Its id.
    pub id: AuditoriumId,
    /// As written over the door.
    pub name: String,
}

/// The film of a show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MovieName {
    /// Its id.
    pub id: MovieId,
    /// As printed on the poster.
    pub title: String,
}

/// A screening as visitors see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Show {
    /// Its id.
    pub id: ShowId,
    /// The film's id.
    pub movie_id: MovieId,
    /// The film.
    pub movie: MovieName,
    /// The house.
    pub theater: Theater,
    /// The room.
    pub auditorium: Auditorium,
    /// When it begins.
    pub starts_at: Timestamp,
    /// For one seat.
    pub price: Money,
    /// Places in the room.
    pub capacity: i32,
}

const SELECT: &str = "SELECT s.id, s.movie_id, m.title, s.starts_at, s.price_minor, s.currency,
        t.id AS theater_id, t.name AS theater, t.city, t.state, t.timezone, a.id AS auditorium_id, a.name AS auditorium, a.capacity
    FROM catalog.shows AS s
    JOIN catalog.movies AS m ON m.id = s.movie_id
    JOIN catalog.auditoriums AS a ON a.id = s.auditorium_id
    JOIN catalog.theaters AS t ON t.id = a.theater_id";

impl Show {
    fn of(row: &Row) -> Self {
        let text = |column: &str| row.get::<_, String>(column);
        let stored = "only parsed ids are stored";
        Self {
            id: ShowId::parse(text("id")).expect(stored),
            movie_id: MovieId::parse(text("movie_id")).expect(stored),
            movie: MovieName { id: MovieId::parse(text("movie_id")).expect(stored), title: text("title") },
            theater: Theater {
                id: TheaterId::parse(text("theater_id")).expect(stored),
                name: text("theater"),
                city: text("city"),
                state: text("state"),
                timezone: text("timezone"),
            },
            auditorium: Auditorium {
                id: AuditoriumId::parse(text("auditorium_id")).expect(stored),
                name: text("auditorium"),
            },
            starts_at: row.get("starts_at"),
            price: Money { amount: row.get("price_minor"), currency: text("currency") },
            capacity: row.get("capacity"),
        }
    }
}

/// Where a page begins: behind this show, in order of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The last one's beginning.
    pub starts_at: Timestamp,
    /// The last one's id.
    pub id: String,
}

/// Which shows of a film.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this day where the theater stands; those that have not begun, when not given.
    pub on: Option<Date>,
    /// In this city, whatever its case.
    pub city: Option<String>,
    /// Behind this one.
    pub after: Option<After>,
}

/// A page of a film's shows in order of time, and where the next one begins.
pub async fn page(
    client: &impl GenericClient,
    movie: &MovieId,
    filter: &Filter,
    limit: usize,
) -> Result<(Vec<Show>, Option<After>)> {
    let page = client
        .prepare_cached(&format!(
            "{SELECT} WHERE s.movie_id = $1
               AND CASE WHEN $2::date IS NULL THEN s.starts_at > clock_timestamp() ELSE s.local_day = $2 END
               AND ($3::text IS NULL OR lower(t.city) = lower($3))
               AND ($4::timestamptz IS NULL OR (s.starts_at, s.id) > ($4, $5))
             ORDER BY s.starts_at, s.id LIMIT $6"
        ))
        .await?;
    let after = filter.after.as_ref();
    let wanted = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let (starts_at, id) = (after.map(|it| it.starts_at), after.map(|it| it.id.as_str()));
    let rows =
        client.query(&page, &[&movie.as_str(), &filter.on, &filter.city, &starts_at, &id, &wanted]).await?;
    let shows: Vec<_> = rows.iter().take(limit).map(Show::of).collect();
    let last = if rows.len() > limit { shows.last() } else { None };
    let next = last.map(|show| After { starts_at: show.starts_at, id: show.id.to_string() });
    Ok((shows, next))
}

/// Finds a show.
pub async fn find(client: &impl GenericClient, show: &ShowId) -> Result<Option<Show>> {
    let find = client.prepare_cached(&format!("{SELECT} WHERE s.id = $1")).await?;
    Ok(client.query_opt(&find, &[&show.as_str()]).await?.as_ref().map(Show::of))
}
