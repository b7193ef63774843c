//! `reservations.bookings` and `booking_seats`: what was sold.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{BookingId, HoldId, SeatId, SessionId, ShowId};
use domain::money::Money;
use domain::status::BookingStatus;
use jiff::Timestamp;
use service::postgres::Connection;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::claims::Owned;
use super::{Result, id, names};
use crate::ticket::void;

/// The most bookings listed at once, newest first.
pub const LISTED_MAX: i64 = 200;

/// The index that refuses a seat a second live booking.
pub const ONE_LIVE_BOOKING: &str = "one_live_booking_per_seat";

/// One booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Its id.
    pub id: BookingId,
    /// The hold it came from.
    pub hold: HoldId,
    /// Of which show.
    pub show: ShowId,
    /// Whose.
    pub session: SessionId,
    /// Where the ticket goes.
    pub email: String,
    /// The seats.
    pub seats: Vec<SeatId>,
    /// Its state.
    pub status: BookingStatus,
    /// What was paid.
    pub price: Money,
    /// The payment, as the provider calls it.
    pub payment_reference: String,
    /// The key it was confirmed with.
    pub idempotency_key: String,
    /// When it was sold.
    pub booked_at: Timestamp,
    /// When it was cancelled.
    pub cancelled_at: Option<Timestamp>,
    /// When its show begins, for the ticket; nothing when the catalog no longer has the show.
    pub starts_at: Option<Timestamp>,
}

/// Named, because a cached statement that says `*` breaks when a migration adds a column.
const COLUMNS: &str =
    "id, hold_id, show_id, session_id, email, seats, status, price_minor, currency, payment_reference,
    idempotency_key, booked_at, cancelled_at,
    (SELECT starts_at FROM catalog_published.shows WHERE shows.id = bookings.show_id) AS starts_at";

impl Booking {
    fn of(row: &Row) -> Self {
        Self {
            id: id!(BookingId, row, "id"),
            hold: id!(HoldId, row, "hold_id"),
            show: id!(ShowId, row, "show_id"),
            session: id!(SessionId, row, "session_id"),
            email: row.get("email"),
            seats: super::seats(row, "seats"),
            status: BookingStatus::parse(row.get("status")).expect("the table checks the word"),
            price: super::price(row),
            payment_reference: row.get("payment_reference"),
            idempotency_key: row.get("idempotency_key"),
            booked_at: row.get("booked_at"),
            cancelled_at: row.get("cancelled_at"),
            starts_at: row.get("starts_at"),
        }
    }

    /// What it has.
    pub fn owned(&self) -> Owned<'_> {
        Owned { show: &self.show, owner: self.hold.as_str(), seats: &self.seats }
    }
}

/// Writes new bookings and their seats; UNIQUE refuses a seat that has a live one.
pub async fn insert(transaction: &Transaction<'_>, bookings: &[Booking]) -> Result<()> {
    let insert = transaction
        .prepare_cached(
            "INSERT INTO reservations.bookings (id, hold_id, show_id, session_id, email, seats, status, price_minor, currency,
                payment_reference, idempotency_key, booked_at)
             SELECT id, hold_id, show_id, session_id, email, string_to_array(seats, ','), 'booked', price_minor, currency,
                payment_reference, idempotency_key, booked_at
             FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                $9::text[], $10::text[], $11::timestamptz[])
                AS b (id, hold_id, show_id, session_id, email, seats, price_minor, currency, payment_reference,
                    idempotency_key, booked_at)",
        )
        .await?;
    // A seat's id has no comma.
    let seats = |booking: &Booking| names(&booking.seats).join(",");
    let parameters: [&(dyn ToSql + Sync); 11] = [
        &each(bookings, |booking| booking.id.as_str()),
        &each(bookings, |booking| booking.hold.as_str()),
        &each(bookings, |booking| booking.show.as_str()),
        &each(bookings, |booking| booking.session.as_str()),
        &each(bookings, |booking| booking.email.as_str()),
        &each(bookings, seats),
        &each(bookings, |booking| booking.price.amount),
        &each(bookings, |booking| booking.price.currency.as_str()),
        &each(bookings, |booking| booking.payment_reference.as_str()),
        &each(bookings, |booking| booking.idempotency_key.as_str()),
        &each(bookings, |booking| booking.booked_at),
    ];
    transaction.execute(&insert, &parameters).await?;
    insert_seats(transaction, bookings).await
}

async fn insert_seats(transaction: &Transaction<'_>, bookings: &[Booking]) -> Result<()> {
    let insert = "INSERT INTO reservations.booking_seats (booking_id, show_id, seat_id, live)
                  SELECT booking_id, show_id, seat_id, true
                  FROM unnest($1::text[], $2::text[], $3::text[]) AS b (booking_id, show_id, seat_id)
                  ORDER BY show_id, seat_id";
    let insert = transaction.prepare_cached(insert).await?;
    let seats = || bookings.iter().flat_map(|booking| booking.seats.iter().map(move |seat| (booking, seat)));
    let ids: Vec<_> = seats().map(|(booking, _)| booking.id.as_str()).collect();
    let shows: Vec<_> = seats().map(|(booking, _)| booking.show.as_str()).collect();
    let seats: Vec<_> = seats().map(|(_, seat)| seat.as_str()).collect();
    transaction.execute(&insert, &[&ids, &shows, &seats]).await?;
    Ok(())
}

fn each<'a, T>(bookings: &'a [Booking], of: impl Fn(&'a Booking) -> T) -> Vec<T> {
    bookings.iter().map(of).collect()
}

/// Finds a booking.
pub async fn find(client: &Connection, booking: &BookingId) -> Result<Option<Booking>> {
    Ok(find_all(client, &[booking.as_str()]).await?.pop())
}

/// Finds those bookings there are.
pub async fn find_all(client: &Connection, ids: &[&str]) -> Result<Vec<Booking>> {
    let find = format!("SELECT {COLUMNS} FROM reservations.bookings WHERE id = ANY($1)");
    let find = client.prepare_cached(&find).await?;
    Ok(client.query(&find, &[&ids]).await?.iter().map(Booking::of).collect())
}

/// Finds the bookings that holds became.
pub async fn find_by_holds(client: &impl GenericClient, holds: &[&str]) -> Result<Vec<Booking>> {
    let find = format!("SELECT {COLUMNS} FROM reservations.bookings WHERE hold_id = ANY($1)");
    let find = client.prepare_cached(&find).await?;
    Ok(client.query(&find, &[&holds]).await?.iter().map(Booking::of).collect())
}

/// A session's bookings, newest first.
pub async fn of_session(client: &Connection, session: &SessionId) -> Result<Vec<Booking>> {
    let list = format!(
        "SELECT {COLUMNS} FROM reservations.bookings WHERE session_id = $1 ORDER BY booked_at DESC, id LIMIT $2"
    );
    let list = client.prepare_cached(&list).await?;
    Ok(client.query(&list, &[&session.as_str(), &LISTED_MAX]).await?.iter().map(Booking::of).collect())
}

/// Ids of a show's void tickets (`ticket::void`) behind the cursor, sorted: as many as a page has and one more, if there are.
pub async fn void(client: &Connection, show: &ShowId, cursor: Option<&str>) -> Result<Vec<String>> {
    let void = client
        .prepare_cached(
            "SELECT ticket FROM reservations.bookings,
                LATERAL (SELECT left(encode(sha256(convert_to($4 || id, 'UTF8')), 'hex'), $5)) AS hashed (ticket)
             WHERE show_id = $1 AND status = 'cancelled' AND ticket COLLATE \"C\" > $2
             ORDER BY ticket COLLATE \"C\" LIMIT $3",
        )
        .await?;
    let limit = i64::try_from(void::PAGE_MAX + 1).unwrap_or(i64::MAX);
    let characters = i32::try_from(void::ID_CHARACTERS).unwrap_or(i32::MAX);
    let parameters: [&(dyn ToSql + Sync); 5] =
        [&show.as_str(), &cursor.unwrap_or_default(), &limit, &void::SALT, &characters];
    Ok(client.query(&void, &parameters).await?.iter().map(|row| row.get("ticket")).collect())
}

/// Says that the money of bookings is ours.
pub async fn set_captured(transaction: &Transaction<'_>, ids: &[&str]) -> Result<()> {
    let set = "UPDATE reservations.bookings SET captured_at = clock_timestamp() WHERE id = ANY($1) AND captured_at IS NULL";
    transaction.execute(&transaction.prepare_cached(set).await?, &[&ids]).await?;
    Ok(())
}

/// Cancels a live booking; nothing when it was cancelled before.
pub async fn cancel(transaction: &Transaction<'_>, booking: &BookingId) -> Result<Option<Booking>> {
    let cancel = format!(
        "UPDATE reservations.bookings SET status = 'cancelled', cancelled_at = clock_timestamp()
         WHERE id = $1 AND status = 'booked' RETURNING {COLUMNS}"
    );
    let cancel = transaction.prepare_cached(&cancel).await?;
    let seats = transaction
        .prepare_cached("UPDATE reservations.booking_seats SET live = false WHERE booking_id = $1")
        .await?;
    let cancelled = transaction.query_opt(&cancel, &[&booking.as_str()]).await?;
    transaction.execute(&seats, &[&booking.as_str()]).await?;
    Ok(cancelled.as_ref().map(Booking::of))
}
