//! Events that must not be lost: written with the change they tell of, then relayed to Redis.
//!
//! Each owner's schema has a table `outbox(id bigint, event jsonb)` whose rows [`put`] writes in the owner's own transaction.
//! The relay appends them to the owner's stream in order of id (at least once, with that id as their number), and deletes
//! them. While Redis is away they wait.

use std::sync::Arc;
use std::time::Duration;

use redis::Pipeline;
use serde::Serialize;
use tokio::sync::Notify;
use tokio_postgres::types::Json;

use crate::drain::Drain;
use crate::postgres::{self, Pool};
use crate::redis::Redis;
use crate::stream;

/// Rows relayed in one transaction.
const BATCH_ROWS_MAX: i64 = 500;
/// Between two looks when nobody rang.
const PAUSE: Duration = Duration::from_millis(250);

/// Rings the relay of this process, so that an event leaves as soon as it is committed.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Something was committed.
    pub fn ring(&self) {
        self.0.notify_one();
    }
}

/// Writes one event in the caller's transaction.
pub async fn put(
    transaction: &deadpool_postgres::Transaction<'_>,
    schema: &str,
    event: &(impl Serialize + std::fmt::Debug + Sync),
) -> Result<(), postgres::Error> {
    let insert =
        transaction.prepare_cached(&format!("INSERT INTO {schema}.outbox (event) VALUES ($1)")).await?;
    transaction.execute(&insert, &[&Json(event)]).await?;
    Ok(())
}

/// Relays the outbox of `schema` until drained. Any number of processes may run it; one at a time relays.
pub async fn relay(schema: &'static str, pool: Pool, redis: Redis, bell: Bell, drain: Drain) {
    while !drain.is_stopped() {
        match relay_batch(schema, &pool, &redis).await {
            Ok(rows) if rows == BATCH_ROWS_MAX.unsigned_abs() => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(schema, error = %format!("{error:#}"), "events wait in the outbox"),
        }
        tokio::select! {
            () = bell.0.notified() => {}
            going_on = drain.pause(PAUSE) => if !going_on { return },
        }
    }
}

async fn relay_batch(schema: &str, pool: &Pool, redis: &Redis) -> anyhow::Result<u64> {
    if !redis.available() {
        return Ok(0);
    }
    let mut client = pool.get().await.map_err(postgres::Error::from)?;
    let transaction = client.transaction().await?;
    // One relay at a time keeps the order; the others look again later.
    let lock = transaction
        .prepare_cached("SELECT pg_try_advisory_xact_lock(hashtext('marquee.outbox'), hashtext($1))")
        .await?;
    if !transaction.query_one(&lock, &[&schema]).await?.get::<_, bool>(0) {
        return Ok(0);
    }
    let take = format!(
        "WITH due AS (SELECT id FROM {schema}.outbox ORDER BY id LIMIT $1)
         DELETE FROM {schema}.outbox AS o USING due WHERE o.id = due.id RETURNING o.id, o.event::text"
    );
    let take = transaction.prepare_cached(&take).await?;
    let mut rows = transaction.query(&take, &[&BATCH_ROWS_MAX]).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    rows.sort_by_key(|row| row.get::<_, i64>(0));
    let mut pipeline = Pipeline::new();
    for row in &rows {
        stream::append(&mut pipeline, redis.prefix(), schema, row.get(0), row.get(1));
    }
    redis.run_all::<()>(&pipeline).await?;
    transaction.commit().await?;
    Ok(rows.len() as u64)
}
