//! `waitlist.offers`: who is offered what out of an escrow, decided once, and how far each is.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{EntryId, EscrowId, HoldId, SeatId, SessionId, ShowId};
use domain::queue::audit::PastOffer;
use jiff::Timestamp;
use service::postgres::Error;
use tokio_postgres::Row;

use super::{our_seats, ours};

/// An offer that reservations has not answered yet.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    /// Whose place in line.
    pub(crate) entry_id: EntryId,
    /// Whose.
    pub(crate) session_id: SessionId,
    /// The seats, by where they are. The first of the escrows names the offer, together with the entry.
    pub(crate) parts: Vec<Part>,
}

impl Pending {
    /// The escrow that names it.
    pub(crate) fn escrow_id(&self) -> &EscrowId {
        &self.parts[0].escrow_id
    }

    /// All its seats.
    pub(crate) fn seats(&self) -> Vec<SeatId> {
        let mut seats: Vec<_> = self.parts.iter().flat_map(|part| part.seats.iter().cloned()).collect();
        seats.sort();
        seats
    }
}

/// Seats of one escrow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Which escrow.
    pub(crate) escrow_id: EscrowId,
    /// Which seats.
    pub(crate) seats: Vec<SeatId>,
}

/// Puts seats together that are of one escrow, in order of the escrows' first seats.
pub(crate) fn parts(seats: impl IntoIterator<Item = (EscrowId, SeatId)>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (escrow_id, seat) in seats {
        match parts.iter_mut().find(|part| part.escrow_id == escrow_id) {
            Some(part) => part.seats.push(seat),
            None => parts.push(Part { escrow_id, seats: vec![seat] }),
        }
    }
    parts
}

/// Records a decision.
pub(crate) async fn decide(
    transaction: &Transaction<'_>,
    entry_id: &EntryId,
    parts: &[Part],
) -> Result<(), Error> {
    let decide =
        "INSERT INTO waitlist.offers (escrow_id, entry_id, seats, escrow_ids) VALUES ($1, $2, $3, $4)";
    let decide = transaction.prepare_cached(decide).await?;
    let each = || parts.iter().flat_map(|part| part.seats.iter().map(move |seat| (&part.escrow_id, seat)));
    let seats: Vec<_> = each().map(|(_, seat)| seat.as_str()).collect();
    let escrow_ids: Vec<_> = each().map(|(escrow_id, _)| escrow_id.as_str()).collect();
    let first = parts[0].escrow_id.as_str();
    transaction.execute(&decide, &[&first, &entry_id.as_str(), &seats, &escrow_ids]).await?;
    Ok(())
}

/// Who asks for offers, and for how long that keeps others from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// This instance.
    pub(crate) name: &'a str,
    /// Whoever asked longer ago has gone.
    pub(crate) within_ms: i32,
}

/// Not answered, and nobody else asks for it. `$2` is our name, `$3` the lease.
const OURS_TO_ASK: &str =
    "(o.status = 'decided' OR (o.status = 'asked' AND (o.asked_by IS NULL OR o.asked_by = $2
    OR o.asked_at < clock_timestamp() - $3::int * interval '1 millisecond')))";
const PENDING: &str = "SELECT o.entry_id, e.session_id, o.seats,
    coalesce(o.escrow_ids, array_fill(o.escrow_id, ARRAY[cardinality(o.seats)]))
    FROM waitlist.offers o JOIN waitlist.entries e ON e.id = o.entry_id";

fn pending_row(row: &Row) -> Pending {
    let escrow_ids = row.get::<_, Vec<&str>>(3).into_iter().map(|id| ours(EscrowId::parse(id)));
    Pending {
        entry_id: ours(EntryId::parse(row.get::<_, &str>(0))),
        session_id: ours(SessionId::parse(row.get::<_, &str>(1))),
        parts: parts(std::iter::zip(escrow_ids, our_seats(row.get(2)))),
    }
}

/// What is decided for a line, not yet answered, and ours to ask for, in order of arrival.
pub(crate) async fn pending(
    client: &impl GenericClient,
    show_id: &ShowId,
    asker: Asker<'_>,
) -> Result<Vec<Pending>, Error> {
    let pending = format!(
        "{PENDING} WHERE e.show_id = $1 AND o.status IN ('decided', 'asked') AND {OURS_TO_ASK} ORDER BY e.seq"
    );
    let pending = client.prepare_cached(&pending).await?;
    let rows = client.query(&pending, &[&show_id.as_str(), &asker.name, &asker.within_ms]).await?;
    Ok(rows.iter().map(pending_row).collect())
}

/// Whether there are offers that are not answered although the bound of their seats has passed: they may have lapsed.
pub(crate) async fn any_overdue(transaction: &Transaction<'_>, show_id: &ShowId) -> Result<bool, Error> {
    let overdue = "SELECT EXISTS (SELECT FROM waitlist.offers o JOIN waitlist.entries n ON n.id = o.entry_id
                   JOIN waitlist.escrows e ON e.id = ANY(coalesce(o.escrow_ids, ARRAY[o.escrow_id]))
                   WHERE n.show_id = $1 AND e.expires_at <= clock_timestamp() AND o.status IN ('decided', 'asked'))";
    let overdue = transaction.prepare_cached(overdue).await?;
    Ok(transaction.query_one(&overdue, &[&show_id.as_str()]).await?.get(0))
}

/// A seat of an escrow that was given to somebody, or turned out to be gone.
#[derive(Debug)]
pub(crate) struct Used {
    /// Where it was.
    pub(crate) escrow_id: EscrowId,
    /// Which.
    pub(crate) seat: SeatId,
    /// Reservations would not give it.
    pub(crate) gone: bool,
}

/// Those of some escrows.
pub(crate) async fn used_seats(client: &impl GenericClient, escrow_ids: &[&str]) -> Result<Vec<Used>, Error> {
    let used = "SELECT * FROM (
                    SELECT s.escrow_id, s.seat, o.status = 'gone' FROM waitlist.offers o
                    CROSS JOIN LATERAL unnest(o.seats,
                        coalesce(o.escrow_ids, array_fill(o.escrow_id, ARRAY[cardinality(o.seats)]))) AS s (seat, escrow_id)
                    WHERE (o.escrow_id = ANY($1) OR o.escrow_ids && $1) AND o.status <> 'withdrawn'
                ) AS used WHERE escrow_id = ANY($1)";
    let used = client.prepare_cached(used).await?;
    let rows = client.query(&used, &[&escrow_ids]).await?;
    let read = |row: &Row| Used {
        escrow_id: ours(EscrowId::parse(row.get::<_, &str>(0))),
        seat: ours(SeatId::parse(row.get::<_, &str>(1))),
        gone: row.get(2),
    };
    Ok(rows.iter().map(read).collect())
}

/// From here on reservations may have placed the hold. False when the offer was withdrawn or answered meanwhile, or somebody else
/// asks.
pub(crate) async fn ask(
    client: &impl GenericClient,
    offer: &Pending,
    asker: Asker<'_>,
) -> Result<bool, Error> {
    let ask = format!(
        "UPDATE waitlist.offers o SET status = 'asked', asked_by = $2, asked_at = clock_timestamp()
         WHERE o.escrow_id = $1 AND o.entry_id = $4 AND {OURS_TO_ASK}"
    );
    let ask = client.prepare_cached(&ask).await?;
    let (first, entry_id) = (offer.escrow_id().as_str(), offer.entry_id.as_str());
    Ok(client.execute(&ask, &[&first, &asker.name, &asker.within_ms, &entry_id]).await? == 1)
}

/// Reservations placed the hold; when its owner has gone, it has to be given back. False when that was known.
pub(crate) async fn made(
    transaction: &Transaction<'_>,
    escrow_id: &EscrowId,
    entry_id: &EntryId,
    hold_id: &HoldId,
    wanted: bool,
) -> Result<(), Error> {
    let made = "UPDATE waitlist.offers SET status = $4, hold_id = $3
                WHERE escrow_id = $1 AND entry_id = $2 AND status = 'asked'";
    let made = transaction.prepare_cached(made).await?;
    let status = if wanted { "made" } else { "returning" };
    transaction
        .execute(&made, &[&escrow_id.as_str(), &entry_id.as_str(), &hold_id.as_str(), &status])
        .await?;
    Ok(())
}

/// Whether reservations' answer to this offer is still to be recorded.
pub(crate) async fn unanswered(
    transaction: &Transaction<'_>,
    escrow_id: &EscrowId,
    entry_id: &EntryId,
) -> Result<bool, Error> {
    let asked = "SELECT EXISTS (SELECT FROM waitlist.offers WHERE escrow_id = $1 AND entry_id = $2 AND status = 'asked')";
    let asked = transaction.prepare_cached(asked).await?;
    Ok(transaction.query_one(&asked, &[&escrow_id.as_str(), &entry_id.as_str()]).await?.get(0))
}

/// Reservations no longer had the seats. False when that was known.
pub(crate) async fn gone(
    transaction: &Transaction<'_>,
    escrow_id: &EscrowId,
    entry_id: &EntryId,
) -> Result<bool, Error> {
    let gone = "UPDATE waitlist.offers SET status = 'gone' WHERE escrow_id = $1 AND entry_id = $2 AND status = 'asked'";
    let gone = transaction.prepare_cached(gone).await?;
    Ok(transaction.execute(&gone, &[&escrow_id.as_str(), &entry_id.as_str()]).await? == 1)
}

/// An entry's hold is over: there is nothing left to do about its offer.
pub(crate) async fn settle(transaction: &Transaction<'_>, entry_id: &EntryId) -> Result<(), Error> {
    let settle = "UPDATE waitlist.offers SET status = 'settled'
                  WHERE entry_id = $1 AND status IN ('decided', 'asked', 'made', 'returning')";
    let settle = transaction.prepare_cached(settle).await?;
    transaction.execute(&settle, &[&entry_id.as_str()]).await?;
    Ok(())
}

/// The owner of an entry went: what was not asked for is withdrawn, what was made has to be given back. The latter's hold.
pub(crate) async fn abandon(
    transaction: &Transaction<'_>,
    entry_id: &EntryId,
) -> Result<Option<HoldId>, Error> {
    let abandon =
        "UPDATE waitlist.offers SET status = CASE status WHEN 'decided' THEN 'withdrawn' ELSE 'returning' END
                   WHERE entry_id = $1 AND status IN ('decided', 'made') RETURNING hold_id";
    let abandon = transaction.prepare_cached(abandon).await?;
    let rows = transaction.query(&abandon, &[&entry_id.as_str()]).await?;
    Ok(rows.iter().find_map(|row| row.get::<_, Option<&str>>(0)).map(|id| ours(HoldId::parse(id))))
}

/// A whole line went: what was not asked for is withdrawn.
pub(crate) async fn withdraw_all(transaction: &Transaction<'_>, show_id: &ShowId) -> Result<(), Error> {
    let withdraw = "UPDATE waitlist.offers o SET status = 'withdrawn' FROM waitlist.entries e
                    WHERE e.id = o.entry_id AND e.show_id = $1 AND e.status = 'closed' AND o.status = 'decided'";
    let withdraw = transaction.prepare_cached(withdraw).await?;
    transaction.execute(&withdraw, &[&show_id.as_str()]).await?;
    Ok(())
}

/// The hold of an offer was given back.
pub(crate) async fn returned(client: &impl GenericClient, hold_id: &HoldId) -> Result<(), Error> {
    let returned =
        "UPDATE waitlist.offers SET status = 'returned' WHERE hold_id = $1 AND status = 'returning'";
    let returned = client.prepare_cached(returned).await?;
    client.execute(&returned, &[&hold_id.as_str()]).await?;
    Ok(())
}

/// Holds that have to be given back, with the entries they were offered to.
pub(crate) async fn returning(
    client: &impl GenericClient,
    limit: i64,
) -> Result<Vec<(EntryId, HoldId)>, Error> {
    let returning =
        "SELECT entry_id, hold_id FROM waitlist.offers WHERE status = 'returning' ORDER BY random() LIMIT $1";
    let returning = client.prepare_cached(returning).await?;
    let rows = client.query(&returning, &[&limit]).await?;
    let read =
        |row: &Row| (ours(EntryId::parse(row.get::<_, &str>(0))), ours(HoldId::parse(row.get::<_, &str>(1))));
    Ok(rows.iter().map(read).collect())
}

/// What was decided to be offered to somebody, for whoever asks what became of it.
#[derive(Debug)]
pub(crate) struct Audited {
    /// When.
    pub(crate) decided_at: Timestamp,
    /// Which seats.
    pub(crate) seats: Vec<SeatId>,
    /// Of these escrows.
    pub(crate) escrow_ids: Vec<EscrowId>,
    /// How far it is.
    pub(crate) status: String,
    /// The hold that was placed.
    pub(crate) hold_id: Option<HoldId>,
}

impl Audited {
    /// As far as it kept its owner out of later rounds; nothing when it was withdrawn, because its owner had left.
    pub(crate) fn past(&self) -> Option<PastOffer> {
        (self.status != "withdrawn").then(|| PastOffer {
            at: self.decided_at,
            seats: self.seats.clone(),
            escrow_ids: self.escrow_ids.clone(),
            gone: self.status == "gone",
        })
    }
}

/// All that was ever decided to be offered to an entry, the first first.
pub(crate) async fn of_entry(client: &impl GenericClient, entry_id: &EntryId) -> Result<Vec<Audited>, Error> {
    let find = "SELECT decided_at, seats, coalesce(escrow_ids, ARRAY[escrow_id]), status, hold_id
                FROM waitlist.offers WHERE entry_id = $1 ORDER BY seq";
    let find = client.prepare_cached(find).await?;
    let rows = client.query(&find, &[&entry_id.as_str()]).await?;
    let read = |row: &Row| Audited {
        decided_at: row.get(0),
        seats: our_seats(row.get(1)),
        escrow_ids: row.get::<_, Vec<&str>>(2).into_iter().map(|id| ours(EscrowId::parse(id))).collect(),
        status: row.get(3),
        hold_id: row.get::<_, Option<&str>>(4).map(|id| ours(HoldId::parse(id))),
    };
    Ok(rows.iter().map(read).collect())
}
