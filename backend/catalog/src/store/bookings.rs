//! `reservations_published.bookings`: what was sold, as its owner publishes it. We only read.

use deadpool_postgres::GenericClient;
use service::postgres::Error;

/// Seats of one film sold in one hour.
#[derive(Debug)]
pub(crate) struct Sold {
    /// The film.
    pub(crate) movie_id: String,
    /// How many whole hours ago.
    pub(crate) age_hours: f64,
    /// How many seats.
    pub(crate) seats: i64,
}

/// What was sold within `history_days`, by film and hour; nothing while reservations has not published yet.
pub(crate) async fn sold(client: &impl GenericClient, history_days: f64) -> Result<Vec<Sold>, Error> {
    let published = "SELECT to_regclass('reservations_published.bookings') IS NOT NULL";
    if !client.query_one(published, &[]).await?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let sold =
        "SELECT s.movie_id, floor(extract(epoch FROM statement_timestamp() - b.booked_at) / 3600)::float8,
                       sum(b.seats)::bigint
                FROM reservations_published.bookings b JOIN catalog.shows s ON s.id = b.show_id
                WHERE b.status = 'booked' AND b.booked_at > statement_timestamp() - $1 * interval '1 day'
                GROUP BY 1, 2";
    let sold = client.prepare_cached(sold).await?;
    let rows = client.query(&sold, &[&history_days]).await?;
    Ok(rows
        .iter()
        .map(|row| Sold { movie_id: row.get(0), age_hours: row.get(1), seats: row.get(2) })
        .collect())
}
