//! Events that must not be lost: written with the change they tell of, then relayed to Redis.
//!
//! Each owner's schema has a table `outbox(id bigint, at timestamptz, event jsonb)` whose rows [`put_all`] writes in the owner's
//! own transaction, and a view `outbox_told(id, at, type, key, told)` of the same rows, `told` being the event as it is to be read
//! now and `key` what its order is kept by. The relay appends them to the owner's streams in order of id (at least once, with that
//! id as their number), and deletes them. While Redis is away they wait.
//!
//! What is promised of their order: ids are given as events are written. Who writes an event while it has the row locked that the
//! event is about has an id above those of all who had the lock before, and these are committed, so that no relay sees the later
//! without the earlier. Events of one key are in one stream, so there they stand in that order. Of transactions that do not wait
//! for each other nothing is promised.

mod floor;
mod relay;

pub use relay::relay;

use std::fmt::Debug;
use std::sync::Arc;

use prometheus::{Gauge, IntGauge, Registry};
use serde::Serialize;
use tokio::sync::Notify;
use tokio_postgres::types::Json;

use crate::metrics::register;
use crate::postgres;

/// Rings the relay of this process, so that an event leaves as soon as it is committed. What nobody waits for needs no ring.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Something was committed.
    pub fn ring(&self) {
        self.0.notify_one();
    }
}

/// How much waits in an outbox; every process of its owner sees the same.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Rows, counted up to a bound.
    rows: IntGauge,
    /// The age of the first.
    oldest: Gauge,
}

impl Waiting {
    /// Registers both for a program.
    pub fn new(registry: &Registry, program: &str) -> Self {
        let rows = format!("marquee_{program}_outbox_rows");
        let oldest = format!("marquee_{program}_outbox_oldest_seconds");
        let rows = IntGauge::new(rows, "Events that wait in the outbox, counted up to 100000.");
        let oldest = Gauge::new(oldest, "Age of the first event that waits in the outbox; 0 when none does.");
        Self { rows: register(registry, rows), oldest: register(registry, oldest) }
    }
}

/// Writes one event in the caller's transaction.
pub async fn put<E: Serialize + Debug + Sync>(
    transaction: &deadpool_postgres::Transaction<'_>,
    schema: &str,
    event: &E,
) -> Result<(), postgres::Error> {
    put_all(transaction, schema, std::slice::from_ref(event)).await
}

/// Writes events in the caller's transaction, in their order, by one statement.
pub async fn put_all<E: Serialize + Debug + Sync>(
    transaction: &deadpool_postgres::Transaction<'_>,
    schema: &str,
    events: &[E],
) -> Result<(), postgres::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let insert = format!(
        "INSERT INTO {schema}.outbox (event)
         SELECT event FROM unnest($1::jsonb[]) WITH ORDINALITY AS given (event, place) ORDER BY place"
    );
    let events: Vec<_> = events.iter().map(Json).collect();
    transaction.execute(&transaction.prepare_cached(&insert).await?, &[&events]).await?;
    Ok(())
}
