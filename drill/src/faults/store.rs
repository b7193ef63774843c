//! Faults inside Postgres and Redis. Their processes are [`super::process`]'s.

use anyhow::{Context, Result, ensure};
use tokio_postgres::NoTls;

use crate::fleet::{Fleet, until};
use crate::stores;

/// Ends the sessions of these programs that are in a transaction.
const END_TRANSACTIONS: &str = "
    SELECT application_name, pg_terminate_backend(pid)
      FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND datname = current_database()
       AND application_name = ANY ($1)
       AND xact_start IS NOT NULL AND state <> 'idle'";

/// Who has sessions to lose.
const PROGRAMS: [&str; 4] = ["catalog", "reservations", "waitlist", "cache-warmer"];

/// Ends every session that is in a transaction just now; waits for one. Says whose they were.
pub(super) async fn end_transactions(fleet: &Fleet) -> Result<String> {
    let (client, connection) = tokio_postgres::connect(fleet.variable("DATABASE_URL")?, NoTls)
        .await
        .context("Postgres cannot be reached")?;
    let driver = tokio::spawn(connection);
    let ended = until("a service to be in a transaction", async || {
        let ended = client.query(END_TRANSACTIONS, &[&PROGRAMS.as_slice()]).await?;
        let names: Vec<String> = ended.iter().map(|row| row.get(0)).collect();
        Ok((!names.is_empty()).then_some(names))
    })
    .await;
    driver.abort();
    Ok(format!("sessions of {}", ended?.join(", ")))
}

/// Empties Redis.
pub(super) async fn flush(fleet: &Fleet) -> Result<String> {
    let mut redis = stores::redis(fleet.variable("REDIS_URL")?).await?;
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut redis).await?;
    redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await?;
    Ok(format!("{keys} keys"))
}

/// Disconnects everybody who is subscribed.
pub(super) async fn drop_subscribers(fleet: &Fleet) -> Result<String> {
    let mut redis = stores::redis(fleet.variable("REDIS_URL")?).await?;
    let dropped: u64 =
        redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").query_async(&mut redis).await?;
    ensure!(dropped > 0, "nobody was subscribed");
    Ok(format!("{dropped} subscribers"))
}
