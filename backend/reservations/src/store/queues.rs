//! `reservations.queues`: which shows have people waiting, as the waitlist last said.

use std::collections::HashSet;

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::ShowId;
use service::postgres::Connection;

use super::{Result, id};

/// Says whether a show's queue is open; an older revision than the stored one changes nothing. Returns what holds now.
pub async fn set(client: &Connection, show: &ShowId, open: bool, revision: i64) -> Result<bool> {
    let set = "INSERT INTO reservations.queues AS q (show_id, open, revision) VALUES ($1, $2, $3)
               ON CONFLICT (show_id) DO UPDATE
               SET open = CASE WHEN q.revision < excluded.revision THEN excluded.open ELSE q.open END,
                   revision = greatest(q.revision, excluded.revision)
               RETURNING open";
    let set = client.prepare_cached(set).await?;
    Ok(client.query_one(&set, &[&show.as_str(), &open, &revision]).await?.get(0))
}

/// Whether people wait for a show.
pub async fn open(client: &impl GenericClient, show: &ShowId) -> Result<bool> {
    let find = client.prepare_cached("SELECT open FROM reservations.queues WHERE show_id = $1").await?;
    Ok(client.query_opt(&find, &[&show.as_str()]).await?.is_some_and(|row| row.get(0)))
}

/// Which of these shows have people waiting.
pub async fn open_among(client: &impl GenericClient, shows: &[&str]) -> Result<HashSet<ShowId>> {
    let find = "SELECT show_id FROM reservations.queues WHERE show_id = ANY($1) AND open";
    let rows = client.query(&client.prepare_cached(find).await?, &[&shows]).await?;
    Ok(rows.iter().map(|row| id!(ShowId, row, "show_id")).collect())
}

/// As [`open_among`], and so until the transaction ends; in one order, so that nobody waits in a circle.
pub async fn lock_open_among(transaction: &Transaction<'_>, shows: &[&str]) -> Result<HashSet<ShowId>> {
    let find =
        "SELECT show_id, open FROM reservations.queues WHERE show_id = ANY($1) ORDER BY show_id FOR SHARE";
    let rows = transaction.query(&transaction.prepare_cached(find).await?, &[&shows]).await?;
    let open = rows.iter().filter(|row| row.get(1));
    Ok(open.map(|row| id!(ShowId, row, "show_id")).collect())
}
