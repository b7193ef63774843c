//! `reservations.bookings` and `booking_seats`: what was sold.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{BookingId, HoldId, SeatId, SessionId, ShowId};
use domain::money::Money;
use domain::status::BookingStatus;
use jiff::Timestamp;
use service::postgres::Connection;
use tokio_postgres::Row;

use super::{Result, id, names};

/// The most bookings listed at once, newest first.
pub const LISTED_MAX: i64 = 200;

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
}

/// Named, because a cached statement that says `*` breaks when a migration adds a column.
const COLUMNS: &str =
    "id, hold_id, show_id, session_id, email, seats, status, price_minor, currency, payment_reference,
    idempotency_key, booked_at, cancelled_at";

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
        }
    }
}

/// Writes a new booking and its seats; UNIQUE refuses a seat that has a live one. Its time is the database's.
pub async fn insert(transaction: &Transaction<'_>, booking: &Booking) -> Result<Booking> {
    let insert = format!(
        "INSERT INTO reservations.bookings
            (id, hold_id, show_id, session_id, email, seats, status, price_minor, currency, payment_reference, idempotency_key)
         VALUES ($1, $2, $3, $4, $5, $6, 'booked', $7, $8, $9, $10) RETURNING {COLUMNS}"
    );
    let insert = transaction.prepare_cached(&insert).await?;
    let row = transaction
        .query_one(
            &insert,
            &[
                &booking.id.as_str(),
                &booking.hold.as_str(),
                &booking.show.as_str(),
                &booking.session.as_str(),
                &booking.email,
                &names(&booking.seats),
                &booking.price.amount,
                &booking.price.currency,
                &booking.payment_reference,
                &booking.idempotency_key,
            ],
        )
        .await?;
    let seats = transaction
        .prepare_cached(
            "INSERT INTO reservations.booking_seats (booking_id, show_id, seat_id, live)
             SELECT $1, $2, seat, true FROM unnest($3::text[]) AS seat",
        )
        .await?;
    transaction
        .execute(&seats, &[&booking.id.as_str(), &booking.show.as_str(), &names(&booking.seats)])
        .await?;
    Ok(Booking::of(&row))
}

/// Finds a booking.
pub async fn find(client: &Connection, booking: &BookingId) -> Result<Option<Booking>> {
    let find = format!("SELECT {COLUMNS} FROM reservations.bookings WHERE id = $1");
    let find = client.prepare_cached(&find).await?;
    Ok(client.query_opt(&find, &[&booking.as_str()]).await?.as_ref().map(Booking::of))
}

/// Finds the booking a hold became.
pub async fn find_by_hold(client: &impl GenericClient, hold: &HoldId) -> Result<Option<Booking>> {
    let find = format!("SELECT {COLUMNS} FROM reservations.bookings WHERE hold_id = $1");
    Ok(client.query_opt(&find, &[&hold.as_str()]).await?.as_ref().map(Booking::of))
}

/// A session's bookings, newest first.
pub async fn of_session(client: &Connection, session: &SessionId) -> Result<Vec<Booking>> {
    let list = format!(
        "SELECT {COLUMNS} FROM reservations.bookings WHERE session_id = $1 ORDER BY booked_at DESC, id LIMIT $2"
    );
    let list = client.prepare_cached(&list).await?;
    Ok(client.query(&list, &[&session.as_str(), &LISTED_MAX]).await?.iter().map(Booking::of).collect())
}

/// Says that the money is ours.
pub async fn set_captured(client: &Connection, booking: &BookingId) -> Result<()> {
    let set = "UPDATE reservations.bookings SET captured_at = clock_timestamp() WHERE id = $1";
    client.execute(&client.prepare_cached(set).await?, &[&booking.as_str()]).await?;
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
