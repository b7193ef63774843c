//! Past bookings for the demo catalogue, so that the popular list is not empty on the first day.
//!
//! The same past shows always get the same bookings: a film's share of the house is derived from its id and the show's.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use domain::id::SeatId;
use service::postgres;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::names;
use crate::store::shows::{self, Show};

/// Who bought: nobody's browser.
const SESSION: &str = "demo";
/// The largest party.
const PARTY_MAX: usize = 4;

/// Books seats of every past show that has no booking yet.
pub async fn load(config: &Config) -> anyhow::Result<()> {
    let pool = postgres::pool(crate::PROGRAM, &config.postgres)?;
    let mut client = pool.get().await?;
    let past = shows::past(&client).await?;
    let transaction = client.transaction().await?;
    let rows =
        transaction.query("SELECT show_id, count(*) FROM reservations.bookings GROUP BY 1", &[]).await?;
    let booked: HashMap<String, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let (mut shows, mut bookings) = (0, 0);
    for show in past.iter().filter(|show| !booked.contains_key(show.id.as_str())) {
        bookings += book_past(&transaction, show).await?;
        shows += 1;
    }
    transaction.commit().await?;
    tracing::info!(shows, bookings, "past bookings of the demo catalogue");
    Ok(())
}

/// The bookings of one past show, each table in one statement.
async fn book_past(transaction: &Transaction<'_>, show: &Show) -> anyhow::Result<usize> {
    let parties = parties(show);
    let ids = |kind| parties.iter().map(|party| id(kind, show, party)).collect::<Vec<_>>();
    let (holds, bookings) = (ids("hold"), ids("booking"));
    let seats: Vec<String> = parties.iter().map(|party| literal(party)).collect();
    let prices: Vec<i64> = parties.iter().map(|party| show.price.times(party.len()).amount).collect();
    let hours_before: Vec<f64> =
        parties.iter().map(|party| f64::from(number(&id("age", show, party)) % 72)).collect();
    let starts_at = show.starts_at;
    let base: [&(dyn tokio_postgres::types::ToSql + Sync); 8] = [
        &holds,
        &bookings,
        &seats,
        &prices,
        &hours_before,
        &show.id.as_str(),
        &show.price.currency,
        &starts_at,
    ];
    for statement in [HOLDS, BOOKINGS] {
        transaction.execute(statement, &base).await?;
    }
    transaction.execute(BOOKING_SEATS, &[&bookings]).await?;
    transaction.execute(CLAIMS, &[&holds]).await?;
    Ok(parties.len())
}

const HOLDS: &str = "INSERT INTO reservations.holds
        (id, show_id, session_id, seats, token, status, price_minor, currency, fingerprint, created_at, expires_at)
    SELECT hold, $6, 'demo', seats::text[], nextval('reservations.fence'), 'booked', price, $7, booking,
           $8::timestamptz - hours * interval '1 hour', $8::timestamptz - hours * interval '1 hour' + interval '5 minutes'
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::float8[]) AS past (hold, booking, seats, price, hours)";

const BOOKINGS: &str = "INSERT INTO reservations.bookings
        (id, hold_id, show_id, session_id, email, seats, status, price_minor, currency, payment_reference,
         idempotency_key, booked_at, captured_at)
    SELECT booking, hold, $6, 'demo', 'demo@marquee.example', seats::text[], 'booked', price, $7, 'demo_' || hold,
           'demo', $8::timestamptz - hours * interval '1 hour', $8
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::float8[]) AS past (hold, booking, seats, price, hours)";

const BOOKING_SEATS: &str = "INSERT INTO reservations.booking_seats (booking_id, show_id, seat_id, live)
    SELECT id, show_id, unnest(seats), true FROM reservations.bookings WHERE id = ANY($1)";

const CLAIMS: &str = "INSERT INTO reservations.claims (show_id, seat_id, status, owner, token)
    SELECT show_id, unnest(seats), 'booked', id, token FROM reservations.holds WHERE id = ANY($1)";

/// The seats sold, party by party, from the back row on.
fn parties(show: &Show) -> Vec<Vec<SeatId>> {
    let seats: Vec<SeatId> =
        show.seat_map.rows.iter().rev().flat_map(|row| &row.seats).map(|seat| seat.id.clone()).collect();
    // A film's draw is 15 to 84% of the house, and a show's 70 to 100% of that.
    let draw = 15 + number(&show.movie) % 70;
    let evening = 70 + number(show.id.as_str()) % 31;
    let sold = seats.len() * draw as usize * evening as usize / 10_000;
    let mut rest = &seats[..sold];
    let mut parties = Vec::new();
    while !rest.is_empty() {
        let size = 1 + number(rest[0].as_str()) as usize % PARTY_MAX;
        let (party, others) = rest.split_at(size.min(rest.len()));
        parties.push(party.to_vec());
        rest = others;
    }
    parties
}

fn id(kind: &str, show: &Show, party: &[SeatId]) -> String {
    names::derived(kind, &[SESSION, show.id.as_str(), party.first().map_or("", SeatId::as_str)])
}

/// A Postgres array of seats as text; seat names need no quotes.
fn literal(party: &[SeatId]) -> String {
    format!("{{{}}}", party.iter().map(SeatId::as_str).collect::<Vec<_>>().join(","))
}

/// A number that looks random and is always the same.
fn number(text: &str) -> u32 {
    let digest = Sha256::digest(text.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}
