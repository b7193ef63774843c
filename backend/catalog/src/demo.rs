//! The demo catalogue: films, theaters and a program around today, the same on every machine.
//!
//! Loading it again keeps everything that is there and adds the days that are missing.

mod data;
mod plan;
mod program;

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{AuditoriumId, TheaterId};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use service::postgres;

use crate::config::Config;
use crate::merging::{self, Source};
use crate::names::derived;
use crate::store::{cities, shows, theaters};
use data::{Catalogue, Theater};
use program::Planned;

/// Days of shows behind today: what the past bookings of the demo are for.
const DAYS_BACK: i32 = 14;
/// Days of shows ahead, besides today.
const DAYS_AHEAD: i32 = 7;
/// Shows written in one statement.
const BATCH_SHOWS: usize = 500;

/// A room of a theater, ready to be planned for.
struct Room {
    id: AuditoriumId,
    timezone: TimeZone,
}

/// Loads the demo catalogue around the database's today.
pub async fn load(config: &Config) -> anyhow::Result<()> {
    let pool = postgres::pool("catalog", &config.postgres)?;
    let mut client = pool.get().await?;
    let catalogue = data::shipped()?;
    let now: Timestamp = client.query_one("SELECT clock_timestamp()", &[]).await?.get(0);
    let transaction = client.transaction().await?;
    let added = write(&transaction, &catalogue, now).await?;
    transaction.commit().await?;
    let (films, theaters) = (catalogue.films.len(), catalogue.theaters.len());
    tracing::info!(films, theaters, shows_added = added, "demo catalogue");
    Ok(())
}

async fn write(transaction: &Transaction<'_>, catalogue: &Catalogue, now: Timestamp) -> anyhow::Result<u64> {
    merging::take_in(transaction, Source::Demo, &catalogue.rows()).await?;
    cities::write(transaction, &catalogue.cities).await?;
    let mut rooms = Vec::new();
    for theater in &catalogue.theaters {
        rooms.extend(write_theater(transaction, catalogue, theater).await?);
    }
    let movie_ids: Vec<String> = catalogue.rows().iter().map(merging::shared_id).collect();
    let minutes: Vec<i16> = catalogue.films.iter().map(|film| film.runtime_minutes).collect();
    let mut entries = Vec::new();
    for planned in days_around(now, &rooms, &minutes)? {
        let room = &rooms[planned.room];
        let starts_at = planned.at.to_zoned(room.timezone.clone())?.timestamp();
        entries.push(shows::Entry {
            id: derived("show", &[room.id.as_str(), &starts_at.to_string()]),
            movie_id: &movie_ids[planned.film],
            auditorium_id: room.id.as_str(),
            starts_at,
            price_minor: catalogue.prices.at(planned.at),
            currency: &catalogue.prices.currency,
        });
    }
    let mut added = 0;
    for batch in entries.chunks(BATCH_SHOWS) {
        added += shows::add(transaction, batch).await?;
    }
    Ok(added)
}

/// The program of every day that is near today somewhere, each room only for the days near its own today.
fn days_around(now: Timestamp, rooms: &[Room], minutes: &[i16]) -> anyhow::Result<Vec<Planned>> {
    let mut all = Vec::new();
    let utc = now.to_zoned(TimeZone::UTC).date();
    // West of Greenwich the local day may be the one before.
    for offset in -DAYS_BACK - 1..=DAYS_AHEAD {
        let date = utc.checked_add(offset.days())?;
        all.extend(program::of_day(date, rooms.len(), minutes));
    }
    all.retain(|planned| {
        let today = now.to_zoned(rooms[planned.room].timezone.clone()).date();
        let days = (planned.at.date() - today).get_days();
        (-DAYS_BACK..=DAYS_AHEAD).contains(&days)
    });
    Ok(all)
}

async fn write_theater(
    client: &impl GenericClient,
    catalogue: &Catalogue,
    theater: &Theater,
) -> anyhow::Result<Vec<Room>> {
    let city = catalogue.city_of(theater)?;
    let city_id = city.id();
    let theater_id = TheaterId::parse(theaters::id(&city_id, &theater.name))?;
    theaters::write(client, &city_id, &theater.name, theater.orphan_rule, None).await?;
    let mut rooms = Vec::new();
    for auditorium in &theater.auditoriums {
        let id = AuditoriumId::parse(derived("auditorium", &[theater_id.as_str(), &auditorium.name]))?;
        let seat_map = catalogue.seat_map(&auditorium.plan)?;
        theaters::write_auditorium(client, &id, &theater_id, &auditorium.name, &seat_map).await?;
        rooms.push(Room { id, timezone: TimeZone::get(&city.timezone)? });
    }
    Ok(rooms)
}
