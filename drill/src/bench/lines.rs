//! Long lines before many shows, for the bench to stand in: filled and emptied with SQL, as a hundred thousand visitors are more
//! than one machine can play beside what it measures. What is measured itself goes through the house.

pub mod joining;
pub mod offering;

use anyhow::{Context, Result};
use tokio_postgres::Client;

use super::seats::Seat;

/// What the sessions, and the shows, that are only there for the bench begin with.
const OURS: &str = "bench_";
/// How long after the demo's last show those begin that are added.
const ADDED_DAYS_LATER: i32 = 1_000;

/// A show to come that nobody has touched, with the first seat of its first row, and the last one of its last row for those who
/// wait for ever. So one seat fewer in a row leaves none alone.
const SHOWS: &str = "
    SELECT s.id, s.seat_map->'rows'->0->'seats'->0->>'id', s.seat_map->'rows'->-1->'seats'->-1->>'id'
    FROM catalog_published.shows s
    WHERE s.starts_at > clock_timestamp() + interval '1 hour' AND s.capacity > 1
      AND NOT EXISTS (SELECT FROM reservations_published.holds h
                      WHERE h.show_id = s.id AND h.status IN ('on_hold', 'booked'))
    ORDER BY s.starts_at DESC, s.id LIMIT $1";
/// The same shows again, later.
const ADD_SHOWS: &str = "
    INSERT INTO catalog.shows (id, movie_id, auditorium_id, starts_at, price_minor, currency)
    SELECT $1 || again || '_' || id, movie_id, auditorium_id, starts_at + make_interval(days => $2 * again), price_minor, currency
    FROM catalog.shows, generate_series(1, 10) AS again
    WHERE starts_at > clock_timestamp() + interval '1 hour' AND NOT starts_with(id, $1)
    ORDER BY again, starts_at DESC, id LIMIT $3 ON CONFLICT DO NOTHING";
const REMOVE_SHOWS: &str = "DELETE FROM catalog.shows WHERE starts_with(id, $1)";

/// Somebody waits: reservations is told so by whoever finds it written.
const OPEN_LINES: &str = "
    INSERT INTO waitlist.shows (id, open, revision) SELECT unnest($1::text[]), true, 1
    ON CONFLICT (id) DO UPDATE SET open = true, revision = waitlist.shows.revision + 1 WHERE NOT waitlist.shows.open";
/// One after the other in all lines, as visitors come.
const FILL: &str = "
    INSERT INTO waitlist.entries (id, show_id, session_id, party, seats, joined_position)
    SELECT $1 || 'entry_' || turn || '_' || show, show, $1 || turn || '_' || show, 1, ARRAY[seat], turn
    FROM generate_series(1, $4) AS turn, unnest($2::text[], $3::text[]) AS line (show, seat) ORDER BY turn, show";
const EMPTY: &str = "DELETE FROM waitlist.entries WHERE starts_with(session_id, $1)";
/// Those in which nobody waits any more; reservations is told so.
const CLOSE_LINES: &str = "
    UPDATE waitlist.shows s SET open = false, revision = revision + 1 WHERE s.open AND s.id = ANY($1)
      AND NOT EXISTS (SELECT FROM waitlist.entries e WHERE e.show_id = s.id AND e.status IN ('waiting', 'offered'))";
/// Whether reservations knows all of it.
const UNTOLD: &str = "SELECT count(*) FROM waitlist.shows WHERE synced_revision < revision AND id = ANY($1)";

/// A line that is full of people who wait for a seat that does not come free.
#[derive(Debug, Clone)]
pub struct Place {
    /// A seat that nobody has; whoever waits for it in this line is its first.
    pub seat: Seat,
    /// What all the others wait for.
    elsewhere: String,
}

/// All lines.
#[derive(Debug)]
pub struct Lines {
    /// One of each show.
    pub places: Vec<Place>,
    /// How many wait in all of them.
    pub queued: u64,
}

impl Lines {
    /// Fills `shows` lines with about `queued` people; with a fleet that has fewer shows, some are added.
    pub async fn fill(client: &Client, shows: u32, queued: u32) -> Result<Self> {
        let mut places = places(client, shows).await?;
        if places.len() < shows as usize {
            let missing = i64::from(shows) - i64::try_from(places.len())?;
            client
                .execute(ADD_SHOWS, &[&OURS, &ADDED_DAYS_LATER, &missing])
                .await
                .context("no show can be added")?;
            places = self::places(client, shows).await?;
        }
        let (names, seats): (Vec<_>, Vec<_>) =
            places.iter().map(|place| (place.seat.show.as_str(), place.elsewhere.as_str())).unzip();
        let each = (queued as usize).div_ceil(places.len().max(1));
        client.execute(OPEN_LINES, &[&names]).await?;
        let queued = client.execute(FILL, &[&OURS, &names, &seats, &i32::try_from(each)?]).await?;
        client.batch_execute("ANALYZE waitlist.entries").await?;
        let lines = Self { places, queued };
        lines.told(client).await?;
        Ok(lines)
    }

    /// Leaves the fleet as it was.
    pub async fn empty(&self, client: &Client) -> Result<()> {
        client.execute(EMPTY, &[&OURS]).await?;
        client.execute(CLOSE_LINES, &[&self.shows()]).await?;
        self.told(client).await?;
        client.execute(REMOVE_SHOWS, &[&OURS]).await?;
        Ok(())
    }

    fn shows(&self) -> Vec<&str> {
        self.places.iter().map(|place| place.seat.show.as_str()).collect()
    }

    async fn told(&self, client: &Client) -> Result<()> {
        let told = async || {
            let untold: i64 = client.query_one(UNTOLD, &[&self.shows()]).await?.get(0);
            Ok((untold == 0).then_some(()))
        };
        crate::fleet::until("reservations to know of all lines", told).await
    }
}

async fn places(client: &Client, shows: u32) -> Result<Vec<Place>> {
    let rows = client.query(SHOWS, &[&i64::from(shows)]).await?;
    let place = |row: &tokio_postgres::Row| Place {
        seat: Seat { show: row.get(0), name: row.get(1) },
        elsewhere: row.get(2),
    };
    Ok(rows.iter().map(place).collect())
}
