//! `reservations.holds`: seats kept for one buyer until a deadline.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{EntryId, HoldId, SeatId, SessionId, ShowId};
use domain::money::Money;
use domain::status::HoldStatus;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Result, id, names};

/// One hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// Of which show.
    pub show: ShowId,
    /// Whose.
    pub session: SessionId,
    /// The waitlist entry it was offered to.
    pub entry: Option<EntryId>,
    /// Its seats, sorted.
    pub seats: Vec<SeatId>,
    /// Its fencing token.
    pub token: i64,
    /// Its state; `on_hold` past the deadline means expired and not yet announced.
    pub status: HoldStatus,
    /// For all seats together.
    pub price: Money,
    /// What the request asked for, to know a repetition from a different wish.
    pub fingerprint: String,
    /// Its deadline.
    pub expires_at: Timestamp,
    /// Whether the deadline has passed by the database's clock.
    pub lapsed: bool,
}

/// Named, because a cached statement that says `*` breaks when a migration adds a column.
const COLUMNS: &str =
    "id, show_id, session_id, entry_id, seats, token, status, price_minor, currency, fingerprint, expires_at,
    expires_at <= clock_timestamp() AS lapsed";

impl Hold {
    fn of(row: &Row) -> Self {
        let status = HoldStatus::parse(row.get("status")).expect("the table checks the word");
        let lapsed: bool = row.get("lapsed");
        Self {
            id: id!(HoldId, row, "id"),
            show: id!(ShowId, row, "show_id"),
            session: id!(SessionId, row, "session_id"),
            entry: row.get::<_, Option<String>>("entry_id").and_then(|entry| EntryId::parse(entry).ok()),
            seats: super::seats(row, "seats"),
            token: row.get("token"),
            status: if status == HoldStatus::OnHold && lapsed { HoldStatus::Expired } else { status },
            price: super::price(row),
            fingerprint: row.get("fingerprint"),
            expires_at: row.get("expires_at"),
            lapsed,
        }
    }
}

/// Writes a new hold.
pub async fn insert(transaction: &Transaction<'_>, hold: &Hold) -> Result<()> {
    let insert = transaction
        .prepare_cached(
            "INSERT INTO reservations.holds
                (id, show_id, session_id, entry_id, seats, token, status, price_minor, currency, fingerprint, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .await?;
    transaction
        .execute(
            &insert,
            &[
                &hold.id.as_str(),
                &hold.show.as_str(),
                &hold.session.as_str(),
                &hold.entry.as_ref().map(EntryId::as_str),
                &names(&hold.seats),
                &hold.token,
                &hold.status.as_str(),
                &hold.price.amount,
                &hold.price.currency,
                &hold.fingerprint,
                &hold.expires_at,
            ],
        )
        .await?;
    Ok(())
}

/// Finds a hold.
pub async fn find(client: &impl GenericClient, hold: &HoldId) -> Result<Option<Hold>> {
    let find = format!("SELECT {COLUMNS} FROM reservations.holds WHERE id = $1");
    let find = client.prepare_cached(&find).await?;
    Ok(client.query_opt(&find, &[&hold.as_str()]).await?.as_ref().map(Hold::of))
}

/// Finds a hold and keeps others from changing it until the transaction ends.
pub async fn lock(transaction: &Transaction<'_>, hold: &HoldId) -> Result<Option<Hold>> {
    let find = format!("SELECT {COLUMNS} FROM reservations.holds WHERE id = $1 FOR UPDATE");
    let find = transaction.prepare_cached(&find).await?;
    Ok(transaction.query_opt(&find, &[&hold.as_str()]).await?.as_ref().map(Hold::of))
}

/// Holds past their deadline that nobody has announced, oldest first, each to one sweeper.
pub async fn lock_due(transaction: &Transaction<'_>, limit: i64) -> Result<Vec<Hold>> {
    let due = format!(
        "SELECT {COLUMNS} FROM reservations.holds
         WHERE status = 'on_hold' AND expires_at <= clock_timestamp()
         ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED"
    );
    let due = transaction.prepare_cached(&due).await?;
    Ok(transaction.query(&due, &[&limit]).await?.iter().map(Hold::of).collect())
}

/// Ends a hold.
pub async fn set_status(transaction: &Transaction<'_>, hold: &HoldId, status: HoldStatus) -> Result<()> {
    let set = transaction.prepare_cached("UPDATE reservations.holds SET status = $2 WHERE id = $1").await?;
    transaction.execute(&set, &[&hold.as_str(), &status.as_str()]).await?;
    Ok(())
}

/// How many live holds a session has. Until the transaction ends no other hold of the session is counted or placed.
pub async fn count_of_session(transaction: &Transaction<'_>, session: &SessionId) -> Result<i64> {
    let lock = "SELECT pg_advisory_xact_lock(hashtext('reservations.session'), hashtext($1))";
    transaction.execute(&transaction.prepare_cached(lock).await?, &[&session.as_str()]).await?;
    let count = "SELECT count(*) FROM reservations.holds
                 WHERE session_id = $1 AND status = 'on_hold' AND expires_at > clock_timestamp()";
    Ok(transaction.query_one(&transaction.prepare_cached(count).await?, &[&session.as_str()]).await?.get(0))
}
