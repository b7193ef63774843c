//! `waitlist.decisions`: what became of the seats that were free for a line, round by round, kept for some days.

use deadpool_postgres::{GenericClient, Transaction};
use domain::id::{SeatId, ShowId};
use domain::queue::audit::Decision;
use jiff::Timestamp;
use service::postgres::Error;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

/// Notes what is decided in a locked line. A look that only keeps what was kept before is not worth a row.
pub(crate) async fn record(
    transaction: &Transaction<'_>,
    show_id: &ShowId,
    decision: &Decision,
) -> Result<(), Error> {
    let record = "INSERT INTO waitlist.decisions (show_id, at, decision)
                  SELECT $1::text, $2::timestamptz, $3::jsonb WHERE $4::boolean OR $3::jsonb->'kept' IS DISTINCT FROM
                      (SELECT decision->'kept' FROM waitlist.decisions WHERE show_id = $1 ORDER BY id DESC LIMIT 1)";
    let record = transaction.prepare_cached(record).await?;
    let moved = !(decision.given.is_empty() && decision.on_sale.is_empty());
    transaction.execute(&record, &[&show_id.as_str(), &decision.at, &Json(decision), &moved]).await?;
    Ok(())
}

/// Which decisions are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<'a> {
    /// Not before this.
    pub(crate) from: Timestamp,
    /// Not after this.
    pub(crate) until: Option<Timestamp>,
    /// Only those about this seat.
    pub(crate) seat: Option<&'a SeatId>,
    /// The last so many.
    pub(crate) limit: i64,
}

/// What was decided for a line, the last first.
pub(crate) async fn of_show(
    client: &impl GenericClient,
    show_id: &ShowId,
    span: Span<'_>,
) -> Result<Vec<Decision>, Error> {
    let find = "SELECT decision FROM waitlist.decisions WHERE show_id = $1 AND at >= $2
                AND ($3::timestamptz IS NULL OR at <= $3) AND ($4::text IS NULL OR decision->'freed' ? $4)
                ORDER BY id DESC LIMIT $5";
    let find = client.prepare_cached(find).await?;
    let seat = span.seat.map(SeatId::as_str);
    let rows = client.query(&find, &[&show_id.as_str(), &span.from, &span.until, &seat, &span.limit]).await?;
    Ok(rows.iter().filter_map(decision).collect())
}

/// A row that another program wrote in another way is passed over.
fn decision(row: &Row) -> Option<Decision> {
    let Json(decision) = row
        .try_get::<_, Json<Decision>>(0)
        .inspect_err(|error| tracing::warn!(%error, "a decision cannot be read"))
        .ok()?;
    Some(decision)
}

/// Forgets what was decided long ago.
pub(crate) async fn forget(client: &impl GenericClient, days: i32, limit: i64) -> Result<u64, Error> {
    let forget = "DELETE FROM waitlist.decisions WHERE id IN (SELECT id FROM waitlist.decisions
                  WHERE at < clock_timestamp() - make_interval(days => $1) LIMIT $2)";
    let forget = client.prepare_cached(forget).await?;
    Ok(client.execute(&forget, &[&days, &limit]).await?)
}
