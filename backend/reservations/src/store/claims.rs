//! `reservations.claims`: whose each seat is. The one place where a seat changes hands.
//!
//! Whoever changes claims locks them first ([`lock`]), all at once and in order of show and seat, so that nobody waits in a
//! circle; then looks, then writes. Each write says again what must hold, under the fencing token.

use deadpool_postgres::{GenericClient, Transaction};
use domain::claim::{self, Kept, State};
use domain::id::{OwnerId, SeatId, ShowId};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::{Result, id};

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
    /// Of which show.
    pub show: ShowId,
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
            show: id!(ShowId, row, "show_id"),
            seat: id!(SeatId, row, "seat_id"),
            status: ClaimStatus::parse(row.get("status")),
            owner: row.get("owner"),
            token: row.get("token"),
            expires_at: row.get("expires_at"),
        }
    }

    /// A hold's, as it is when the hold is placed.
    pub fn held(show: &ShowId, seat: &SeatId, owner: &str, token: i64, expires_at: Timestamp) -> Self {
        Self {
            show: show.clone(),
            seat: seat.clone(),
            status: ClaimStatus::Held,
            owner: Some(owner.to_owned()),
            token,
            expires_at: Some(expires_at),
        }
    }

    /// Whether the street may take it. A lapsed hold belongs to the queue while people wait; a lapsed escrow to nobody.
    pub fn takeable(&self, now: Timestamp, queue_open: bool) -> bool {
        self.fact().takeable(now, queue_open).is_ok()
    }

    /// Whether it is a live hold's with this token.
    pub fn held_by(&self, owner: &str, token: i64, now: Timestamp) -> bool {
        OwnerId::parse(owner).is_ok_and(|owner| self.fact().held_by(&owner, token, now).is_ok())
    }

    /// What it says of its seat, in the words of the rules.
    pub fn fact(&self) -> claim::Claim {
        let owner = self.owner.as_ref().and_then(|owner| OwnerId::parse(owner).ok());
        let state = match (self.status, owner, self.expires_at) {
            (ClaimStatus::Held, Some(owner), Some(expires_at)) => State::Held(Kept { owner, expires_at }),
            (ClaimStatus::Escrow, Some(owner), Some(expires_at)) => State::Escrow(Kept { owner, expires_at }),
            (ClaimStatus::Booked, Some(owner), _) => State::Booked(owner),
            // Nobody's; the table lets no other mixture in.
            _ => State::Free,
        };
        claim::Claim { token: self.token, state }
    }
}

/// Seats of somebody.
#[derive(Debug, Clone, Copy)]
pub struct Owned<'a> {
    /// Of which show.
    pub show: &'a ShowId,
    /// Whose they are, or are believed to be.
    pub owner: &'a str,
    /// Which.
    pub seats: &'a [SeatId],
}

/// The columns of many seats.
#[derive(Default)]
struct Columns<'a> {
    shows: Vec<&'a str>,
    seats: Vec<&'a str>,
    owners: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(owned: &[Owned<'a>]) -> Self {
        let mut columns = Self::default();
        for Owned { show, owner, seats } in owned {
            for seat in *seats {
                columns.shows.push(show.as_str());
                columns.seats.push(seat.as_str());
                columns.owners.push(owner);
            }
        }
        columns
    }
}

/// Locks seats, whosever they are now, and says what they are. Seats nobody ever claimed have no row.
pub async fn lock(transaction: &Transaction<'_>, owned: &[Owned<'_>]) -> Result<Vec<Claim>> {
    let lock = "SELECT c.show_id, c.seat_id, c.status, c.owner, c.token, c.expires_at
                FROM reservations.claims AS c JOIN (SELECT DISTINCT show_id, seat_id
                    FROM unnest($1::text[], $2::text[]) AS wanted (show_id, seat_id)) AS wanted USING (show_id, seat_id)
                ORDER BY c.show_id, c.seat_id FOR UPDATE OF c";
    let columns = Columns::of(owned);
    let lock = transaction.prepare_cached(lock).await?;
    let rows = transaction.query(&lock, &[&columns.shows, &columns.seats]).await?;
    Ok(rows.iter().map(Claim::of).collect())
}

/// Claims seats for holds, each under its own token, where the street may take them. Returns how many were got; the caller
/// rolls back unless they are all.
pub async fn take(transaction: &Transaction<'_>, wanted: &[Claim]) -> Result<u64> {
    let take = transaction
        .prepare_cached(
            "INSERT INTO reservations.claims AS c (show_id, seat_id, status, owner, token, expires_at)
             SELECT show_id, seat_id, 'held', owner, token, expires_at
             FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[])
                AS wanted (show_id, seat_id, owner, token, expires_at)
             ORDER BY show_id, seat_id
             ON CONFLICT (show_id, seat_id) DO UPDATE
                SET status = 'held', owner = excluded.owner, token = excluded.token, expires_at = excluded.expires_at
                WHERE c.token < excluded.token
                  AND (c.status = 'free'
                       OR (c.status = 'escrow' AND c.expires_at <= clock_timestamp())
                       OR (c.status = 'held' AND c.expires_at <= clock_timestamp() AND NOT EXISTS
                           (SELECT FROM reservations.queues AS q WHERE q.show_id = excluded.show_id AND q.open)))",
        )
        .await?;
    let shows: Vec<_> = wanted.iter().map(|claim| claim.show.as_str()).collect();
    let seats: Vec<_> = wanted.iter().map(|claim| claim.seat.as_str()).collect();
    let owners: Vec<_> = wanted.iter().map(|claim| claim.owner.as_deref()).collect();
    let tokens: Vec<_> = wanted.iter().map(|claim| claim.token).collect();
    let deadlines: Vec<_> = wanted.iter().map(|claim| claim.expires_at).collect();
    Ok(transaction.execute(&take, &[&shows, &seats, &owners, &tokens, &deadlines]).await?)
}

/// Sells seats that are live holds' with these tokens. Returns how many were sold; the caller rolls back unless they are all.
pub async fn book(transaction: &Transaction<'_>, held: &[Claim]) -> Result<u64> {
    let book = transaction
        .prepare_cached(
            "UPDATE reservations.claims AS c SET status = 'booked', expires_at = NULL
             FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS h (show_id, seat_id, owner, token)
             WHERE c.show_id = h.show_id AND c.seat_id = h.seat_id AND c.owner = h.owner AND c.token = h.token
               AND c.status = 'held' AND c.expires_at > clock_timestamp()",
        )
        .await?;
    let shows: Vec<_> = held.iter().map(|claim| claim.show.as_str()).collect();
    let seats: Vec<_> = held.iter().map(|claim| claim.seat.as_str()).collect();
    let owners: Vec<_> = held.iter().map(|claim| claim.owner.as_deref()).collect();
    let tokens: Vec<_> = held.iter().map(|claim| claim.token).collect();
    Ok(transaction.execute(&book, &[&shows, &seats, &owners, &tokens]).await?)
}

/// Moves the deadline of what live holds have, which are locked. One moment decides for all seats of a hold, so all of them move
/// or none. Returns the claims as they are now.
pub async fn extend(
    transaction: &Transaction<'_>,
    owned: &[Owned<'_>],
    deadlines: &[Timestamp],
) -> Result<Vec<Claim>> {
    let extend = transaction
        .prepare_cached(
            "UPDATE reservations.claims AS c SET expires_at = h.expires_at
             FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS h (show_id, seat_id, owner, expires_at)
             WHERE c.show_id = h.show_id AND c.seat_id = h.seat_id AND c.owner = h.owner
               AND c.status = 'held' AND c.expires_at > statement_timestamp() AND c.expires_at < h.expires_at
             RETURNING c.show_id, c.seat_id, c.status, c.owner, c.token, c.expires_at",
        )
        .await?;
    let columns = Columns::of(owned);
    let each = std::iter::zip(owned, deadlines);
    let deadlines: Vec<_> = each.flat_map(|(owned, at)| owned.seats.iter().map(|_| *at)).collect();
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&columns.shows, &columns.seats, &columns.owners, &deadlines];
    Ok(transaction.query(&extend, &parameters).await?.iter().map(Claim::of).collect())
}

/// Moves the deadline of what live escrows have, which are locked. Returns the claims as they are now.
pub async fn keep(
    transaction: &Transaction<'_>,
    owned: &[Owned<'_>],
    ends: &[Timestamp],
) -> Result<Vec<Claim>> {
    let keep = transaction
        .prepare_cached(
            "UPDATE reservations.claims AS c SET expires_at = k.expires_at
             FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS k (show_id, seat_id, owner, expires_at)
             WHERE c.show_id = k.show_id AND c.seat_id = k.seat_id AND c.owner = k.owner
               AND c.status = 'escrow' AND c.expires_at > statement_timestamp() AND c.expires_at < k.expires_at
             RETURNING c.show_id, c.seat_id, c.status, c.owner, c.token, c.expires_at",
        )
        .await?;
    let columns = Columns::of(owned);
    let ends: Vec<_> =
        std::iter::zip(owned, ends).flat_map(|(owned, at)| owned.seats.iter().map(|_| *at)).collect();
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&columns.shows, &columns.seats, &columns.owners, &ends];
    Ok(transaction.query(&keep, &parameters).await?.iter().map(Claim::of).collect())
}

/// Gives what is still its owners' back to the street. Returns the claims as they are now.
pub async fn free(transaction: &Transaction<'_>, owned: &[Owned<'_>]) -> Result<Vec<Claim>> {
    let free = transaction
        .prepare_cached(
            "UPDATE reservations.claims AS c SET status = 'free', owner = NULL, expires_at = NULL
             FROM unnest($1::text[], $2::text[], $3::text[]) AS o (show_id, seat_id, owner)
             WHERE c.show_id = o.show_id AND c.seat_id = o.seat_id AND c.owner = o.owner
             RETURNING c.show_id, c.seat_id, c.status, c.owner, c.token, c.expires_at",
        )
        .await?;
    let columns = Columns::of(owned);
    let rows = transaction.query(&free, &[&columns.shows, &columns.seats, &columns.owners]).await?;
    Ok(rows.iter().map(Claim::of).collect())
}

/// To whom the seats of one owner are passed.
#[derive(Debug, Clone, Copy)]
pub struct Passing<'a> {
    /// Who has them.
    pub from: Owned<'a>,
    /// Who gets them.
    pub to: &'a str,
    /// The new token.
    pub token: i64,
    /// The new deadline.
    pub expires_at: Timestamp,
}

/// Passes seats from owner to owner without letting the street in between; they are `held` or in `escrow` then. Returns those that
/// were still their owner's.
pub async fn pass(
    transaction: &Transaction<'_>,
    status: &str,
    passings: &[Passing<'_>],
) -> Result<Vec<Claim>> {
    let pass = transaction
        .prepare_cached(
            "UPDATE reservations.claims AS c SET status = $1, owner = p.heir, token = p.token, expires_at = p.expires_at
             FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[])
                AS p (show_id, seat_id, owner, heir, token, expires_at)
             WHERE c.show_id = p.show_id AND c.seat_id = p.seat_id AND c.owner = p.owner AND c.token < p.token
             RETURNING c.show_id, c.seat_id, c.status, c.owner, c.token, c.expires_at",
        )
        .await?;
    let from: Vec<_> = passings.iter().map(|passing| passing.from).collect();
    let Columns { shows, seats, owners } = Columns::of(&from);
    let each = || passings.iter().flat_map(|passing| passing.from.seats.iter().map(move |_| passing));
    let heirs: Vec<_> = each().map(|passing| passing.to).collect();
    let tokens: Vec<_> = each().map(|passing| passing.token).collect();
    let deadlines: Vec<_> = each().map(|passing| passing.expires_at).collect();
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&status, &shows, &seats, &owners, &heirs, &tokens, &deadlines];
    Ok(transaction.query(&pass, &parameters).await?.iter().map(Claim::of).collect())
}

/// Every seat of a show that was ever claimed.
pub async fn of_show(client: &impl GenericClient, show: &ShowId) -> Result<Vec<Claim>> {
    of_shows(client, &[show.as_str()]).await
}

/// All claims there are of several shows.
pub async fn of_shows(client: &impl GenericClient, shows: &[&str]) -> Result<Vec<Claim>> {
    let find = "SELECT show_id, seat_id, status, owner, token, expires_at FROM reservations.claims WHERE show_id = ANY($1)";
    let find = client.prepare_cached(find).await?;
    Ok(client.query(&find, &[&shows]).await?.iter().map(Claim::of).collect())
}

/// So many fencing tokens, and the database's clock.
pub async fn tokens(transaction: &Transaction<'_>, count: usize) -> Result<(Vec<i64>, Timestamp)> {
    let next = "SELECT nextval('reservations.fence'), clock_timestamp() FROM generate_series(1, $1::int)";
    let next = transaction.prepare_cached(next).await?;
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let rows = transaction.query(&next, &[&count]).await?;
    let now = rows.last().map_or(Timestamp::UNIX_EPOCH, |row| row.get(1));
    Ok((rows.iter().map(|row| row.get(0)).collect(), now))
}

/// The next fencing token, and the database's clock.
pub async fn token(transaction: &Transaction<'_>) -> Result<(i64, Timestamp)> {
    let next = transaction.prepare_cached("SELECT nextval('reservations.fence'), clock_timestamp()").await?;
    let row = transaction.query_one(&next, &[]).await?;
    Ok((row.get(0), row.get(1)))
}
