//! `reservations.escrows`: seats that came free while people wait, on their way to one of them.

use deadpool_postgres::Transaction;
use domain::id::{EscrowId, SeatId, ShowId};
use jiff::Timestamp;
use service::postgres::Connection;
use tokio_postgres::Row;

use super::claims::Owned;
use super::{Result, id, names};

/// One escrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escrow {
    /// Its id.
    pub id: EscrowId,
    /// Of which show.
    pub show: ShowId,
    /// What is left in it.
    pub seats: Vec<SeatId>,
    /// After this its seats are anybody's.
    pub expires_at: Timestamp,
    /// It is never kept longer than this.
    pub bound_at: Timestamp,
    /// Not closed, and not past its bound by the database's clock.
    pub live: bool,
}

impl Escrow {
    fn of(row: &Row) -> Self {
        Self {
            id: id!(EscrowId, row, "id"),
            show: id!(ShowId, row, "show_id"),
            seats: super::seats(row, "seats"),
            expires_at: row.get("expires_at"),
            bound_at: row.get("bound_at"),
            live: row.get("live"),
        }
    }

    /// What it has, if nobody took it over.
    pub fn owned(&self) -> Owned<'_> {
        Owned { show: &self.show, owner: self.id.as_str(), seats: &self.seats }
    }
}

const COLUMNS: &str = "id, show_id, seats, expires_at, coalesce(bound_at, expires_at) AS bound_at, open AND expires_at > clock_timestamp() AS live";

/// Writes new escrows.
pub async fn insert(transaction: &Transaction<'_>, escrows: &[Escrow]) -> Result<()> {
    let insert = "INSERT INTO reservations.escrows (id, show_id, seats, expires_at, bound_at)
                  SELECT id, show_id, string_to_array(seats, ','), expires_at, bound_at
                  FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
                    AS e (id, show_id, seats, expires_at, bound_at)";
    let insert = transaction.prepare_cached(insert).await?;
    let ids: Vec<_> = escrows.iter().map(|escrow| escrow.id.as_str()).collect();
    let shows: Vec<_> = escrows.iter().map(|escrow| escrow.show.as_str()).collect();
    // A seat's id has no comma.
    let seats: Vec<_> = escrows.iter().map(|escrow| names(&escrow.seats).join(",")).collect();
    let ends: Vec<_> = escrows.iter().map(|escrow| escrow.expires_at).collect();
    let bounds: Vec<_> = escrows.iter().map(|escrow| escrow.bound_at).collect();
    transaction.execute(&insert, &[&ids, &shows, &seats, &ends, &bounds]).await?;
    Ok(())
}

/// The show an escrow is of.
pub async fn show_of(client: &Connection, escrow: &EscrowId) -> Result<Option<ShowId>> {
    let find = client.prepare_cached("SELECT show_id FROM reservations.escrows WHERE id = $1").await?;
    Ok(client.query_opt(&find, &[&escrow.as_str()]).await?.map(|row| id!(ShowId, row, "show_id")))
}

/// Finds an escrow and keeps others from changing it until the transaction ends.
pub async fn lock(transaction: &Transaction<'_>, escrow: &EscrowId) -> Result<Option<Escrow>> {
    Ok(lock_all(transaction, &[escrow.as_str()]).await?.pop())
}

/// As [`lock`], of several; in order of id, so that nobody waits in a circle.
pub async fn lock_all(transaction: &Transaction<'_>, ids: &[&str]) -> Result<Vec<Escrow>> {
    let find =
        format!("SELECT {COLUMNS} FROM reservations.escrows WHERE id = ANY($1) ORDER BY id FOR UPDATE");
    let find = transaction.prepare_cached(&find).await?;
    Ok(transaction.query(&find, &[&ids]).await?.iter().map(Escrow::of).collect())
}

/// Escrows past their bound, each to one sweeper.
pub async fn lock_due(transaction: &Transaction<'_>, limit: i64) -> Result<Vec<Escrow>> {
    let due = format!(
        "SELECT {COLUMNS} FROM reservations.escrows WHERE open AND expires_at <= statement_timestamp()
         ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED"
    );
    let due = transaction.prepare_cached(&due).await?;
    Ok(transaction.query(&due, &[&limit]).await?.iter().map(Escrow::of).collect())
}

/// Takes seats out of those escrows that have them; one without any is over.
pub async fn remove(transaction: &Transaction<'_>, ids: &[&str], seats: &[SeatId]) -> Result<()> {
    let remove = "UPDATE reservations.escrows AS e SET seats = l.seats, open = e.open AND cardinality(l.seats) > 0
                  FROM (SELECT id, ARRAY(SELECT seat FROM unnest(seats) AS seat WHERE seat <> ALL($2::text[])) AS seats
                        FROM reservations.escrows WHERE id = ANY($1)) AS l
                  WHERE e.id = l.id";
    let remove = transaction.prepare_cached(remove).await?;
    transaction.execute(&remove, &[&ids, &names(seats)]).await?;
    Ok(())
}

/// Keeps escrows for longer.
pub async fn keep(transaction: &Transaction<'_>, ids: &[&str], ends: &[Timestamp]) -> Result<()> {
    let keep = "UPDATE reservations.escrows AS e SET expires_at = k.expires_at
                FROM unnest($1::text[], $2::timestamptz[]) AS k (id, expires_at) WHERE e.id = k.id";
    transaction.execute(&transaction.prepare_cached(keep).await?, &[&ids, &ends]).await?;
    Ok(())
}

/// Ends escrows.
pub async fn close(transaction: &Transaction<'_>, ids: &[&str]) -> Result<()> {
    let close = "UPDATE reservations.escrows SET open = false, seats = '{}' WHERE id = ANY($1)";
    transaction.execute(&transaction.prepare_cached(close).await?, &[&ids]).await?;
    Ok(())
}
