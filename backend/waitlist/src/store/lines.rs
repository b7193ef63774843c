//! Lines as a whole: who stands where in `waitlist.entries`, and how many, as `waitlist.line_counts` adds them up.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{EntryId, SeatId, SessionId, ShowId};
use domain::queue::{Waiter, Wish};
use domain::status::CloseReason;
use service::postgres::Error;
use tokio_postgres::Row;

use super::entries::our_wish;
use super::{ours, texts};

/// Whether anybody waits or considers an offer.
pub(crate) async fn any_live(client: &impl GenericClient, show_id: &ShowId) -> Result<bool, Error> {
    let any = "SELECT EXISTS (SELECT FROM waitlist.entries WHERE show_id = $1 AND status IN ('waiting', 'offered'))";
    let any = client.prepare_cached(any).await?;
    Ok(client.query_one(&any, &[&show_id.as_str()]).await?.get(0))
}

/// How many wait in a line.
pub(crate) async fn waiting(client: &impl GenericClient, show_id: &ShowId) -> Result<i64, Error> {
    let count = "SELECT coalesce(sum(waiting), 0)::bigint FROM waitlist.line_counts WHERE show_id = $1";
    let count = client.prepare_cached(count).await?;
    Ok(client.query_one(&count, &[&show_id.as_str()]).await?.get(0))
}

/// For how many seats people wait from the front up to an entry, its own included.
pub(crate) async fn seats_up_to(client: &impl GenericClient, id: &EntryId) -> Result<u64, Error> {
    let seats = "SELECT ((SELECT coalesce(sum(c.seats), 0) FROM waitlist.line_counts c
                          WHERE c.show_id = e.show_id AND c.bucket < (e.seq >> 9))
                       + (SELECT coalesce(sum(b.party), 0) FROM waitlist.entries b
                          WHERE b.show_id = e.show_id AND b.status = 'waiting'
                          AND b.seq >= ((e.seq >> 9) << 9) AND b.seq <= e.seq))::bigint
                 FROM waitlist.entries e WHERE e.id = $1";
    let seats = client.prepare_cached(seats).await?;
    let row = client.query_opt(&seats, &[&id.as_str()]).await?;
    Ok(row.map_or(0, |row| row.get::<_, i64>(0)).unsigned_abs())
}

/// Somebody who waits, as far as it matters where they stand.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Their place in line.
    pub(crate) entry_id: EntryId,
    /// Who.
    pub(crate) session_id: SessionId,
    /// What they wait for.
    pub(crate) wish: Wish,
    /// Where they stood when they came.
    pub(crate) joined_position: u64,
}

/// A whole line, from its front.
pub(crate) async fn standing(client: &impl GenericClient, show_id: &ShowId) -> Result<Vec<Standing>, Error> {
    let standing = "SELECT e.id, e.session_id, e.joined_position, e.party, e.seats, e.together, e.kind, e.price_max_minor,
                        e.price_max_currency
                    FROM waitlist.entries e WHERE e.show_id = $1 AND e.status = 'waiting' ORDER BY e.seq";
    let standing = client.prepare_cached(standing).await?;
    let rows = client.query(&standing, &[&show_id.as_str()]).await?;
    let read = |row: &Row| Standing {
        entry_id: ours(EntryId::parse(row.get::<_, &str>(0))),
        session_id: ours(SessionId::parse(row.get::<_, &str>(1))),
        joined_position: row.get::<_, i64>(2).unsigned_abs(),
        wish: our_wish(row, (3, 4), 5),
    };
    Ok(rows.iter().map(read).collect())
}

/// What a page of a line is read for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach<'a> {
    /// The escrows the seats are in: who was offered seats of one before, and did not get them, is not asked again.
    pub(crate) escrow_ids: &'a [&'a str],
    /// The seats: who wants none of them is passed over.
    pub(crate) seats: &'a [&'a str],
    /// Among them are such as everybody takes, and room for a wheelchair or beside it.
    pub(crate) standard: bool,
    /// See `standard`.
    pub(crate) accessible: bool,
    /// Larger parties are passed over.
    pub(crate) party_max: i16,
}

/// Who seats may be given to, behind a place in line: those who wait and could use any of them.
pub(crate) async fn page(
    transaction: &Transaction<'_>,
    show_id: &ShowId,
    reach: Reach<'_>,
    behind: i64,
    limit: i64,
) -> Result<Vec<(i64, Waiter)>, Error> {
    let line = "SELECT e.seq, e.id, e.session_id, e.party, e.seats, e.gathers_until,
                    e.together, e.kind, e.price_max_minor, e.price_max_currency
                FROM waitlist.entries e
                WHERE e.show_id = $1 AND e.status = 'waiting' AND e.offer_escrow_id IS NULL AND e.seq > $3
                AND e.party <= $5 AND CASE WHEN e.seats <> '{}' THEN e.seats && $6
                                           WHEN e.kind IS NULL THEN $7 ELSE $8 END
                AND NOT EXISTS (SELECT FROM waitlist.offers o WHERE o.entry_id = e.id AND o.escrow_id = ANY($2))
                ORDER BY e.seq LIMIT $4";
    let line = transaction.prepare_cached(line).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 8] = [
        &show_id.as_str(),
        &reach.escrow_ids,
        &behind,
        &limit,
        &reach.party_max,
        &reach.seats,
        &reach.standard,
        &reach.accessible,
    ];
    let rows = transaction.query(&line, &values).await?;
    let waiter = |row: &Row| Waiter {
        entry_id: ours(EntryId::parse(row.get::<_, &str>(1))),
        session_id: ours(SessionId::parse(row.get::<_, &str>(2))),
        wish: our_wish(row, (3, 4), 6),
        gathers_until: row.get(5),
    };
    Ok(rows.iter().map(|row| (row.get(0), waiter(row))).collect())
}

/// Sessions other than the buyer's that wait for certain seats of a show, any of these among them.
pub(crate) async fn hoping(
    client: &impl GenericClient,
    show_id: &ShowId,
    seats: &[SeatId],
    buyer: &SessionId,
) -> Result<Vec<SessionId>, Error> {
    let hoping = "SELECT session_id FROM waitlist.entries
                  WHERE show_id = $1 AND status = 'waiting' AND seats <> '{}' AND seats && $2 AND session_id <> $3
                  ORDER BY seq";
    let hoping = client.prepare_cached(hoping).await?;
    let rows = client.query(&hoping, &[&show_id.as_str(), &texts(seats), &buyer.as_str()]).await?;
    Ok(rows.iter().map(|row| ours(SessionId::parse(row.get::<_, &str>(0)))).collect())
}

/// Ends everybody who still waits in a locked line. Returns whose entries.
pub(crate) async fn close_waiting(
    transaction: &Transaction<'_>,
    show_id: &ShowId,
    reason: CloseReason,
) -> Result<Vec<(EntryId, SessionId)>, Error> {
    let close =
        "UPDATE waitlist.entries SET status = 'closed', ended_at = clock_timestamp(), closed_reason = $2
                 WHERE show_id = $1 AND status = 'waiting' RETURNING id, session_id";
    let close = transaction.prepare_cached(close).await?;
    let rows = transaction.query(&close, &[&show_id.as_str(), &reason.as_str()]).await?;
    let read = |row: &Row| {
        (ours(EntryId::parse(row.get::<_, &str>(0))), ours(SessionId::parse(row.get::<_, &str>(1))))
    };
    Ok(rows.iter().map(read).collect())
}

/// All lines together.
#[derive(Debug)]
pub(crate) struct Depth {
    /// Entries that wait.
    pub(crate) waiting: i64,
    /// Entries that consider an offer.
    pub(crate) offered: i64,
    /// Entries that seats may be kept for at this moment.
    pub(crate) gathering: i64,
}

/// How many there are of each, everywhere.
pub(crate) async fn depth(client: &impl GenericClient) -> Result<Depth, Error> {
    let depth = "SELECT (SELECT coalesce(sum(waiting), 0) FROM waitlist.line_counts)::bigint,
                        (SELECT count(*) FROM waitlist.entries WHERE status = 'offered'),
                        (SELECT count(*) FROM waitlist.entries WHERE status = 'waiting'
                         AND gathers_until > statement_timestamp())";
    let depth = client.prepare_cached(depth).await?;
    let row = client.query_one(&depth, &[]).await?;
    Ok(Depth { waiting: row.get(0), offered: row.get(1), gathering: row.get(2) })
}
