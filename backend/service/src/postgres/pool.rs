//! The pool of a process, which measures how long its callers wait for a connection.

use deadpool_postgres::{Object, PoolError, Status};
use prometheus::{Histogram, histogram_opts};

use crate::metrics::LATENCY_BUCKETS_SECONDS;

/// A handle; clones share the connections and what is measured of them.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: deadpool_postgres::Pool,
    wait: Histogram,
}

impl Pool {
    /// Nobody has waited yet.
    pub(super) fn new(connections: deadpool_postgres::Pool) -> prometheus::Result<Self> {
        let wait = Histogram::with_opts(histogram_opts!(
            "marquee_postgres_wait_seconds",
            "Time a caller waited for a connection to Postgres: until one was free or made, or until it was given up.",
            LATENCY_BUCKETS_SECONDS.to_vec()
        ))?;
        Ok(Self { connections, wait })
    }

    /// A connection, once there is one.
    pub async fn get(&self) -> Result<Object, PoolError> {
        // Observes when it is dropped: who gives up has waited too.
        let _waiting = self.wait.start_timer();
        self.connections.get().await
    }

    /// How many connections there are, and how many wait for one.
    pub fn status(&self) -> Status {
        self.connections.status()
    }

    /// How long callers waited.
    pub(crate) fn wait(&self) -> &Histogram {
        &self.wait
    }
}
