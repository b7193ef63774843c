//! `catalog.theaters` and `catalog.auditoriums`: houses and their rooms.

use deadpool_postgres::GenericClient;
use domain::id::{AuditoriumId, TheaterId};
use domain::seat_map::SeatMap;
use service::postgres::Error;
use tokio_postgres::types::Json;

/// Writes a theater; its id is its city and name.
pub(crate) async fn write(
    client: &impl GenericClient,
    id: &TheaterId,
    city_id: &str,
    name: &str,
) -> Result<(), Error> {
    let upsert =
        "INSERT INTO catalog.theaters (id, city_id, name) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";
    let upsert = client.prepare_cached(upsert).await?;
    client.execute(&upsert, &[&id.as_str(), &city_id, &name]).await?;
    Ok(())
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
