//! `reservations.unsettled`: bookings whose money is still to be taken or given back.

use std::time::Duration;

use deadpool_postgres::{GenericClient, Transaction};
use service::postgres::Connection;
use tokio_postgres::Row;

use super::Result;

/// What is to be done with the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Take it.
    Capture,
    /// Give it back.
    Refund,
}

impl Due {
    fn word(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Refund => "refund",
        }
    }
}

/// Something is to be done for these bookings.
pub async fn insert(transaction: &Transaction<'_>, bookings: &[&str], due: Due) -> Result<()> {
    let insert = "INSERT INTO reservations.unsettled (booking_id, due) SELECT booking, $2 FROM unnest($1::text[]) AS booking
                  ON CONFLICT DO NOTHING";
    transaction.execute(&transaction.prepare_cached(insert).await?, &[&bookings, &due.word()]).await?;
    Ok(())
}

/// It was done.
pub async fn delete(client: &impl GenericClient, bookings: &[&str], due: Due) -> Result<()> {
    let delete = "DELETE FROM reservations.unsettled WHERE booking_id = ANY($1) AND due = $2";
    client.execute(&client.prepare_cached(delete).await?, &[&bookings, &due.word()]).await?;
    Ok(())
}

/// For which bookings something is to be done for so long already. Nothing is given back before it was taken: of the two the
/// capture comes first.
pub async fn due(client: &Connection, due: Due, age: Duration, limit: i64) -> Result<Vec<String>> {
    let find = "SELECT u.booking_id FROM reservations.unsettled AS u
                WHERE u.due = $1 AND u.since <= clock_timestamp() - $2 * interval '1 second'
                  AND (u.due = 'capture' OR NOT EXISTS (SELECT FROM reservations.unsettled AS first
                                                        WHERE first.booking_id = u.booking_id AND first.due = 'capture'))
                LIMIT $3";
    let find = client.prepare_cached(find).await?;
    let rows = client.query(&find, &[&due.word(), &age.as_secs_f64(), &limit]).await?;
    Ok(rows.iter().map(|row: &Row| row.get(0)).collect())
}
