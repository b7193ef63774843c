//! `waitlist.offers`: who is offered what out of an escrow, decided once, and how far each is.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{EntryId, EscrowId, HoldId, SeatId, SessionId, ShowId};
use domain::queue::Assignment;
use service::postgres::Error;

use super::published::Escrow;
use super::{our_seats, ours, texts};

/// An offer that reservations has not answered yet.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    /// Whose place in line.
    pub(crate) entry_id: EntryId,
    /// Whose.
    pub(crate) session_id: SessionId,
    /// What.
    pub(crate) seats: Vec<SeatId>,
}

/// Records a decision.
pub(crate) async fn decide(
    transaction: &Transaction<'_>,
    escrow_id: &EscrowId,
    assignment: &Assignment,
) -> Result<(), Error> {
    let decide = "INSERT INTO waitlist.offers (escrow_id, entry_id, seats) VALUES ($1, $2, $3)";
    let decide = transaction.prepare_cached(decide).await?;
    let entry_id = assignment.waiter.entry_id.as_str();
    transaction.execute(&decide, &[&escrow_id.as_str(), &entry_id, &texts(&assignment.seats)]).await?;
    Ok(())
}

/// What is decided and not yet answered, in order of arrival.
pub(crate) async fn pending(
    client: &impl GenericClient,
    escrow_id: &EscrowId,
) -> Result<Vec<Pending>, Error> {
    let pending = "SELECT o.entry_id, e.session_id, o.seats FROM waitlist.offers o
                   JOIN waitlist.entries e ON e.id = o.entry_id
                   WHERE o.escrow_id = $1 AND o.status IN ('decided', 'asked') ORDER BY e.seq";
    let pending = client.prepare_cached(pending).await?;
    let rows = client.query(&pending, &[&escrow_id.as_str()]).await?;
    let read = |row: &tokio_postgres::Row| Pending {
        entry_id: ours(EntryId::parse(row.get::<_, &str>(0))),
        session_id: ours(SessionId::parse(row.get::<_, &str>(1))),
        seats: our_seats(row.get(2)),
    };
    Ok(rows.iter().map(read).collect())
}

/// Whether reservations has not yet answered for offers of the same show's seats whose bound has passed: they may have lapsed.
pub(crate) async fn overdue_elsewhere(transaction: &Transaction<'_>, escrow: &Escrow) -> Result<bool, Error> {
    let overdue = "SELECT EXISTS (SELECT FROM waitlist.offers o JOIN waitlist.escrows e ON e.id = o.escrow_id
                   WHERE e.show_id = $1 AND e.id <> $2 AND e.status <> 'done' AND e.expires_at <= clock_timestamp()
                   AND o.status IN ('decided', 'asked'))";
    let overdue = transaction.prepare_cached(overdue).await?;
    Ok(transaction.query_one(&overdue, &[&escrow.show_id.as_str(), &escrow.id.as_str()]).await?.get(0))
}

/// Seats of an escrow that were given to somebody, or turned out to be gone.
pub(crate) async fn used_seats(
    client: &impl GenericClient,
    escrow_id: &EscrowId,
) -> Result<Vec<SeatId>, Error> {
    let used = "SELECT unnest(seats) FROM waitlist.offers WHERE escrow_id = $1 AND status <> 'withdrawn'";
    let used = client.prepare_cached(used).await?;
    let rows = client.query(&used, &[&escrow_id.as_str()]).await?;
    Ok(our_seats(rows.iter().map(|row| row.get(0)).collect()))
}

/// From here on reservations may have placed the hold. False when the offer was withdrawn or answered meanwhile.
pub(crate) async fn ask(
    client: &impl GenericClient,
    escrow_id: &EscrowId,
    entry_id: &EntryId,
) -> Result<bool, Error> {
    let ask = "UPDATE waitlist.offers SET status = 'asked'
               WHERE escrow_id = $1 AND entry_id = $2 AND status IN ('decided', 'asked')";
    let ask = client.prepare_cached(ask).await?;
    Ok(client.execute(&ask, &[&escrow_id.as_str(), &entry_id.as_str()]).await? == 1)
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
    let read = |row: &tokio_postgres::Row| {
        (ours(EntryId::parse(row.get::<_, &str>(0))), ours(HoldId::parse(row.get::<_, &str>(1))))
    };
    Ok(rows.iter().map(read).collect())
}
