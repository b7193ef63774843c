//! `waitlist.shows`: the lock of a show's line, and its queue flag.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::ShowId;
use jiff::Timestamp;
use service::postgres::Error;
use tokio_postgres::Row;

use super::ours;

/// Whether reservations shall keep a show's free seats for the line.
#[derive(Debug, Clone)]
pub(crate) struct Flag {
    /// Whose.
    pub(crate) show_id: ShowId,
    /// Somebody waits.
    pub(crate) open: bool,
    /// Grows with every change.
    pub(crate) revision: i64,
    /// Reservations knows it.
    pub(crate) synced: bool,
}

const COLUMNS: &str = "id, open, revision, synced_revision = revision";

fn flag(row: &Row) -> Flag {
    Flag {
        show_id: ours(ShowId::parse(row.get::<_, &str>(0))),
        open: row.get(1),
        revision: row.get(2),
        synced: row.get(3),
    }
}

/// Takes the lock of a show's line until the transaction ends.
pub(crate) async fn lock(transaction: &Transaction<'_>, show_id: &ShowId) -> Result<Flag, Error> {
    let lock = format!("SELECT {COLUMNS} FROM waitlist.shows WHERE id = $1 FOR UPDATE");
    let lock = transaction.prepare_cached(&lock).await?;
    if let Some(row) = transaction.query_opt(&lock, &[&show_id.as_str()]).await? {
        return Ok(flag(&row));
    }
    create(transaction, show_id).await?;
    Ok(flag(&transaction.query_one(&lock, &[&show_id.as_str()]).await?))
}

/// Makes a line for a show that has none, and notes what it is called while it is on the program.
async fn create(transaction: &Transaction<'_>, show_id: &ShowId) -> Result<(), Error> {
    let create = "INSERT INTO waitlist.shows (id, about)
                  SELECT w.id, format('%s at %s in %s, %s', c.title, c.theater, c.city,
                             to_char(c.starts_at AT TIME ZONE c.timezone, 'FMDay, FMDD FMMonth, HH24:MI'))
                  FROM (VALUES ($1::text)) AS w (id) LEFT JOIN catalog_published.shows c ON c.id = w.id
                  ON CONFLICT DO NOTHING";
    let create = transaction.prepare_cached(create).await?;
    transaction.execute(&create, &[&show_id.as_str()]).await?;
    Ok(())
}

/// Changes the flag of a locked show.
pub(crate) async fn set_open(
    transaction: &Transaction<'_>,
    show_id: &ShowId,
    open: bool,
) -> Result<Flag, Error> {
    let set = format!(
        "UPDATE waitlist.shows SET open = $2, revision = revision + 1,
             opened_at = CASE WHEN $2 THEN clock_timestamp() ELSE opened_at END
         WHERE id = $1 RETURNING {COLUMNS}"
    );
    let set = transaction.prepare_cached(&set).await?;
    Ok(flag(&transaction.query_one(&set, &[&show_id.as_str(), &open]).await?))
}

/// The flag of a show that has ever had a line.
pub(crate) async fn find(client: &impl GenericClient, show_id: &ShowId) -> Result<Option<Flag>, Error> {
    let find = format!("SELECT {COLUMNS} FROM waitlist.shows WHERE id = $1");
    let find = client.prepare_cached(&find).await?;
    Ok(client.query_opt(&find, &[&show_id.as_str()]).await?.as_ref().map(flag))
}

/// Reservations has acknowledged this revision.
pub(crate) async fn synced(client: &impl GenericClient, flag: &Flag) -> Result<(), Error> {
    let synced = "UPDATE waitlist.shows SET synced_revision = $2 WHERE id = $1 AND synced_revision < $2";
    let synced = client.prepare_cached(synced).await?;
    client.execute(&synced, &[&flag.show_id.as_str(), &flag.revision]).await?;
    Ok(())
}

/// Somebody has to look at the seats of a locked line at that time; nobody when it is none.
pub(crate) async fn look_at(
    transaction: &Transaction<'_>,
    show_id: &ShowId,
    at: Option<Timestamp>,
) -> Result<(), Error> {
    let look = "UPDATE waitlist.shows SET look_at = $2 WHERE id = $1 AND look_at IS DISTINCT FROM $2";
    let look = transaction.prepare_cached(look).await?;
    transaction.execute(&look, &[&show_id.as_str(), &at]).await?;
    Ok(())
}

/// What was to be done is done, so nobody need look before `next`. Whoever has looked since knows better.
pub(crate) async fn looked(
    client: &impl GenericClient,
    show_id: &ShowId,
    before: Timestamp,
    next: Option<Timestamp>,
) -> Result<(), Error> {
    let looked = "UPDATE waitlist.shows SET look_at = $3 WHERE id = $1 AND look_at = $2";
    let looked = client.prepare_cached(looked).await?;
    client.execute(&looked, &[&show_id.as_str(), &before, &next]).await?;
    Ok(())
}

/// Flags that reservations does not know yet.
pub(crate) async fn unsynced(client: &impl GenericClient, limit: i64) -> Result<Vec<Flag>, Error> {
    let unsynced = format!(
        "SELECT {COLUMNS} FROM waitlist.shows WHERE synced_revision < revision ORDER BY random() LIMIT $1"
    );
    let unsynced = client.prepare_cached(&unsynced).await?;
    Ok(client.query(&unsynced, &[&limit]).await?.iter().map(flag).collect())
}

/// Shows whose line is open although they have begun, or are off the program (true).
pub(crate) async fn over(client: &impl GenericClient, limit: i64) -> Result<Vec<(ShowId, bool)>, Error> {
    let over =
        "SELECT s.id, c.id IS NULL FROM waitlist.shows s LEFT JOIN catalog_published.shows c ON c.id = s.id
                WHERE s.open AND (c.id IS NULL OR c.starts_at <= clock_timestamp()) LIMIT $1";
    let over = client.prepare_cached(over).await?;
    let rows = client.query(&over, &[&limit]).await?;
    Ok(rows.iter().map(|row| (ours(ShowId::parse(row.get::<_, &str>(0))), row.get(1))).collect())
}
