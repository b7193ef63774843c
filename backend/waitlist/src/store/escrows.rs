//! `waitlist.escrows`: seats that were to be given to a line, and how far that has come.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::EscrowId;
use service::postgres::Error;

use super::published::{self, Escrow};
use super::texts;

/// How far the serving of an escrow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Its seats are given to the line.
    Serving,
    /// Nobody else fits: what is left goes on open sale.
    Clearing,
    /// Over.
    Done,
}

impl Progress {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "serving" => Some(Self::Serving),
            "clearing" => Some(Self::Clearing),
            "done" => Some(Self::Done),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Clearing => "clearing",
            Self::Done => "done",
        }
    }
}

/// Begins to serve an escrow, or finds how far it is. Nothing when it was never begun and its bound has passed.
pub(crate) async fn begin(transaction: &Transaction<'_>, escrow: &Escrow) -> Result<Option<Progress>, Error> {
    let find = transaction.prepare_cached("SELECT status FROM waitlist.escrows WHERE id = $1").await?;
    if let Some(row) = transaction.query_opt(&find, &[&escrow.id.as_str()]).await? {
        return Ok(Progress::parse(row.get(0)));
    }
    let insert = "INSERT INTO waitlist.escrows (id, show_id, seats, expires_at)
                 SELECT $1, $2, $3, $4::timestamptz WHERE $4 > clock_timestamp()";
    let insert = transaction.prepare_cached(insert).await?;
    let (id, show_id) = (escrow.id.as_str(), escrow.show_id.as_str());
    let inserted =
        transaction.execute(&insert, &[&id, &show_id, &texts(&escrow.seats), &escrow.expires_at]).await?;
    Ok((inserted == 1).then_some(Progress::Serving))
}

/// Whether the bound of an escrow that was begun has passed.
pub(crate) async fn lapsed(transaction: &Transaction<'_>, id: &EscrowId) -> Result<bool, Error> {
    let lapsed = "SELECT expires_at <= clock_timestamp() FROM waitlist.escrows WHERE id = $1";
    let lapsed = transaction.prepare_cached(lapsed).await?;
    Ok(transaction.query_one(&lapsed, &[&id.as_str()]).await?.get(0))
}

/// Notes how far it is.
pub(crate) async fn set(
    client: &impl GenericClient,
    id: &EscrowId,
    progress: Progress,
) -> Result<bool, Error> {
    let set = "UPDATE waitlist.escrows SET status = $2 WHERE id = $1 AND status <> $2 AND status <> 'done'";
    let set = client.prepare_cached(set).await?;
    Ok(client.execute(&set, &[&id.as_str(), &progress.as_str()]).await? == 1)
}

/// Those that were begun and not finished.
pub(crate) async fn undone(client: &impl GenericClient, limit: i64) -> Result<Vec<Escrow>, Error> {
    let undone = "SELECT id, show_id, seats, expires_at FROM waitlist.escrows
                  WHERE status <> 'done' ORDER BY decided_at LIMIT $1";
    let undone = client.prepare_cached(undone).await?;
    Ok(client
        .query(&undone, &[&limit])
        .await?
        .iter()
        .map(|row| super::ours(published::escrow(row)))
        .collect())
}

/// Forgets what was finished long ago and gave no hold that must still be given back.
pub(crate) async fn forget(client: &impl GenericClient, days: i32, limit: i64) -> Result<u64, Error> {
    let forget = "DELETE FROM waitlist.escrows WHERE id IN (SELECT e.id FROM waitlist.escrows e
                  WHERE e.status = 'done' AND e.decided_at < clock_timestamp() - make_interval(days => $1)
                  AND NOT EXISTS (SELECT FROM waitlist.offers o WHERE o.escrow_id = e.id AND o.status IN ('made', 'returning'))
                  LIMIT $2)";
    let forget = client.prepare_cached(forget).await?;
    Ok(client.execute(&forget, &[&days, &limit]).await?)
}
