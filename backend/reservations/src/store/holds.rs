//! `reservations.holds`: seats kept for one buyer until a deadline.

use std::time::Duration;

use deadpool_postgres::{GenericClient, Transaction};
use domain::deadline::Deadline;
use domain::id::{EntryId, HoldId, SeatId, SessionId, ShowId};
use domain::limits::Usage;
use domain::money::Money;
use domain::status::HoldStatus;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::claims::Owned;
use super::{Result, id};

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
    /// Its state. One past its deadline is expired, whether or not that was announced.
    pub status: HoldStatus,
    /// For all seats together.
    pub price: Money,
    /// What the request asked for, to know a repetition from a different wish.
    pub fingerprint: String,
    /// How long it lasts.
    pub deadline: Deadline,
    /// The `Idempotency-Key` it was extended with, if that had one.
    pub extension_key: Option<String>,
    /// The database's clock when it was read.
    pub read_at: Timestamp,
}

/// Named, because a cached statement that says `*` breaks when a migration adds a column.
const COLUMNS: &str =
    "id, show_id, session_id, entry_id, seats, token, status, price_minor, currency, fingerprint, created_at, expires_at,
    extended, graced, extension_key, clock_timestamp() AS read_at";

impl Hold {
    fn of(row: &Row) -> Self {
        let status = HoldStatus::parse(row.get("status")).expect("the table checks the word");
        let deadline = Deadline {
            created_at: row.get("created_at"),
            expires_at: row.get("expires_at"),
            extended: row.get("extended"),
            graced: row.get("graced"),
        };
        let read_at = row.get("read_at");
        let over = status == HoldStatus::OnHold && deadline.lapsed(read_at);
        Self {
            id: id!(HoldId, row, "id"),
            show: id!(ShowId, row, "show_id"),
            session: id!(SessionId, row, "session_id"),
            entry: row.get::<_, Option<String>>("entry_id").and_then(|entry| EntryId::parse(entry).ok()),
            seats: super::seats(row, "seats"),
            token: row.get("token"),
            status: if over { HoldStatus::Expired } else { status },
            price: super::price(row),
            fingerprint: row.get("fingerprint"),
            deadline,
            extension_key: row.get("extension_key"),
            read_at,
        }
    }

    /// What it has, if nobody took it over.
    pub fn owned(&self) -> Owned<'_> {
        Owned { show: &self.show, owner: self.id.as_str(), seats: &self.seats }
    }
}

/// Writes new holds.
pub async fn insert(transaction: &Transaction<'_>, holds: &[Hold]) -> Result<()> {
    let insert = transaction
        .prepare_cached(
            "INSERT INTO reservations.holds (id, show_id, session_id, entry_id, seats, token, status, price_minor, currency,
                fingerprint, created_at, expires_at)
             SELECT id, show_id, session_id, entry_id, string_to_array(seats, ','), token, 'on_hold', price_minor, currency,
                fingerprint, created_at, expires_at
             FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[],
                $9::text[], $10::timestamptz[], $11::timestamptz[])
                AS h (id, show_id, session_id, entry_id, seats, token, price_minor, currency, fingerprint, created_at, expires_at)",
        )
        .await?;
    // A seat's id has no comma.
    let seats = |hold: &Hold| super::names(&hold.seats).join(",");
    let parameters: [&(dyn ToSql + Sync); 11] = [
        &each(holds, |hold| hold.id.as_str()),
        &each(holds, |hold| hold.show.as_str()),
        &each(holds, |hold| hold.session.as_str()),
        &each(holds, |hold| hold.entry.as_ref().map(EntryId::as_str)),
        &each(holds, seats),
        &each(holds, |hold| hold.token),
        &each(holds, |hold| hold.price.amount),
        &each(holds, |hold| hold.price.currency.as_str()),
        &each(holds, |hold| hold.fingerprint.as_str()),
        &each(holds, |hold| hold.deadline.created_at),
        &each(holds, |hold| hold.deadline.expires_at),
    ];
    transaction.execute(&insert, &parameters).await?;
    Ok(())
}

fn each<'a, T>(holds: &'a [Hold], of: impl Fn(&'a Hold) -> T) -> Vec<T> {
    holds.iter().map(of).collect()
}

/// Finds a hold.
pub async fn find(client: &impl GenericClient, hold: &HoldId) -> Result<Option<Hold>> {
    Ok(find_all(client, &[hold.as_str()]).await?.pop())
}

/// Finds those holds there are.
pub async fn find_all(client: &impl GenericClient, ids: &[&str]) -> Result<Vec<Hold>> {
    let find = format!("SELECT {COLUMNS} FROM reservations.holds WHERE id = ANY($1)");
    let find = client.prepare_cached(&find).await?;
    Ok(client.query(&find, &[&ids]).await?.iter().map(Hold::of).collect())
}

/// Finds a hold and keeps others from changing it until the transaction ends.
pub async fn lock(transaction: &Transaction<'_>, hold: &HoldId) -> Result<Option<Hold>> {
    Ok(lock_all(transaction, &[hold.as_str()]).await?.pop())
}

/// Finds holds and keeps others from changing them until the transaction ends; in order of id, so that nobody waits in a circle.
pub async fn lock_all(transaction: &Transaction<'_>, ids: &[&str]) -> Result<Vec<Hold>> {
    let find = format!("SELECT {COLUMNS} FROM reservations.holds WHERE id = ANY($1) ORDER BY id FOR UPDATE");
    let find = transaction.prepare_cached(&find).await?;
    Ok(transaction.query(&find, &[&ids]).await?.iter().map(Hold::of).collect())
}

/// Holds past their deadline that nobody has announced, oldest first, each to one sweeper, and how long ago that deadline was. An
/// index serves what does not change while a statement runs: its own time, not the clock's.
pub async fn lock_due(transaction: &Transaction<'_>, limit: i64) -> Result<Vec<(Hold, Duration)>> {
    let due = format!(
        "SELECT {COLUMNS}, extract(epoch FROM statement_timestamp() - expires_at)::float8 AS late_seconds
         FROM reservations.holds
         WHERE status = 'on_hold' AND expires_at <= statement_timestamp()
         ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED"
    );
    let due = transaction.prepare_cached(&due).await?;
    let late = |row: &Row| Duration::try_from_secs_f64(row.get("late_seconds")).unwrap_or_default();
    Ok(transaction.query(&due, &[&limit]).await?.iter().map(|row| (Hold::of(row), late(row))).collect())
}

/// Ends holds.
pub async fn end(transaction: &Transaction<'_>, ids: &[&str], status: HoldStatus) -> Result<()> {
    let end = "UPDATE reservations.holds SET status = $2, ended_at = clock_timestamp() WHERE id = ANY($1)";
    transaction.execute(&transaction.prepare_cached(end).await?, &[&ids, &status.as_str()]).await?;
    Ok(())
}

/// A hold is sold, under the token its seats were claimed with last.
pub async fn book(transaction: &Transaction<'_>, ids: &[&str], tokens: &[i64]) -> Result<()> {
    let book =
        "UPDATE reservations.holds AS h SET status = 'booked', token = b.token, ended_at = clock_timestamp()
                FROM unnest($1::text[], $2::bigint[]) AS b (id, token) WHERE h.id = b.id";
    transaction.execute(&transaction.prepare_cached(book).await?, &[&ids, &tokens]).await?;
    Ok(())
}

/// Moves deadlines.
pub async fn move_deadlines(
    transaction: &Transaction<'_>,
    ids: &[&str],
    deadlines: &[Deadline],
) -> Result<()> {
    let set = "UPDATE reservations.holds AS h SET expires_at = d.expires_at, extended = d.extended, graced = d.graced
               FROM unnest($1::text[], $2::timestamptz[], $3::bool[], $4::bool[]) AS d (id, expires_at, extended, graced)
               WHERE h.id = d.id";
    let expires_at: Vec<_> = deadlines.iter().map(|deadline| deadline.expires_at).collect();
    let extended: Vec<_> = deadlines.iter().map(|deadline| deadline.extended).collect();
    let graced: Vec<_> = deadlines.iter().map(|deadline| deadline.graced).collect();
    let set = transaction.prepare_cached(set).await?;
    transaction.execute(&set, &[&ids, &expires_at, &extended, &graced]).await?;
    Ok(())
}

/// Notes the key a hold was extended with.
pub async fn note_extension(transaction: &Transaction<'_>, hold: &HoldId, key: &str) -> Result<()> {
    let note = "UPDATE reservations.holds SET extension_key = $2 WHERE id = $1";
    transaction.execute(&transaction.prepare_cached(note).await?, &[&hold.as_str(), &key]).await?;
    Ok(())
}

/// Until the transaction ends no hold of these sessions is counted or placed by another; in one order, so that nobody waits in
/// a circle.
pub async fn lock_sessions(transaction: &Transaction<'_>, sessions: &[&str]) -> Result<()> {
    let lock = "SELECT pg_advisory_xact_lock(hashtext('reservations.session'), s.number) FROM
                (SELECT DISTINCT hashtext(session) AS number FROM unnest($1::text[]) AS session ORDER BY 1) AS s";
    transaction.execute(&transaction.prepare_cached(lock).await?, &[&sessions]).await?;
    Ok(())
}

/// What sessions keep and kept, in their order. No hold lives for longer than an hour, so what was placed before that is over.
/// An offer counts among the live ones alone: the queue gave it.
pub async fn usage(transaction: &Transaction<'_>, sessions: &[&str]) -> Result<Vec<Usage>> {
    let usage = transaction
        .prepare_cached(
            "SELECT u.* FROM unnest($1::text[]) WITH ORDINALITY AS s (session_id, at), LATERAL (
                SELECT count(*) FILTER (WHERE live),
                       coalesce(sum(cardinality(seats)) FILTER (WHERE live), 0)::bigint,
                       count(*) FILTER (WHERE entry_id IS NULL AND created_at > clock_timestamp() - interval '1 minute'),
                       coalesce(ceil(sum(cardinality(seats) * extract(epoch FROM
                           greatest(least(coalesce(ended_at, expires_at), clock_timestamp()) - created_at, interval '0')))
                           FILTER (WHERE entry_id IS NULL AND status <> 'booked')), 0)::bigint
                FROM (SELECT seats, status, entry_id, created_at, expires_at, ended_at,
                             status = 'on_hold' AND expires_at > clock_timestamp() AS live
                      FROM reservations.holds
                      WHERE session_id = s.session_id AND created_at > statement_timestamp() - interval '1 hour') AS h) AS u
             ORDER BY s.at",
        )
        .await?;
    let count = |row: &Row, at: usize| row.get::<_, i64>(at).unsigned_abs();
    let rows = transaction.query(&usage, &[&sessions]).await?;
    let of = |row: &Row| Usage {
        holds_live: count(row, 0),
        seats_live: count(row, 1),
        holds_last_minute: count(row, 2),
        hold_seconds_last_hour: count(row, 3),
    };
    Ok(rows.iter().map(of).collect())
}
