//! From the outbox to the streams.

use std::time::Duration;

use deadpool_postgres::Transaction;
use jiff::Timestamp;
use redis::Pipeline;
use tokio_postgres::Row;

use super::floor::{Floor, Seen};
use super::{Bell, Waiting};
use crate::drain::Drain;
use crate::metrics::loops::{LastSuccess, Loops};
use crate::postgres::{self, Pool};
use crate::redis::Redis;
use crate::stream;

/// Rows relayed in one transaction.
const BATCH_ROWS_MAX: i64 = 1_000;
/// Between two looks when nobody rang.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two looks however often somebody rings: what is written meanwhile is relayed together.
const PAUSE_MIN: Duration = Duration::from_millis(15);
/// Rows relayed between two sweeps of the table; Postgres by itself comes once a minute.
const SWEEP_ROWS: usize = 10_000;
/// Between two measurements of what waits.
const MEASURE_PAUSE: Duration = Duration::from_secs(5);

/// Relays the outbox of `schema` until drained. Any number of processes may run it; one at a time relays.
pub async fn relay(
    schema: &'static str,
    pool: Pool,
    redis: Redis,
    bell: Bell,
    waiting: Waiting,
    loops: Loops,
    drain: Drain,
) {
    let (relayed, measured) =
        (loops.begin("outbox_relay", PAUSE), loops.begin("outbox_measure", MEASURE_PAUSE));
    tokio::join!(
        relay_on(schema, &pool, &redis, &bell, &relayed, &drain),
        measure_on(schema, &pool, &waiting, &measured, &drain)
    );
}

async fn relay_on(
    schema: &str,
    pool: &Pool,
    redis: &Redis,
    bell: &Bell,
    last_success: &LastSuccess,
    drain: &Drain,
) {
    let (mut unswept, mut floor) = (0, Floor::default());
    while !drain.is_stopped() {
        match relay_batch(schema, pool, redis, &mut floor).await {
            Ok(None) => {}
            Ok(Some(rows)) => {
                last_success.note();
                unswept = sweep(schema, pool, unswept + rows).await;
                if rows as u64 == BATCH_ROWS_MAX.unsigned_abs() {
                    continue;
                }
            }
            Err(error) => tracing::warn!(schema, error = %format!("{error:#}"), "events wait in the outbox"),
        }
        tokio::select! {
            () = rung(bell) => {}
            going_on = drain.pause(PAUSE) => if !going_on { return },
        }
    }
}

async fn rung(bell: &Bell) {
    bell.0.notified().await;
    tokio::time::sleep(PAUSE_MIN).await;
}

/// Sweeps the table when enough was deleted; says how much is left to be swept.
async fn sweep(schema: &str, pool: &Pool, rows: usize) -> usize {
    if rows < SWEEP_ROWS {
        return rows;
    }
    let sweep = format!("VACUUM (TRUNCATE false, INDEX_CLEANUP on) {schema}.outbox");
    let swept = async { Ok::<_, postgres::Error>(pool.get().await?.batch_execute(&sweep).await?) }.await;
    if let Err(error) = swept {
        tracing::debug!(schema, %error, "the outbox was not swept");
    }
    0
}

/// How many rows were relayed; nothing while Redis is away.
async fn relay_batch(
    schema: &str,
    pool: &Pool,
    redis: &Redis,
    floor: &mut Floor,
) -> anyhow::Result<Option<usize>> {
    if !redis.available() {
        return Ok(None);
    }
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    // A deletion that is lost with the server is a repetition, which every reader is used to.
    transaction.batch_execute("SET LOCAL synchronous_commit = off").await?;
    // One relay at a time keeps the order; the others look again later.
    let lock = transaction
        .prepare_cached("SELECT pg_try_advisory_xact_lock(hashtext('marquee.outbox'), hashtext($1))")
        .await?;
    if !transaction.query_one(&lock, &[&schema]).await?.get::<_, bool>(0) {
        return Ok(Some(0));
    }
    let settled = floor.look(seen(schema, &transaction).await?);
    let due = due(schema, &transaction, floor).await?;
    if due.is_empty() {
        floor.raise(settled);
        return Ok(Some(0));
    }
    let mut pipeline = Pipeline::with_capacity(due.len());
    for row in &due {
        append(&mut pipeline, redis.prefix(), schema, row);
    }
    redis.run_all::<()>(&pipeline).await?;
    let ids: Vec<i64> = due.iter().map(|row| row.get(0)).collect();
    let delete = format!("DELETE FROM {schema}.outbox WHERE id = ANY($1)");
    transaction.execute(&transaction.prepare_cached(&delete).await?, &[&ids]).await?;
    transaction.commit().await?;
    floor.note(&ids);
    if (due.len() as u64) < BATCH_ROWS_MAX.unsigned_abs() {
        floor.raise(settled);
    }
    Ok(Some(due.len()))
}

/// What is to be relayed, in order. It is asked for by one statement, which sees one moment: who sees the later of two events sees
/// the earlier.
async fn due(
    schema: &str,
    transaction: &Transaction<'_>,
    floor: &Floor,
) -> Result<Vec<Row>, postgres::Error> {
    let due = format!(
        "SELECT id, at, type, key, told::text FROM (
            SELECT * FROM {schema}.outbox_told WHERE id = ANY($2)
            UNION ALL (SELECT * FROM {schema}.outbox_told WHERE id > $3 ORDER BY id LIMIT $1)
         ) AS due ORDER BY id LIMIT $1"
    );
    let due = transaction.prepare_cached(&due).await?;
    Ok(transaction.query(&due, &[&BATCH_ROWS_MAX, &floor.missing(), &floor.relayed()]).await?)
}

async fn seen(schema: &str, transaction: &Transaction<'_>) -> Result<Seen, postgres::Error> {
    let ask = format!(
        "SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END,
                pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint
         FROM {schema}.outbox_id_seq, pg_current_snapshot() AS s"
    );
    let row = transaction.query_one(&transaction.prepare_cached(&ask).await?, &[]).await?;
    Ok(Seen { last: row.get(0), running_from: row.get(1), next: row.get(2) })
}

fn append(pipeline: &mut Pipeline, prefix: &str, schema: &str, row: &Row) {
    let (number, at): (i64, Timestamp) = (row.get(0), row.get(1));
    let (kind, key, told): (&str, &str, &str) = (row.get(2), row.get(3), row.get(4));
    let entry = stream::Entry { kind, number, event: &enveloped(schema, number, at, told) };
    stream::append(pipeline, &stream::key(prefix, schema, stream::partition(key)), &entry);
}

/// An event with what only its outbox knows. Postgres writes JSON objects without space at the beginning, and none here is empty.
fn enveloped(schema: &str, number: i64, at: Timestamp, told: &str) -> String {
    format!(r#"{{"id":"{schema}-{number}","at":"{at}",{}"#, told.strip_prefix('{').unwrap_or(told))
}

async fn measure_on(schema: &str, pool: &Pool, waiting: &Waiting, last_success: &LastSuccess, drain: &Drain) {
    loop {
        match measure(schema, pool, waiting).await {
            Ok(()) => last_success.note(),
            Err(error) => tracing::debug!(schema, %error, "the outbox was not measured"),
        }
        if !drain.pause(MEASURE_PAUSE).await {
            return;
        }
    }
}

async fn measure(schema: &str, pool: &Pool, waiting: &Waiting) -> Result<(), postgres::Error> {
    let client = pool.get().await?;
    let measure = format!(
        "SELECT (SELECT count(*) FROM (SELECT FROM {schema}.outbox LIMIT 100000) AS counted),
                coalesce((SELECT extract(epoch FROM clock_timestamp() - at)::float8
                          FROM {schema}.outbox ORDER BY id LIMIT 1), 0)"
    );
    let row = client.query_one(&client.prepare_cached(&measure).await?, &[]).await?;
    waiting.rows.set(row.get(0));
    waiting.oldest.set(row.get(1));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_has_the_number_and_the_time() {
        let told = enveloped("shop", 7, Timestamp::UNIX_EPOCH, r#"{"type": "Sold", "data": {}}"#);
        let told: serde_json::Value = serde_json::from_str(&told).expect("an envelope is JSON");
        let whole =
            serde_json::json!({ "id": "shop-7", "at": "1970-01-01T00:00:00Z", "type": "Sold", "data": {} });
        assert_eq!(told, whole);
    }
}
