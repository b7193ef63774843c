//! `reservations.idempotency`: the first answer to each key, kept for 24 hours.

use std::time::Duration;

use deadpool_postgres::GenericClient;
use domain::id::SessionId;
use serde_json::Value;
use service::postgres::Connection;
use tokio_postgres::types::ToSql;

use super::Result;

/// How long an answer is kept.
const KEPT_HOURS: f64 = 24.0;
/// Answers dropped by one statement.
const SWEPT_AT_ONCE: i64 = 2_000;

/// What is known of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Known {
    /// Nothing: the caller is first and must [`finish`] or [`forget`] with this lease.
    Fresh(Lease),
    /// It was answered.
    Answered(u16, Value),
    /// Somebody is at it.
    UnderWay,
    /// It was used for something else.
    Different,
}

/// The right to answer a key, until it runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease(String);

/// Takes a key for the length of `lease`. A taker whose lease ran out is thought dead, and the next one takes over.
pub async fn begin(
    client: &Connection,
    session: &SessionId,
    key: &str,
    fingerprint: &str,
    lease: Duration,
) -> Result<Known> {
    let begin = client
        .prepare_cached(
            "INSERT INTO reservations.idempotency AS i (session_id, key, fingerprint, lease_until, lease)
             VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 second', $5)
             ON CONFLICT (session_id, key) DO UPDATE SET lease_until = excluded.lease_until, lease = excluded.lease
                WHERE i.status IS NULL AND i.fingerprint = excluded.fingerprint AND i.lease_until <= clock_timestamp()
             RETURNING key",
        )
        .await?;
    let mine = crate::names::fresh("lease");
    let parameters: [&(dyn ToSql + Sync); 5] =
        [&session.as_str(), &key, &fingerprint, &lease.as_secs_f64(), &mine];
    if client.query_opt(&begin, &parameters).await?.is_some() {
        return Ok(Known::Fresh(Lease(mine)));
    }
    let find =
        "SELECT fingerprint, status, body FROM reservations.idempotency WHERE session_id = $1 AND key = $2";
    let find = client.prepare_cached(find).await?;
    let Some(row) = client.query_opt(&find, &[&session.as_str(), &key]).await? else {
        return Ok(Known::UnderWay);
    };
    if row.get::<_, String>("fingerprint") != fingerprint {
        return Ok(Known::Different);
    }
    Ok(match (row.get::<_, Option<i32>>("status"), row.get::<_, Option<Value>>("body")) {
        (Some(status), Some(body)) => Known::Answered(u16::try_from(status).unwrap_or(500), body),
        _ => Known::UnderWay,
    })
}

/// Keeps the first answer.
pub async fn finish(
    client: &impl GenericClient,
    session: &SessionId,
    key: &str,
    status: u16,
    body: &Value,
) -> Result<()> {
    let finish = "UPDATE reservations.idempotency SET status = $3, body = $4
                  WHERE session_id = $1 AND key = $2 AND status IS NULL";
    client.execute(finish, &[&session.as_str(), &key, &i32::from(status), body]).await?;
    Ok(())
}

/// Gives the key back: nothing was done. Who took over after the lease ran out keeps it.
pub async fn forget(client: &Connection, session: &SessionId, key: &str, lease: &Lease) -> Result<()> {
    let forget = "DELETE FROM reservations.idempotency
                  WHERE session_id = $1 AND key = $2 AND lease = $3 AND status IS NULL";
    client.execute(&client.prepare_cached(forget).await?, &[&session.as_str(), &key, &lease.0]).await?;
    Ok(())
}

/// Drops answers that are old enough, so many at a time that one statement is never long.
pub async fn sweep(client: &Connection) -> Result<u64> {
    let sweep = "DELETE FROM reservations.idempotency WHERE (session_id, key) IN
                 (SELECT session_id, key FROM reservations.idempotency
                  WHERE created_at < clock_timestamp() - $1 * interval '1 hour' ORDER BY created_at LIMIT $2)";
    let mut dropped = 0;
    loop {
        let rows = client.execute(sweep, &[&KEPT_HOURS, &SWEPT_AT_ONCE]).await?;
        dropped += rows;
        if rows < SWEPT_AT_ONCE.unsigned_abs() {
            return Ok(dropped);
        }
    }
}
