//! `reservations.epochs`: how often a show's picture was begun anew, so that versions never go back.

use std::collections::HashMap;

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::ShowId;
use service::postgres::Connection;
use tokio_postgres::Row;

use super::{Result, id};

/// Changes that fit into one epoch. With 21 bits left for epochs a version stays exact in JSON (2^53).
const EPOCH_BITS: u32 = 32;

/// The first version of an epoch.
pub fn first_version(epoch: i64) -> u64 {
    epoch.unsigned_abs() << EPOCH_BITS
}

/// Where the versions of a show have come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// The epoch.
    pub epoch: i64,
    /// Whether Redis has it, or may have, and counts up in it.
    pub mirrored: bool,
}

/// Begins the next epoch of a show, which Redis is about to have. From here on it may count up in it, whether or not that is
/// noted afterwards.
pub async fn next_for_mirror(transaction: &Transaction<'_>, show: &ShowId) -> Result<i64> {
    let next = "INSERT INTO reservations.epochs AS e (show_id, epoch, handed) VALUES ($1, 1, 1)
                ON CONFLICT (show_id) DO UPDATE SET epoch = e.epoch + 1, handed = e.epoch + 1 RETURNING epoch";
    Ok(transaction.query_one(&transaction.prepare_cached(next).await?, &[&show.as_str()]).await?.get(0))
}

/// Begins the next epoch of a show.
pub async fn next(client: &impl GenericClient, show: &ShowId) -> Result<i64> {
    let next = "INSERT INTO reservations.epochs AS e (show_id, epoch) VALUES ($1, 1)
                ON CONFLICT (show_id) DO UPDATE SET epoch = e.epoch + 1 RETURNING epoch";
    Ok(client.query_one(&client.prepare_cached(next).await?, &[&show.as_str()]).await?.get(0))
}

/// Begins the next epoch of several shows; in one order, so that nobody waits in a circle.
pub async fn next_of_all(transaction: &Transaction<'_>, shows: &[&str]) -> Result<()> {
    if shows.is_empty() {
        return Ok(());
    }
    let next = "INSERT INTO reservations.epochs AS e (show_id, epoch)
                SELECT DISTINCT show_id, 1 FROM unnest($1::text[]) AS show_id ORDER BY show_id
                ON CONFLICT (show_id) DO UPDATE SET epoch = e.epoch + 1";
    transaction.execute(&transaction.prepare_cached(next).await?, &[&shows]).await?;
    Ok(())
}

/// Begins the next epoch of a show if Redis has, or may have, the present one.
pub async fn leave_mirrored(client: &Connection, show: &ShowId) -> Result<()> {
    let leave = "UPDATE reservations.epochs SET epoch = epoch + 1 WHERE show_id = $1 AND epoch <= greatest(mirrored, handed)";
    client.execute(&client.prepare_cached(leave).await?, &[&show.as_str()]).await?;
    Ok(())
}

/// The epoch a show is in; 0 when it never had one.
pub async fn current(transaction: &Transaction<'_>, show: &ShowId) -> Result<i64> {
    let find = transaction.prepare_cached("SELECT epoch FROM reservations.epochs WHERE show_id = $1").await?;
    Ok(transaction.query_opt(&find, &[&show.as_str()]).await?.map_or(0, |row| row.get(0)))
}

/// Where the versions of these shows have come to; nothing of a show that never had an epoch.
pub async fn reached(client: &Connection, shows: &[&str]) -> Result<HashMap<ShowId, Reached>> {
    let find = "SELECT show_id, epoch, epoch <= greatest(mirrored, handed) FROM reservations.epochs WHERE show_id = ANY($1)";
    let rows = client.query(&client.prepare_cached(find).await?, &[&shows]).await?;
    let reached = |row: &Row| Reached { epoch: row.get(1), mirrored: row.get(2) };
    Ok(rows.iter().map(|row| (id!(ShowId, row, "show_id"), reached(row))).collect())
}

/// Says that Redis has an epoch.
pub async fn set_mirrored(client: &Connection, show: &ShowId, epoch: i64) -> Result<()> {
    let set = "UPDATE reservations.epochs SET mirrored = greatest(mirrored, $2) WHERE show_id = $1";
    client.execute(&client.prepare_cached(set).await?, &[&show.as_str(), &epoch]).await?;
    Ok(())
}

/// The latest epoch that Redis had of each of these shows; none of a show of which it never had one.
pub async fn mirrored(client: &impl GenericClient, shows: &[&str]) -> Result<HashMap<ShowId, i64>> {
    let find = "SELECT show_id, mirrored FROM reservations.epochs WHERE show_id = ANY($1)";
    let rows = client.query(&client.prepare_cached(find).await?, &[&shows]).await?;
    Ok(rows.iter().map(|row| (id!(ShowId, row, "show_id"), row.get(1))).collect())
}

/// Shows that changed while Redis was away.
pub async fn unmirrored(client: &Connection, limit: i64) -> Result<Vec<ShowId>> {
    let list = "SELECT show_id FROM reservations.epochs WHERE epoch > mirrored LIMIT $1";
    let rows = client.query(&client.prepare_cached(list).await?, &[&limit]).await?;
    Ok(rows.iter().map(|row| id!(ShowId, row, "show_id")).collect())
}
