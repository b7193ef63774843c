//! `catalog.theaters` and `catalog.auditoriums`: houses and their rooms.

use deadpool_postgres::{GenericClient, Transaction};
use domain::seat_map::SeatMap;
use serde::Serialize;
use tokio_postgres::types::Json;

use super::Result;

/// A house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTheater {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its city.
    pub city: String,
    /// Two letters.
    pub state: String,
    /// An IANA time zone.
    pub timezone: String,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuditorium {
    /// Its id.
    pub id: String,
    /// Its theater's.
    pub theater_id: String,
    /// As written over the door.
    pub name: String,
    /// Its places. It never changes once it is written: holds and bookings name its seats.
    pub seat_map: SeatMap,
}

/// Writes a theater.
pub async fn upsert_theater(transaction: &Transaction<'_>, theater: &NewTheater) -> Result<()> {
    let upsert = "INSERT INTO catalog.theaters (id, name, city, state, timezone) VALUES ($1, $2, $3, $4, $5)
                  ON CONFLICT (id) DO UPDATE SET name = excluded.name, timezone = excluded.timezone";
    let upsert = transaction.prepare_cached(upsert).await?;
    transaction
        .execute(&upsert, &[&theater.id, &theater.name, &theater.city, &theater.state, &theater.timezone])
        .await?;
    Ok(())
}

/// Writes an auditorium, unless it is there.
pub async fn insert_auditorium(transaction: &Transaction<'_>, auditorium: &NewAuditorium) -> Result<()> {
    let insert = "INSERT INTO catalog.auditoriums (id, theater_id, name, seat_map, capacity)
                  VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
    let insert = transaction.prepare_cached(insert).await?;
    let capacity = i32::try_from(auditorium.seat_map.capacity()).unwrap_or(i32::MAX);
    let map = Json(&auditorium.seat_map);
    transaction
        .execute(&insert, &[&auditorium.id, &auditorium.theater_id, &auditorium.name, &map, &capacity])
        .await?;
    Ok(())
}

/// A city with a theater.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TheaterCity {
    /// Its name.
    pub name: String,
    /// Two letters.
    pub state: String,
}

/// The cities that have theaters, in order of name.
pub async fn cities(client: &impl GenericClient) -> Result<Vec<TheaterCity>> {
    let rows =
        client.query("SELECT DISTINCT city, state FROM catalog.theaters ORDER BY city, state", &[]).await?;
    Ok(rows.iter().map(|row| TheaterCity { name: row.get("city"), state: row.get("state") }).collect())
}
