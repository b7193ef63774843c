//! `waitlist.told`: sales the line has been told of, so that a repeated event tells nobody twice.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::BookingId;
use service::postgres::Error;

/// Remembers a sale. False when it was known.
pub(crate) async fn remember(transaction: &Transaction<'_>, booking_id: &BookingId) -> Result<bool, Error> {
    let remember = "INSERT INTO waitlist.told (booking_id) VALUES ($1) ON CONFLICT DO NOTHING";
    let remember = transaction.prepare_cached(remember).await?;
    Ok(transaction.execute(&remember, &[&booking_id.as_str()]).await? == 1)
}

/// Forgets sales that no event will repeat any more.
pub(crate) async fn forget(client: &impl GenericClient, days: i32, limit: i64) -> Result<u64, Error> {
    let forget = "DELETE FROM waitlist.told WHERE booking_id IN (SELECT booking_id FROM waitlist.told
                  WHERE told_at < clock_timestamp() - make_interval(days => $1) LIMIT $2)";
    let forget = client.prepare_cached(forget).await?;
    Ok(client.execute(&forget, &[&days, &limit]).await?)
}
