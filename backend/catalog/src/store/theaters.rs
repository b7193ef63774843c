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
) -> Result<bool, Error> {
    let upsert = "INSERT INTO catalog.theaters AS old (id, city_id, name, orphan_rule)
                  VALUES ($1, $2, $3, coalesce($4, false))
                  ON CONFLICT (id) DO UPDATE SET orphan_rule = $4 WHERE old.orphan_rule <> $4";
    let upsert = client.prepare_cached(upsert).await?;
    Ok(client.execute(&upsert, &[&id(city_id, name), &city_id, &name, &orphan_rule]).await? > 0)
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
