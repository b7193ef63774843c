//! `reservations.unsettled`: money that is still to be taken or given back.

use std::time::Duration;

use deadpool_postgres::{GenericClient, Transaction};
use service::postgres::Connection;
use tokio_postgres::Row;

use super::Result;
use super::bookings::Booking;

/// Rows counted at most for the metrics.
const COUNTED_MAX: i64 = 100_000;

/// What is to be done with the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Take what was set aside for a booking.
    Capture,
    /// Give back what was taken for a booking.
    Refund,
    /// Give back what may have been set aside for an attempt to pay.
    Void,
}

impl Due {
    /// Each.
    pub const ALL: [Self; 3] = [Self::Capture, Self::Refund, Self::Void];

    /// Its word in the table, in logs and in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Refund => "refund",
            Self::Void => "void",
        }
    }
}

/// Something that is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// The booking; of a void the attempt.
    pub id: String,
    /// What.
    pub due: Due,
    /// What the provider knows the money by.
    pub reference: String,
}

impl Unsettled {
    /// A booking's money is to be taken.
    pub fn capture(booking: &Booking) -> Self {
        Self { id: booking.id.to_string(), due: Due::Capture, reference: booking.payment_reference.clone() }
    }

    /// An attempt's money is to be given back.
    pub fn void(attempt: &str) -> Self {
        Self { id: attempt.to_owned(), due: Due::Void, reference: attempt.to_owned() }
    }
}

/// Something is to be done; whoever settles looks after it when it is still there after `wait`.
pub async fn insert(transaction: &Transaction<'_>, ids: &[&str], due: Due, wait: Duration) -> Result<()> {
    let insert = "INSERT INTO reservations.unsettled (id, due, next_at)
                  SELECT id, $2, clock_timestamp() + $3 * interval '1 second' FROM unnest($1::text[]) AS id
                  ON CONFLICT DO NOTHING";
    let insert = transaction.prepare_cached(insert).await?;
    transaction.execute(&insert, &[&ids, &due.word(), &wait.as_secs_f64()]).await?;
    Ok(())
}

/// It was done. Rows are found by their ids: by what is due, as the planner would have it, there are too many, dead ones among
/// them.
pub async fn delete(client: &impl GenericClient, ids: &[&str], due: Due) -> Result<()> {
    let delete = "DELETE FROM reservations.unsettled WHERE id = ANY($1) AND due || '' = $2";
    client.execute(&client.prepare_cached(delete).await?, &[&ids, &due.word()]).await?;
    Ok(())
}

/// How long what was tried waits before it is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// After the first time; twice as long after each.
    pub first: Duration,
    /// At most.
    pub longest: Duration,
}

/// Takes what is to be done now, what waited longest first. It is not taken again before its backoff is over, by anybody, so
/// that what fails does not stand before the rest. Nothing is given back before it was taken: of the two the capture comes first.
/// Rows are found once and changed where they lie, whatever the planner thinks of a table that is empty on most days.
pub async fn take(client: &Connection, due: Due, backoff: Backoff, limit: i64) -> Result<Vec<Unsettled>> {
    let take = "UPDATE reservations.unsettled AS u SET tries = u.tries + 1,
                    next_at = clock_timestamp() + least($2 * power(2, least(u.tries, 16)), $3) * interval '1 second'
                WHERE u.ctid = ANY (ARRAY(
                    SELECT ctid FROM reservations.unsettled AS waiting
                    WHERE due = $1 AND next_at <= statement_timestamp()
                      AND (due <> 'refund' OR (SELECT first.due FROM reservations.unsettled AS first
                                               WHERE first.id = waiting.id AND first.due || '' = 'capture') IS NULL)
                    ORDER BY next_at LIMIT $4 FOR UPDATE SKIP LOCKED))
                RETURNING u.id, coalesce((SELECT payment_reference FROM reservations.bookings AS b WHERE b.id = u.id), u.id)";
    let take = client.prepare_cached(take).await?;
    let (first, longest) = (backoff.first.as_secs_f64(), backoff.longest.as_secs_f64());
    let rows = client.query(&take, &[&due.word(), &first, &longest, &limit]).await?;
    Ok(rows.iter().map(|row| Unsettled { id: row.get(0), due, reference: row.get(1) }).collect())
}

/// Notes bookings that nobody noted as unsettled: those of a program that does not know the table. Only those of the last `back`
/// are looked at that are older than `age`; an index that says where in the table a time stands keeps the look to their pages. It
/// is asked seldom, and planned each time: for few bookings another index is better.
pub async fn note_captures(client: &Connection, age: Duration, back: Duration) -> Result<u64> {
    let note = "INSERT INTO reservations.unsettled (id, due)
                SELECT id, 'capture' FROM reservations.bookings
                WHERE booked_at >= statement_timestamp() - $2 * interval '1 second'
                  AND booked_at <= statement_timestamp() - $1 * interval '1 second'
                  AND status = 'booked' AND captured_at IS NULL
                ON CONFLICT DO NOTHING";
    Ok(client.execute(note, &[&age.as_secs_f64(), &back.as_secs_f64()]).await?)
}

/// How much is unsettled.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    /// Rows, counted up to a bound.
    pub rows: i64,
    /// The age in seconds of the oldest of them; 0 when there are none.
    pub oldest_seconds: f64,
}

/// How much of one kind is unsettled.
pub async fn amount(client: &Connection, due: Due) -> Result<Amount> {
    let amount = "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0)::float8
                  FROM (SELECT since FROM reservations.unsettled WHERE due = $1 ORDER BY next_at LIMIT $2) AS counted";
    let amount = client.prepare_cached(amount).await?;
    let row: Row = client.query_one(&amount, &[&due.word(), &COUNTED_MAX]).await?;
    Ok(Amount { rows: row.get(0), oldest_seconds: row.get(1) })
}
