//! Sales written into the tables of the catalog and of reservations, by COPY.

use std::io::Cursor;

use anyhow::{Context, Result};
use futures_util::SinkExt;
use tokio_postgres::Client;

use super::weights::{Weighted, Weights};
use super::{Booking, PARTIES, Sales, Show};

/// What is sent to Postgres at once.
const CHUNK_BYTES: usize = 1024 * 1024;
const SEAT_MAP: &str = r#"{"rows":[]}"#;
/// Of a booking of one, of two…
const SEATS: [&str; PARTIES.len()] = ["{A1}", "{A1,A2}", "{A1,A2,A3}", "{A1,A2,A3,A4}"];
/// Of every auditorium.
const CAPACITY: u32 = 200;

/// Writes films, theaters, shows and so many bookings.
pub async fn write(client: &Client, weights: &Weights, bookings: u64) -> Result<()> {
    // The list reads bookings, not the holds they came from: those are not written, and cannot be referred to.
    client
        .batch_execute("ALTER TABLE reservations.bookings DROP CONSTRAINT bookings_hold_id_fkey")
        .await
        .context("bookings refer to holds no more, or otherwise")?;
    let sales = Sales::of(weights)?;
    let (films, cities) = (&weights.films, &weights.cities);
    copy(
        client,
        "catalog.movies (id, natural_key, title, sort_title, words, year, genres, directors, cast_members)",
        films.iter().enumerate().map(film_line),
    )
    .await?;
    copy(
        client,
        "catalog.cities (id, name, state, name_key, latitude, longitude, population, timezone)",
        cities.iter().enumerate().map(city_line),
    )
    .await?;
    copy(
        client,
        "catalog.theaters (id, city_id, name)",
        (0..cities.len()).map(|at| format!("theater_{at}\tcity_{at}\tTheater {at}\n")),
    )
    .await?;
    copy(
        client,
        "catalog.auditoriums (id, theater_id, name, seat_map, capacity)",
        (0..cities.len()).map(|at| format!("auditorium_{at}\ttheater_{at}\t1\t{SEAT_MAP}\t{CAPACITY}\n")),
    )
    .await?;
    let now = jiff::Timestamp::now().as_second();
    let shows = sales.shows.clone();
    copy(
        client,
        "catalog.shows (id, movie_id, auditorium_id, starts_at, price_minor, currency)",
        shows.iter().enumerate().map(|(at, show)| show_line(at, *show, now)),
    )
    .await?;
    copy(client, "reservations.bookings (id, hold_id, show_id, session_id, email, seats, status, price_minor, currency, \
                  payment_reference, idempotency_key, booked_at)",
        (0..bookings).zip(sales).map(|(at, booking)| booking_line(at, booking, now))).await?;
    // As autovacuum leaves a table that is written to now and then.
    for table in ["catalog.movies", "catalog.shows", "reservations.bookings"] {
        client.batch_execute(&format!("VACUUM (ANALYZE) {table}")).await?;
    }
    Ok(())
}

async fn copy(client: &Client, table: &str, lines: impl Iterator<Item = String>) -> Result<()> {
    let into = client.copy_in(&format!("COPY {table} FROM STDIN")).await;
    let mut into = Box::pin(into.with_context(|| format!("{table} is not as it was"))?);
    let mut chunk = String::with_capacity(CHUNK_BYTES * 2);
    for line in lines {
        chunk += &line;
        if chunk.len() >= CHUNK_BYTES {
            into.send(Cursor::new(std::mem::take(&mut chunk).into_bytes())).await?;
        }
    }
    into.send(Cursor::new(chunk.into_bytes())).await?;
    into.as_mut().finish().await.with_context(|| format!("{table} was not written"))?;
    Ok(())
}

fn film_line((at, film): (usize, &Weighted)) -> String {
    let title = escaped(&film.name);
    format!("movie_{at}\t{at}\t{title}\t{}\t{{}}\t2026\t{{}}\t{{}}\t{{}}\n", title.to_lowercase())
}

fn city_line((at, city): (usize, &Weighted)) -> String {
    let name = escaped(&city.name);
    let population = city.weight.ceil() as u64;
    format!("city_{at}\t{name}\tXX\t{}\t0\t0\t{population}\tUTC\n", name.to_lowercase())
}

fn show_line(at: usize, show: Show, now: i64) -> String {
    format!(
        "show_{at}\tmovie_{}\tauditorium_{}\t{}\t1250\tUSD\n",
        show.film,
        show.city,
        time(now, show.starts)
    )
}

/// Ids as long as real ones.
fn booking_line(at: u64, booking: Booking, now: i64) -> String {
    let status = if booking.cancelled { "cancelled" } else { "booked" };
    let seats = SEATS[booking.seats - 1];
    format!(
        "booking_{at:032x}\thold_{at:026x}\tshow_{}\t{at:032x}\tbuyer@marquee.example\t{seats}\t{status}\t{}\tUSD\ttest_{at:032x}\t{at:032x}\t{}\n",
        booking.show,
        1_250 * booking.seats,
        time(now, booking.booked)
    )
}

/// So many seconds from now, as Postgres reads it.
fn time(now: i64, seconds: f64) -> String {
    let at = now.saturating_add(seconds.floor() as i64);
    jiff::Timestamp::from_second(at).map_or_else(|_| "infinity".to_owned(), |at| at.to_string())
}

/// As COPY wants text.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_columns_that_are_named_and_breaks_nowhere() {
        let film = Weighted { name: "a\tb\\c\nd".to_owned(), weight: 1.0 };
        let line = film_line((3, &film));
        assert_eq!(line.matches('\t').count(), 8);
        assert!(line.starts_with("movie_3\t3\ta\\tb\\\\c\\nd\t") && line.ends_with('\n'), "{line}");
        let booking = Booking { show: 7, seats: 2, booked: -1.5, cancelled: true };
        let line = booking_line(255, booking, 2);
        let columns: Vec<_> = line.trim_end().split('\t').collect();
        assert_eq!(columns.len(), 12);
        assert_eq!(
            (columns[2], columns[5], columns[6], columns[7]),
            ("show_7", "{A1,A2}", "cancelled", "2500")
        );
        assert_eq!(columns[11], "1970-01-01T00:00:00Z");
    }
}
