//! `waitlist.mails`: what is still to be written to people, each once.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::EntryId;
use service::postgres::Error;
use tokio_postgres::Row;

use super::ours;

/// What somebody is written about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Seats are held for them.
    Offered,
    /// They did not take them in time.
    Lapsed,
    /// The show begins.
    Started,
    /// It is off the program.
    Cancelled,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Offered, Self::Lapsed, Self::Started, Self::Cancelled];

    /// As in the table.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Lapsed => "lapsed",
            Self::Started => "started",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Hours after which news of an ending is no news.
const ENDING_HOURS: i32 = 24;

/// Writes to those of these entries that gave an address. An offer is not worth a mail any more when it has lapsed.
pub(crate) async fn put(
    transaction: &Transaction<'_>,
    kind: Kind,
    entry_ids: &[&str],
) -> Result<bool, Error> {
    let put = "INSERT INTO waitlist.mails (entry_id, kind, useless_at)
               SELECT id, $2, CASE WHEN $2 = 'offered' THEN offer_expires_at
                                   ELSE clock_timestamp() + make_interval(hours => $3) END
               FROM waitlist.entries WHERE id = ANY($1) AND email IS NOT NULL ON CONFLICT DO NOTHING";
    let put = transaction.prepare_cached(put).await?;
    Ok(transaction.execute(&put, &[&entry_ids, &kind.as_str(), &ENDING_HOURS]).await? > 0)
}

/// A mail that is to be sent now.
#[derive(Debug)]
pub(crate) struct Due {
    /// Which.
    pub(crate) id: i64,
    /// To whom.
    pub(crate) entry_id: EntryId,
    /// Their address. Not to be logged.
    pub(crate) email: String,
    /// What about.
    pub(crate) kind: Kind,
    /// The show.
    pub(crate) show_id: String,
    /// What it is called, when that is known.
    pub(crate) about: Option<String>,
    /// The seats offered, and until when by the theater's clock.
    pub(crate) seats: Vec<String>,
    /// See `seats`.
    pub(crate) until: Option<String>,
    /// How often it was tried, this time included.
    pub(crate) attempts: i32,
}

/// Takes mails to send; nobody else does for as long as the lease. Who dies with one leaves it to the next.
pub(crate) async fn claim(client: &impl GenericClient, lease_ms: i64, limit: i64) -> Result<Vec<Due>, Error> {
    let claim = "WITH due AS (
                     SELECT id FROM waitlist.mails WHERE due_at <= clock_timestamp() ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
                 ), mine AS (
                     UPDATE waitlist.mails m SET due_at = clock_timestamp() + $1::bigint * interval '1 millisecond', attempts = attempts + 1
                     FROM due WHERE m.id = due.id RETURNING m.*
                 )
                 SELECT m.id, e.id, e.email, m.kind, e.show_id, s.about, e.offer_seats,
                     to_char(e.offer_expires_at AT TIME ZONE coalesce(c.timezone, 'UTC'), 'HH24:MI:SS'), m.attempts
                 FROM mine m JOIN waitlist.entries e ON e.id = m.entry_id LEFT JOIN waitlist.shows s ON s.id = e.show_id
                 LEFT JOIN catalog_published.shows c ON c.id = e.show_id ORDER BY m.id";
    let claim = client.prepare_cached(claim).await?;
    let rows = client.query(&claim, &[&lease_ms, &limit]).await?;
    Ok(rows.iter().map(due).collect())
}

fn due(row: &Row) -> Due {
    Due {
        id: row.get(0),
        entry_id: ours(EntryId::parse(row.get::<_, &str>(1))),
        email: row.get::<_, Option<_>>(2).unwrap_or_default(),
        kind: Kind::parse(row.get(3)).expect("a CHECK allows no other word"),
        show_id: row.get(4),
        about: row.get(5),
        seats: row.get::<_, Option<_>>(6).unwrap_or_default(),
        until: row.get(7),
        attempts: row.get(8),
    }
}

/// It is sent, or never will be.
pub(crate) async fn done(client: &impl GenericClient, id: i64) -> Result<(), Error> {
    let done = client.prepare_cached("DELETE FROM waitlist.mails WHERE id = $1").await?;
    client.execute(&done, &[&id]).await?;
    Ok(())
}

/// It could not be sent, and is tried again after a while.
pub(crate) async fn postpone(client: &impl GenericClient, id: i64, pause_ms: i64) -> Result<(), Error> {
    let postpone = "UPDATE waitlist.mails SET due_at = clock_timestamp() + $2::bigint * interval '1 millisecond' WHERE id = $1";
    let postpone = client.prepare_cached(postpone).await?;
    client.execute(&postpone, &[&id, &pause_ms]).await?;
    Ok(())
}

/// Drops what nobody needs to read any more: offers that are over, and old news. How many.
pub(crate) async fn drop_useless(client: &impl GenericClient, limit: i64) -> Result<u64, Error> {
    let drop = "DELETE FROM waitlist.mails WHERE id IN (
                    SELECT m.id FROM waitlist.mails m JOIN waitlist.entries e ON e.id = m.entry_id
                    WHERE m.useless_at <= clock_timestamp() OR (m.kind = 'offered' AND e.status <> 'offered') LIMIT $1)";
    let drop = client.prepare_cached(drop).await?;
    Ok(client.execute(&drop, &[&limit]).await?)
}

/// How many wait.
pub(crate) async fn waiting(client: &impl GenericClient) -> Result<i64, Error> {
    let waiting = client.prepare_cached("SELECT count(*) FROM waitlist.mails").await?;
    Ok(client.query_one(&waiting, &[]).await?.get(0))
}
