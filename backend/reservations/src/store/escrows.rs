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
            live: row.get("live"),
        }
    }

    /// What it has, if nobody took it over.
    pub fn owned(&self) -> Owned<'_> {
        Owned { show: &self.show, owner: self.id.as_str(), seats: &self.seats }
    }
}

const COLUMNS: &str = "id, show_id, seats, expires_at, open AND expires_at > clock_timestamp() AS live";

/// Writes new escrows.
pub async fn insert(transaction: &Transaction<'_>, escrows: &[Escrow]) -> Result<()> {
    let insert = "INSERT INTO reservations.escrows (id, show_id, seats, expires_at)
                  SELECT id, show_id, string_to_array(seats, ','), expires_at
                  FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS e (id, show_id, seats, expires_at)";
    let insert = transaction.prepare_cached(insert).await?;
    let ids: Vec<_> = escrows.iter().map(|escrow| escrow.id.as_str()).collect();
    let shows: Vec<_> = escrows.iter().map(|escrow| escrow.show.as_str()).collect();
    // A seat's id has no comma.
    let seats: Vec<_> = escrows.iter().map(|escrow| names(&escrow.seats).join(",")).collect();
    let bounds: Vec<_> = escrows.iter().map(|escrow| escrow.expires_at).collect();
    transaction.execute(&insert, &[&ids, &shows, &seats, &bounds]).await?;
    Ok(())
}

/// The show an escrow is of.
pub async fn show_of(client: &Connection, escrow: &EscrowId) -> Result<Option<ShowId>> {
    let find = client.prepare_cached("SELECT show_id FROM reservations.escrows WHERE id = $1").await?;
    Ok(client.query_opt(&find, &[&escrow.as_str()]).await?.map(|row| id!(ShowId, row, "show_id")))
}

/// Finds an escrow and keeps others from changing it until the transaction ends.
pub async fn lock(transaction: &Transaction<'_>, escrow: &EscrowId) -> Result<Option<Escrow>> {
    let find = format!("SELECT {COLUMNS} FROM reservations.escrows WHERE id = $1 FOR UPDATE");
    let find = transaction.prepare_cached(&find).await?;
    Ok(transaction.query_opt(&find, &[&escrow.as_str()]).await?.as_ref().map(Escrow::of))
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

/// Takes seats out of an escrow.
pub async fn remove(transaction: &Transaction<'_>, escrow: &EscrowId, seats: &[SeatId]) -> Result<()> {
    let remove = "UPDATE reservations.escrows
                  SET seats = ARRAY(SELECT seat FROM unnest(seats) AS seat WHERE seat <> ALL($2::text[])) WHERE id = $1";
    let remove = transaction.prepare_cached(remove).await?;
    transaction.execute(&remove, &[&escrow.as_str(), &names(seats)]).await?;
    Ok(())
}

/// Ends escrows.
pub async fn close(transaction: &Transaction<'_>, ids: &[&str]) -> Result<()> {
    let close = "UPDATE reservations.escrows SET open = false, seats = '{}' WHERE id = ANY($1)";
    transaction.execute(&transaction.prepare_cached(close).await?, &[&ids]).await?;
    Ok(())
}
