//! Whether a process lives, as Postgres sees it: an advisory lock that a connection of its own holds. However the process dies,
//! its connection ends with it, and the lock is free within milliseconds, where a lease would have to run out. A process that Postgres
//! hears nothing of is gone, too, after a check and as long as Postgres may be silent itself.
//!
//! A lock that is free proves nothing of a process that was cut off from Postgres: whoever acts on it must be fenced as if a lease
//! had run out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object};
use tokio::task::AbortHandle;

use super::{Error, Pool};
use crate::metrics::loops::{LastSuccess, Loops};

/// How often the connection is asked whether it is still there, and made anew when it is not.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// SQL that is true when the process whose number is `holder`, a column or parameter, lives nowhere. Nobody has the number NULL,
/// and of that it is not true. It is to be asked within a transaction.
pub fn gone(holder: &str) -> String {
    format!("pg_try_advisory_xact_lock_shared(hashtext('marquee.presence'), {holder})")
}

/// This process, while it lives.
#[derive(Debug)]
pub struct Presence {
    number: i32,
    held: Arc<AtomicBool>,
    keeper: AbortHandle,
}

impl Presence {
    /// Begins to be present, with a connection of its own beside those of the pool.
    pub fn start(pool: Pool, loops: &Loops) -> Self {
        let (number, held) = (rand::random(), Arc::new(AtomicBool::new(false)));
        let last_success = loops.begin("presence", CHECK_EVERY);
        let keeper = tokio::spawn(keep(pool, number, held.clone(), last_success)).abort_handle();
        Self { number, held, keeper }
    }

    /// The number by which others can tell that it lives; none while they could not.
    pub fn number(&self) -> Option<i32> {
        self.held.load(Ordering::Relaxed).then_some(self.number)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

async fn keep(pool: Pool, number: i32, held: Arc<AtomicBool>, last_success: LastSuccess) {
    loop {
        match hold(&pool, number).await {
            Ok(client) => {
                held.store(true, Ordering::Relaxed);
                while client.simple_query("").await.is_ok() {
                    last_success.note();
                    tokio::time::sleep(CHECK_EVERY).await;
                }
                held.store(false, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(%error, "not present in Postgres; leases run out instead"),
        }
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

async fn hold(pool: &Pool, number: i32) -> Result<ClientWrapper, Error> {
    let client = Object::take(pool.get().await?);
    let idle_ms = (CHECK_EVERY + pool.silent()).as_millis();
    client.batch_execute(&format!("SET idle_session_timeout = {idle_ms}")).await?;
    let lock = "SELECT pg_advisory_lock(hashtext('marquee.presence'), $1)";
    client.execute(lock, &[&number]).await?;
    Ok(client)
}
