//! `catalog.theaters` and `catalog.auditoriums`: houses and their rooms.

use deadpool_postgres::GenericClient;
use domain::id::{AuditoriumId, TheaterId};
use domain::seat_map::SeatMap;
use service::postgres::Error;
use tokio_postgres::types::Json;

use crate::names::{derived, folded};

/// A house as a source describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct House {
    pub(crate) name: String,
    /// Its city's name.
    pub(crate) city: String,
    /// Two letters.
    pub(crate) state: String,
    /// Whether buyers are asked not to leave a seat alone. What is not said stays as it is; of a new one, off.
    pub(crate) orphan_rule: Option<bool>,
    /// Whose it is. What is not said stays as it is.
    pub(crate) chain: Option<String>,
}

impl House {
    /// The same for two rows of one theater.
    pub(crate) fn key(&self) -> String {
        format!("{}\n{}\n{}", self.name, folded(&self.city), self.state)
    }
}

/// A theater's id is its city and name.
pub(crate) fn id(city_id: &str, name: &str) -> String {
    derived("theater", &[city_id, name])
}

/// Writes a theater. Says whether it was not so before.
pub(crate) async fn write(
    client: &impl GenericClient,
    city_id: &str,
    name: &str,
    orphan_rule: Option<bool>,
    chain: Option<&str>,
) -> Result<bool, Error> {
    let upsert = "INSERT INTO catalog.theaters AS old (id, city_id, name, orphan_rule, chain)
                  VALUES ($1, $2, $3, coalesce($4, false), $5)
                  ON CONFLICT (id) DO UPDATE
                      SET orphan_rule = coalesce($4, old.orphan_rule), chain = coalesce($5, old.chain)
                      WHERE old.orphan_rule <> $4 OR old.chain IS DISTINCT FROM coalesce($5, old.chain)";
    let upsert = client.prepare_cached(upsert).await?;
    Ok(client.execute(&upsert, &[&id(city_id, name), &city_id, &name, &orphan_rule, &chain]).await? > 0)
}

/// Writes an auditorium. The seats of one that is there stay as they are: tickets name them.
pub(crate) async fn write_auditorium(
    client: &impl GenericClient,
    id: &AuditoriumId,
    theater_id: &TheaterId,
    name: &str,
    seat_map: &SeatMap,
) -> Result<(), Error> {
    let upsert = "INSERT INTO catalog.auditoriums (id, theater_id, name, seat_map, capacity)
                  VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
    let upsert = client.prepare_cached(upsert).await?;
    let capacity = i32::try_from(seat_map.capacity()).unwrap_or(i32::MAX);
    client.execute(&upsert, &[&id.as_str(), &theater_id.as_str(), &name, &Json(seat_map), &capacity]).await?;
    Ok(())
}

/// A theater as far as popularity is concerned: whose it is, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) theater_id: String,
    /// Its chain; its own id where it belongs to none.
    pub(crate) chain: String,
    pub(crate) city_id: String,
    /// As people search for it.
    pub(crate) city_key: String,
    /// Two letters.
    pub(crate) country: String,
}

/// All theaters, those of the largest cities first.
pub(crate) async fn located(client: &impl GenericClient) -> Result<Vec<Located>, Error> {
    let list = "SELECT t.id, coalesce(t.chain, t.id), c.id, c.name_key, c.country
                FROM catalog.theaters t JOIN catalog.cities c ON c.id = t.city_id
                ORDER BY c.population DESC, c.id, t.id";
    let list = client.prepare_cached(list).await?;
    let located = |row: &tokio_postgres::Row| Located {
        theater_id: row.get(0),
        chain: row.get(1),
        city_id: row.get(2),
        city_key: row.get(3),
        country: row.get(4),
    };
    Ok(client.query(&list, &[]).await?.iter().map(located).collect())
}
