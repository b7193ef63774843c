//! `waitlist.entries`: who waits for what, in order of arrival.

use deadpool_postgres::{GenericClient, Transaction};
use domain::hold::{Party, Seating};
use domain::id::{EntryId, EscrowId, HoldId, SeatId, SessionId, ShowId};
use domain::money::Money;
use domain::queue::Wish;
use domain::status::{CloseReason, EntryStatus};
use jiff::Timestamp;
use service::postgres::Error;
use tokio_postgres::Row;

use super::{our_seats, ours, texts};
use crate::joining::Joining;
use crate::wish::{Email, WHEELCHAIR};

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
    /// Why it was ended, if not by them.
    pub(crate) closed: Option<CloseReason>,
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
    CASE WHEN e.status = 'waiting' THEN 1
        + (SELECT coalesce(sum(c.waiting), 0) FROM waitlist.line_counts c
           WHERE c.show_id = e.show_id AND c.bucket < (e.seq >> 9))::bigint
        + (SELECT count(*) FROM waitlist.entries b WHERE b.show_id = e.show_id AND b.status = 'waiting'
           AND b.seq >= ((e.seq >> 9) << 9) AND b.seq < e.seq) END,
    e.offer_hold_id, e.offer_seats, e.offer_expires_at, e.created_at, e.status = 'waiting' AND e.offer_escrow_id IS NOT NULL,
    e.together, e.kind, e.price_max_minor, e.price_max_currency, e.closed_reason";

/// The same of an entry that was made in the same statement.
const FRESH_COLUMNS: &str = "e.id, e.show_id, e.party, e.seats, e.status, e.joined_position, e.joined_position,
    e.offer_hold_id, e.offer_seats, e.offer_expires_at, e.created_at, false, e.together, e.kind, e.price_max_minor,
    e.price_max_currency, e.closed_reason";

fn entry(row: &Row) -> Entry {
    let offer = row.get::<_, Option<&str>>(7).map(|hold_id| Offer {
        hold_id: ours(HoldId::parse(hold_id)),
        seats: our_seats(row.get::<_, Option<_>>(8).unwrap_or_default()),
        expires_at: row.get(9),
    });
    Entry {
        id: ours(EntryId::parse(row.get::<_, &str>(0))),
        show_id: ours(ShowId::parse(row.get::<_, &str>(1))),
        wish: our_wish(row, (2, 3), 12),
        status: EntryStatus::parse(row.get(4)).expect("a CHECK allows no other word"),
        joined_position: row.get(5),
        position: row.get(6),
        offer,
        joined_at: row.get(10),
        chosen: row.get(11),
        closed: row.get::<_, Option<&str>>(16).and_then(CloseReason::parse),
    }
}

/// Party and seats at their columns, the rest from `more` on.
pub(super) fn our_wish(row: &Row, (party, seats): (usize, usize), more: usize) -> Wish {
    let accessible = row.get::<_, Option<&str>>(more + 1) == Some(WHEELCHAIR);
    let amount: Option<i64> = row.get(more + 2);
    Wish {
        party: our_party(row.get(party)),
        together: row.get(more),
        seats: our_seats(row.get(seats)),
        seating: if accessible { Seating::Accessible } else { Seating::Standard },
        price_max: amount.map(|amount| Money { amount, currency: row.get(more + 3) }),
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

/// Somebody's entry, for whoever asks what became of it.
#[derive(Debug)]
pub(crate) struct Audited {
    /// As it is.
    pub(crate) entry: Entry,
    /// Whose.
    pub(crate) session_id: SessionId,
    /// Grows in order of arrival.
    pub(crate) place: i64,
    /// Since when it is over.
    pub(crate) ended_at: Option<Timestamp>,
}

/// The entry of that id, whosever it is.
pub(crate) async fn audited(client: &impl GenericClient, id: &EntryId) -> Result<Option<Audited>, Error> {
    let find =
        format!("SELECT {COLUMNS}, e.session_id, e.seq, e.ended_at FROM waitlist.entries e WHERE e.id = $1");
    let find = client.prepare_cached(&find).await?;
    let read = |row: Row| Audited {
        entry: entry(&row),
        session_id: ours(SessionId::parse(row.get::<_, &str>(17))),
        place: row.get(18),
        ended_at: row.get(19),
    };
    Ok(client.query_opt(&find, &[&id.as_str()]).await?.map(read))
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

/// Somebody new, and their position in a locked line.
#[derive(Debug)]
pub(crate) struct Fresh<'a> {
    /// The id their entry will have.
    pub(crate) id: &'a EntryId,
    /// Who they are, and what they want.
    pub(crate) joining: &'a Joining,
    /// Where they will stand.
    pub(crate) position: i64,
}

/// People at the end of their locked lines, in this order.
pub(crate) async fn insert_all(
    transaction: &Transaction<'_>,
    fresh: &[Fresh<'_>],
) -> Result<Vec<Entry>, Error> {
    if fresh.is_empty() {
        return Ok(Vec::new());
    }
    let insert = format!(
        "WITH e AS (
             INSERT INTO waitlist.entries (id, show_id, session_id, party, seats, joined_position, together, kind,
                 price_max_minor, price_max_currency, email)
             SELECT id, show_id, session_id, party, string_to_array(seats, ','), standing, together, kind, amount, currency, email
             FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::bigint[], $7::boolean[], $8::text[],
                 $9::bigint[], $10::text[], $11::text[]) WITH ORDINALITY
                 AS n (id, show_id, session_id, party, seats, standing, together, kind, amount, currency, email, place)
             ORDER BY place RETURNING *
         ) SELECT {FRESH_COLUMNS} FROM e"
    );
    let insert = transaction.prepare_cached(&insert).await?;
    let each =
        |of: fn(&Joining) -> &str| fresh.iter().map(move |fresh| of(fresh.joining)).collect::<Vec<_>>();
    let wishes = || fresh.iter().map(|fresh| &fresh.joining.wish);
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 11] = [
        &fresh.iter().map(|fresh| fresh.id.as_str()).collect::<Vec<_>>(),
        &each(|joining| joining.show_id.as_str()),
        &each(|joining| joining.session_id.as_str()),
        &wishes().map(|wish| i16::try_from(wish.party.size()).expect("a party is small")).collect::<Vec<_>>(),
        // A seat's id has no comma.
        &wishes().map(|wish| texts(&wish.seats).join(",")).collect::<Vec<_>>(),
        &fresh.iter().map(|fresh| fresh.position).collect::<Vec<_>>(),
        &wishes().map(|wish| wish.together).collect::<Vec<_>>(),
        &wishes().map(|wish| (wish.seating == Seating::Accessible).then_some(WHEELCHAIR)).collect::<Vec<_>>(),
        &wishes().map(|wish| wish.price_max.as_ref().map(|most| most.amount)).collect::<Vec<_>>(),
        &wishes().map(|wish| wish.price_max.as_ref().map(|most| most.currency.as_str())).collect::<Vec<_>>(),
        &fresh.iter().map(|fresh| fresh.joining.email.as_ref().map(Email::as_str)).collect::<Vec<_>>(),
    ];
    Ok(transaction.query(&insert, &values).await?.iter().map(entry).collect())
}

/// Lets one join of each of these sessions proceed at a time, until the transaction ends; in one order, so that nobody waits in a
/// circle. Taken before the lock of any show.
pub(crate) async fn lock_sessions(transaction: &Transaction<'_>, sessions: &[&str]) -> Result<(), Error> {
    let lock = "SELECT pg_advisory_xact_lock(hashtext('waitlist.session'), s.number)
                FROM (SELECT DISTINCT hashtext(id) AS number FROM unnest($1::text[]) AS id ORDER BY 1) AS s";
    let lock = transaction.prepare_cached(lock).await?;
    transaction.execute(&lock, &[&sessions]).await?;
    Ok(())
}

/// Those entries there are, and whose they are.
pub(crate) async fn find_all(
    client: &impl GenericClient,
    ids: &[&str],
) -> Result<Vec<(SessionId, Entry)>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let find = format!("SELECT {COLUMNS}, e.session_id FROM waitlist.entries e WHERE e.id = ANY($1)");
    of_somebody(client, &find, ids).await
}

/// Live entries of some sessions, in all lines.
pub(crate) async fn live_of_sessions(
    client: &impl GenericClient,
    sessions: &[&str],
) -> Result<Vec<(SessionId, Entry)>, Error> {
    let live = format!(
        "SELECT {COLUMNS}, e.session_id FROM waitlist.entries e
         WHERE e.session_id = ANY($1) AND e.status IN ('waiting', 'offered')"
    );
    of_somebody(client, &live, sessions).await
}

async fn of_somebody(
    client: &impl GenericClient,
    statement: &str,
    names: &[&str],
) -> Result<Vec<(SessionId, Entry)>, Error> {
    let statement = client.prepare_cached(statement).await?;
    let rows = client.query(&statement, &[&names]).await?;
    Ok(rows.iter().map(|row| (ours(SessionId::parse(row.get::<_, &str>(17))), entry(row))).collect())
}

/// Keeps a waiting entry for one offer, which is named by this escrow.
pub(crate) async fn choose(
    transaction: &Transaction<'_>,
    id: &EntryId,
    escrow_id: &EscrowId,
) -> Result<(), Error> {
    let choose = "UPDATE waitlist.entries SET offer_escrow_id = $2 WHERE id = $1";
    let choose = transaction.prepare_cached(choose).await?;
    transaction.execute(&choose, &[&id.as_str(), &escrow_id.as_str()]).await?;
    Ok(())
}

/// Somebody gathers, until then. False when that was known.
pub(crate) async fn gather(
    transaction: &Transaction<'_>,
    id: &EntryId,
    until: Timestamp,
) -> Result<bool, Error> {
    let gather =
        "UPDATE waitlist.entries SET gathers_until = $2 WHERE id = $1 AND gathers_until IS DISTINCT FROM $2";
    let gather = transaction.prepare_cached(gather).await?;
    Ok(transaction.execute(&gather, &[&id.as_str(), &until]).await? == 1)
}

/// A hold was placed for a chosen entry. How many seconds its owner has waited; nothing when they have gone meanwhile.
pub(crate) async fn offered(
    transaction: &Transaction<'_>,
    id: &EntryId,
    escrow_id: &EscrowId,
    offer: &Offer,
) -> Result<Option<f64>, Error> {
    let offered = "UPDATE waitlist.entries SET status = 'offered', offer_hold_id = $3, offer_seats = $4, offer_expires_at = $5
                   WHERE id = $1 AND offer_escrow_id = $2 AND status = 'waiting'
                   RETURNING extract(epoch FROM clock_timestamp() - created_at)::float8";
    let offered = transaction.prepare_cached(offered).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&id.as_str(), &escrow_id.as_str(), &offer.hold_id.as_str(), &texts(&offer.seats), &offer.expires_at];
    Ok(transaction.query_opt(&offered, &values).await?.map(|row| row.get(0)))
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

/// Takes somebody out of a locked line as if they had never come. False when they are being offered seats, or are not there.
pub(crate) async fn undo(transaction: &Transaction<'_>, id: &EntryId) -> Result<bool, Error> {
    let undo =
        "DELETE FROM waitlist.entries WHERE id = $1 AND status = 'waiting' AND offer_escrow_id IS NULL";
    let undo = transaction.prepare_cached(undo).await?;
    Ok(transaction.execute(&undo, &[&id.as_str()]).await? == 1)
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
    let settle = "UPDATE waitlist.entries SET status = $3, ended_at = clock_timestamp(),
                      closed_reason = CASE WHEN $3 = 'closed' THEN 'lapsed' END
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

/// Forgets entries that have been over for long.
pub(crate) async fn forget(client: &impl GenericClient, days: i32, limit: i64) -> Result<u64, Error> {
    let forget = "DELETE FROM waitlist.entries WHERE id IN (SELECT id FROM waitlist.entries
                  WHERE ended_at < clock_timestamp() - make_interval(days => $1) LIMIT $2)";
    let forget = client.prepare_cached(forget).await?;
    Ok(client.execute(&forget, &[&days, &limit]).await?)
}
