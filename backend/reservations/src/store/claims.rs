//! `reservations.claims`: whose each seat is. The one place where a seat changes hands.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{SeatId, ShowId};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Result, names};

/// Whose a seat is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimStatus {
    /// Nobody's.
    Free,
    /// A hold's.
    Held,
    /// An escrow's.
    Escrow,
    /// Sold.
    Booked,
}

impl ClaimStatus {
    fn parse(word: &str) -> Self {
        match word {
            "held" => Self::Held,
            "escrow" => Self::Escrow,
            "booked" => Self::Booked,
            _ => Self::Free,
        }
    }
}

/// One seat's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The seat.
    pub seat: SeatId,
    /// What it is.
    pub status: ClaimStatus,
    /// The hold or escrow it belongs to.
    pub owner: Option<String>,
    /// The fencing token of its last claim.
    pub token: i64,
    /// When it lapses.
    pub expires_at: Option<Timestamp>,
}

impl Claim {
    fn of(row: &Row) -> Self {
        Self {
            seat: super::id!(SeatId, row, "seat_id"),
            status: ClaimStatus::parse(row.get("status")),
            owner: row.get("owner"),
            token: row.get("token"),
            expires_at: row.get("expires_at"),
        }
    }
}

/// Claims the seats that are free for the street, in order of their ids. Returns those that were got; the caller rolls
/// back unless they are all.
///
/// A lapsed hold is taken over, unless people wait for the show: then it is the queue's. A lapsed escrow is anybody's.
pub async fn take(
    transaction: &Transaction<'_>,
    show: &ShowId,
    owner: &str,
    token: i64,
    expires_at: Timestamp,
    seats: &[SeatId],
) -> Result<Vec<Claim>> {
    let take = transaction
        .prepare_cached(
            "INSERT INTO reservations.claims AS c (show_id, seat_id, status, owner, token, expires_at)
             SELECT $1, seat, 'held', $2, $3, $4 FROM unnest($5::text[]) AS seat ORDER BY seat
             ON CONFLICT (show_id, seat_id) DO UPDATE
                SET status = 'held', owner = excluded.owner, token = excluded.token, expires_at = excluded.expires_at
                WHERE c.token < excluded.token
                  AND (c.status = 'free'
                       OR (c.status = 'escrow' AND c.expires_at <= clock_timestamp())
                       OR (c.status = 'held' AND c.expires_at <= clock_timestamp() AND NOT EXISTS
                           (SELECT FROM reservations.queues AS q WHERE q.show_id = $1 AND q.open)))
             RETURNING seat_id, status, owner, token, expires_at",
        )
        .await?;
    let rows =
        transaction.query(&take, &[&show.as_str(), &owner, &token, &expires_at, &names(seats)]).await?;
    Ok(rows.iter().map(Claim::of).collect())
}

/// Locks all that `owners` have, in the order in which [`take`] locks, so that nobody waits in a circle. The first thing any
/// transaction does with claims it has already.
pub async fn lock(transaction: &Transaction<'_>, shows: &[&str], owners: &[&str]) -> Result<()> {
    let lock = "SELECT FROM reservations.claims WHERE show_id = ANY($1) AND owner = ANY($2)
                ORDER BY show_id, seat_id FOR UPDATE";
    transaction.execute(&transaction.prepare_cached(lock).await?, &[&shows, &owners]).await?;
    Ok(())
}

/// Sells what `owner` holds, if its claims are live. Returns those sold; the caller rolls back unless they are all.
pub async fn book(
    transaction: &Transaction<'_>,
    show: &ShowId,
    owner: &str,
    token: i64,
) -> Result<Vec<Claim>> {
    let book = transaction
        .prepare_cached(
            "UPDATE reservations.claims SET status = 'booked', expires_at = NULL
             WHERE show_id = $1 AND owner = $2 AND token = $3 AND status = 'held' AND expires_at > clock_timestamp()
             RETURNING seat_id, status, owner, token, expires_at",
        )
        .await?;
    let rows = transaction.query(&book, &[&show.as_str(), &owner, &token]).await?;
    Ok(rows.iter().map(Claim::of).collect())
}

/// Gives what `owner` still has back to the street.
pub async fn free(transaction: &Transaction<'_>, show: &ShowId, owner: &str) -> Result<Vec<Claim>> {
    let free = transaction
        .prepare_cached(
            "UPDATE reservations.claims SET status = 'free', owner = NULL, expires_at = NULL
             WHERE show_id = $1 AND owner = $2 RETURNING seat_id, status, owner, token, expires_at",
        )
        .await?;
    let rows = transaction.query(&free, &[&show.as_str(), &owner]).await?;
    Ok(rows.iter().map(Claim::of).collect())
}

/// A claim passed from one owner to another under a new token.
#[derive(Debug, Clone, Copy)]
pub struct Passing<'a> {
    /// Who has it.
    pub from: &'a str,
    /// Who gets it.
    pub to: &'a str,
    /// `held` or `escrow`.
    pub status: &'static str,
    /// The new token.
    pub token: i64,
    /// The new deadline.
    pub expires_at: Timestamp,
}

/// Passes seats of one owner to another without letting the street in between. `seats` are all when not given.
pub async fn pass(
    transaction: &Transaction<'_>,
    show: &ShowId,
    passing: Passing<'_>,
    seats: Option<&[SeatId]>,
) -> Result<Vec<Claim>> {
    let pass = transaction
        .prepare_cached(
            "UPDATE reservations.claims SET status = $3, owner = $4, token = $5, expires_at = $6
             WHERE show_id = $1 AND owner = $2 AND ($7::text[] IS NULL OR seat_id = ANY($7)) RETURNING seat_id, status, owner, token, expires_at",
        )
        .await?;
    let Passing { from, to, status, token, expires_at } = passing;
    let rows = transaction
        .query(&pass, &[&show.as_str(), &from, &status, &to, &token, &expires_at, &seats.map(names)])
        .await?;
    Ok(rows.iter().map(Claim::of).collect())
}

/// Every seat of a show that was ever claimed.
pub async fn of_show(client: &impl GenericClient, show: &ShowId) -> Result<Vec<Claim>> {
    let rows = client
        .query(
            "SELECT seat_id, status, owner, token, expires_at FROM reservations.claims WHERE show_id = $1",
            &[&show.as_str()],
        )
        .await?;
    Ok(rows.iter().map(Claim::of).collect())
}

/// The next fencing token, and the database's clock.
pub async fn token(transaction: &Transaction<'_>) -> Result<(i64, Timestamp)> {
    let next = transaction.prepare_cached("SELECT nextval('reservations.fence'), clock_timestamp()").await?;
    let row = transaction.query_one(&next, &[]).await?;
    Ok((row.get(0), row.get(1)))
}
