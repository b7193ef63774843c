//! `waitlist.entries`: who waits for what, in order of arrival.

use deadpool_postgres::{GenericClient, Transaction};
use domain::hold::Party;
use domain::id::{EntryId, EscrowId, HoldId, SeatId, SessionId, ShowId};
use domain::queue::{Assignment, Waiter};
use domain::status::EntryStatus;
use jiff::Timestamp;
use service::postgres::Error;
use tokio_postgres::Row;

use super::{our_seats, ours, texts};
use crate::wish::Wish;

/// A place in line, or what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Which.
    pub(crate) id: EntryId,
    /// Of which show.
    pub(crate) show_id: ShowId,
    /// What they wait for.
    pub(crate) wish: Wish,
    /// How far they are.
    pub(crate) status: EntryStatus,
    /// Where they stood when they came.
    pub(crate) joined_position: i64,
    /// Where they stand, while waiting.
    pub(crate) position: Option<i64>,
    /// What is, or was, offered to them.
    pub(crate) offer: Option<Offer>,
    /// Reservations is being asked to place a hold for them.
    pub(crate) chosen: bool,
    /// When they came.
    pub(crate) joined_at: Timestamp,
}

/// A hold in somebody's name.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// The hold.
    pub(crate) hold_id: HoldId,
    /// Its seats.
    pub(crate) seats: Vec<SeatId>,
    /// Its deadline.
    pub(crate) expires_at: Timestamp,
}

const COLUMNS: &str = "e.id, e.show_id, e.party, e.seats, e.status, e.joined_position,
    CASE WHEN e.status = 'waiting' THEN 1 + (SELECT count(*) FROM waitlist.entries b
        WHERE b.show_id = e.show_id AND b.status = 'waiting' AND b.seq < e.seq) END,
    e.offer_hold_id, e.offer_seats, e.offer_expires_at, e.created_at, e.status = 'waiting' AND e.offer_escrow_id IS NOT NULL";

fn entry(row: &Row) -> Entry {
    let offer = row.get::<_, Option<&str>>(7).map(|hold_id| Offer {
        hold_id: ours(HoldId::parse(hold_id)),
        seats: our_seats(row.get::<_, Option<_>>(8).unwrap_or_default()),
        expires_at: row.get(9),
    });
    Entry {
        id: ours(EntryId::parse(row.get::<_, &str>(0))),
        show_id: ours(ShowId::parse(row.get::<_, &str>(1))),
        wish: Wish { party: our_party(row.get(2)), seats: our_seats(row.get(3)) },
        status: EntryStatus::parse(row.get(4)).expect("a CHECK allows no other word"),
        joined_position: row.get(5),
        position: row.get(6),
        offer,
        joined_at: row.get(10),
        chosen: row.get(11),
    }
}

fn our_party(size: i16) -> Party {
    usize::try_from(size)
        .ok()
        .and_then(|size| Party::try_from(size).ok())
        .expect("a CHECK allows no other size")
}

/// The entry of that id, if it is this session's.
pub(crate) async fn find_mine(
    client: &impl GenericClient,
    id: &EntryId,
    session_id: &SessionId,
) -> Result<Option<Entry>, Error> {
    let find = format!("SELECT {COLUMNS} FROM waitlist.entries e WHERE e.id = $1 AND e.session_id = $2");
    let find = client.prepare_cached(&find).await?;
    Ok(client.query_opt(&find, &[&id.as_str(), &session_id.as_str()]).await?.as_ref().map(entry))
}

/// Live entries of a session, in one show or in all, oldest first.
pub(crate) async fn live_of_session(
    client: &impl GenericClient,
    session_id: &SessionId,
    show_id: Option<&ShowId>,
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    let live = format!(
        "SELECT {COLUMNS} FROM waitlist.entries e WHERE e.session_id = $1 AND e.status IN ('waiting', 'offered')
         AND ($2::text IS NULL OR e.show_id = $2) ORDER BY e.seq LIMIT $3"
    );
    let live = client.prepare_cached(&live).await?;
    let show_id = show_id.map(ShowId::as_str);
    let rows = client.query(&live, &[&session_id.as_str(), &show_id, &limit]).await?;
    Ok(rows.iter().map(entry).collect())
}

/// Lets one join of a session proceed at a time, until the transaction ends. Taken before the lock of a show.
pub(crate) async fn lock_session(transaction: &Transaction<'_>, session_id: &SessionId) -> Result<(), Error> {
    let lock = "SELECT pg_advisory_xact_lock(hashtext('waitlist.session'), hashtext($1))";
    let lock = transaction.prepare_cached(lock).await?;
    transaction.execute(&lock, &[&session_id.as_str()]).await?;
    Ok(())
}

/// Live entries of a session over all shows, and the one in this show.
pub(crate) async fn live_count_of_session(
    client: &impl GenericClient,
    session_id: &SessionId,
    show_id: &ShowId,
) -> Result<(i64, Option<EntryId>), Error> {
    let count = "SELECT count(*), min(id) FILTER (WHERE show_id = $2) FROM waitlist.entries
                 WHERE session_id = $1 AND status IN ('waiting', 'offered')";
    let count = client.prepare_cached(count).await?;
    let row = client.query_one(&count, &[&session_id.as_str(), &show_id.as_str()]).await?;
    Ok((row.get(0), row.get::<_, Option<&str>>(1).map(|id| ours(EntryId::parse(id)))))
}

/// How many wait for a show.
pub(crate) async fn waiting_count(client: &impl GenericClient, show_id: &ShowId) -> Result<i64, Error> {
    let count = "SELECT count(*) FROM waitlist.entries WHERE show_id = $1 AND status = 'waiting'";
    let count = client.prepare_cached(count).await?;
    Ok(client.query_one(&count, &[&show_id.as_str()]).await?.get(0))
}

/// Whether anybody waits or considers an offer.
pub(crate) async fn any_live(client: &impl GenericClient, show_id: &ShowId) -> Result<bool, Error> {
    let any = "SELECT EXISTS (SELECT FROM waitlist.entries WHERE show_id = $1 AND status IN ('waiting', 'offered'))";
    let any = client.prepare_cached(any).await?;
    Ok(client.query_one(&any, &[&show_id.as_str()]).await?.get(0))
}

/// Somebody new at the end of a locked line.
pub(crate) async fn insert(
    transaction: &Transaction<'_>,
    id: &EntryId,
    show_id: &ShowId,
    session_id: &SessionId,
    wish: &Wish,
    position: i64,
) -> Result<(), Error> {
    let insert = "INSERT INTO waitlist.entries (id, show_id, session_id, party, seats, joined_position)
                  VALUES ($1, $2, $3, $4, $5, $6)";
    let insert = transaction.prepare_cached(insert).await?;
    let party = i16::try_from(wish.party.size()).expect("a party is small");
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&id.as_str(), &show_id.as_str(), &session_id.as_str(), &party, &texts(&wish.seats), &position];
    transaction.execute(&insert, &values).await?;
    Ok(())
}

/// Who an escrow may be given to, behind a place in line: those who wait, and were not asked about it before.
pub(crate) async fn line(
    transaction: &Transaction<'_>,
    show_id: &ShowId,
    escrow_id: &EscrowId,
    behind: i64,
    limit: i64,
) -> Result<Vec<(i64, Waiter)>, Error> {
    let line = "SELECT e.seq, e.id, e.session_id, e.party, e.seats FROM waitlist.entries e
                WHERE e.show_id = $1 AND e.status = 'waiting' AND e.offer_escrow_id IS NULL AND e.seq > $3
                AND NOT EXISTS (SELECT FROM waitlist.offers o WHERE o.escrow_id = $2 AND o.entry_id = e.id)
                ORDER BY e.seq LIMIT $4";
    let line = transaction.prepare_cached(line).await?;
    let rows = transaction.query(&line, &[&show_id.as_str(), &escrow_id.as_str(), &behind, &limit]).await?;
    let waiter = |row: &Row| Waiter {
        entry_id: ours(EntryId::parse(row.get::<_, &str>(1))),
        session_id: ours(SessionId::parse(row.get::<_, &str>(2))),
        party: our_party(row.get(3)),
        seats: our_seats(row.get(4)),
    };
    Ok(rows.iter().map(|row| (row.get(0), waiter(row))).collect())
}

/// Keeps a waiting entry for one escrow.
pub(crate) async fn choose(
    transaction: &Transaction<'_>,
    escrow_id: &EscrowId,
    assignment: &Assignment,
) -> Result<(), Error> {
    let choose = "UPDATE waitlist.entries SET offer_escrow_id = $2 WHERE id = $1";
    let choose = transaction.prepare_cached(choose).await?;
    transaction.execute(&choose, &[&assignment.waiter.entry_id.as_str(), &escrow_id.as_str()]).await?;
    Ok(())
}

/// A hold was placed for a chosen entry. False when its owner has gone meanwhile.
pub(crate) async fn offered(
    transaction: &Transaction<'_>,
    id: &EntryId,
    escrow_id: &EscrowId,
    offer: &Offer,
) -> Result<bool, Error> {
    let offered = "UPDATE waitlist.entries SET status = 'offered', offer_hold_id = $3, offer_seats = $4, offer_expires_at = $5
                   WHERE id = $1 AND offer_escrow_id = $2 AND status = 'waiting'";
    let offered = transaction.prepare_cached(offered).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&id.as_str(), &escrow_id.as_str(), &offer.hold_id.as_str(), &texts(&offer.seats), &offer.expires_at];
    Ok(transaction.execute(&offered, &values).await? == 1)
}

/// The chosen entry waits on at its old place.
pub(crate) async fn back_in_line(
    transaction: &Transaction<'_>,
    id: &EntryId,
    escrow_id: &EscrowId,
) -> Result<(), Error> {
    let back = "UPDATE waitlist.entries SET offer_escrow_id = NULL
                WHERE id = $1 AND offer_escrow_id = $2 AND status = 'waiting'";
    let back = transaction.prepare_cached(back).await?;
    transaction.execute(&back, &[&id.as_str(), &escrow_id.as_str()]).await?;
    Ok(())
}

/// Ends a live entry. False when it was over already.
pub(crate) async fn end(
    transaction: &Transaction<'_>,
    id: &EntryId,
    status: EntryStatus,
) -> Result<bool, Error> {
    let end = "UPDATE waitlist.entries SET status = $2, ended_at = clock_timestamp()
               WHERE id = $1 AND status IN ('waiting', 'offered')";
    let end = transaction.prepare_cached(end).await?;
    Ok(transaction.execute(&end, &[&id.as_str(), &status.as_str()]).await? == 1)
}

/// Ends an entry whose hold is over, as far as this hold was its offer. A sale counts even when the owner seemed gone.
/// False when nothing changed.
pub(crate) async fn settle(
    transaction: &Transaction<'_>,
    id: &EntryId,
    hold_id: &HoldId,
    status: EntryStatus,
) -> Result<bool, Error> {
    let settle = "UPDATE waitlist.entries SET status = $3, ended_at = clock_timestamp()
                  WHERE id = $1 AND ((status = 'offered' AND offer_hold_id = $2)
                      OR (status = 'waiting' AND offer_escrow_id IS NOT NULL)
                      OR ($3 = 'fulfilled' AND status IN ('left', 'closed')))";
    let settle = transaction.prepare_cached(settle).await?;
    Ok(transaction.execute(&settle, &[&id.as_str(), &hold_id.as_str(), &status.as_str()]).await? == 1)
}

/// The show of an entry.
pub(crate) async fn show_of(client: &impl GenericClient, id: &EntryId) -> Result<Option<ShowId>, Error> {
    let find = client.prepare_cached("SELECT show_id FROM waitlist.entries WHERE id = $1").await?;
    let row = client.query_opt(&find, &[&id.as_str()]).await?;
    Ok(row.map(|row| ours(ShowId::parse(row.get::<_, &str>(0)))))
}

/// Ends everybody who still waits in a locked line.
pub(crate) async fn close_waiting(transaction: &Transaction<'_>, show_id: &ShowId) -> Result<u64, Error> {
    let close = "UPDATE waitlist.entries SET status = 'closed', ended_at = clock_timestamp()
                 WHERE show_id = $1 AND status = 'waiting'";
    let close = transaction.prepare_cached(close).await?;
    Ok(transaction.execute(&close, &[&show_id.as_str()]).await?)
}

/// Sessions other than the buyer's that wait for any seat of a show, or for one of these.
pub(crate) async fn hoping(
    client: &impl GenericClient,
    show_id: &ShowId,
    seats: &[SeatId],
    buyer: &SessionId,
) -> Result<Vec<SessionId>, Error> {
    let hoping = "SELECT session_id FROM waitlist.entries
                  WHERE show_id = $1 AND status = 'waiting' AND (seats = '{}' OR seats && $2) AND session_id <> $3
                  ORDER BY seq";
    let hoping = client.prepare_cached(hoping).await?;
    let rows = client.query(&hoping, &[&show_id.as_str(), &texts(seats), &buyer.as_str()]).await?;
    Ok(rows.iter().map(|row| ours(SessionId::parse(row.get::<_, &str>(0)))).collect())
}

/// How many wait and how many consider an offer, everywhere.
pub(crate) async fn depth(client: &impl GenericClient) -> Result<(i64, i64), Error> {
    let depth =
        "SELECT count(*) FILTER (WHERE status = 'waiting'), count(*) FILTER (WHERE status = 'offered')
                 FROM waitlist.entries WHERE status IN ('waiting', 'offered')";
    let depth = client.prepare_cached(depth).await?;
    let row = client.query_one(&depth, &[]).await?;
    Ok((row.get(0), row.get(1)))
}

/// Forgets entries that have been over for long.
pub(crate) async fn forget(client: &impl GenericClient, days: i32, limit: i64) -> Result<u64, Error> {
    let forget = "DELETE FROM waitlist.entries WHERE id IN (SELECT id FROM waitlist.entries
                  WHERE ended_at < clock_timestamp() - make_interval(days => $1) LIMIT $2)";
    let forget = client.prepare_cached(forget).await?;
    Ok(client.execute(&forget, &[&days, &limit]).await?)
}
