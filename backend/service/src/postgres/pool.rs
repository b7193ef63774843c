//! The pool of a process. It measures how long its callers wait for a connection, and none waits for a Postgres that is silent.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, PoolConfig, RecyclingMethod, Runtime, Status};
use prometheus::{Histogram, histogram_opts};

use super::Error;
use super::connecting::Connecting;
use super::pulse::Pulse;
use crate::drain::Drain;
use crate::metrics::LATENCY_BUCKETS_SECONDS;

/// A handle; clones share the connections and what is measured of them.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: deadpool_postgres::Pool,
    pulse: Pulse,
    wait: Histogram,
}

impl Pool {
    /// Nobody has waited yet.
    pub(super) fn new(limits: PoolConfig, pulse: Pulse) -> anyhow::Result<Self> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(pulse.server().clone(), Connecting(pulse.clone()), recycling);
        let connections = deadpool_postgres::Pool::builder(manager);
        let connections = connections.config(limits).runtime(Runtime::Tokio1).build()?;
        let wait = Histogram::with_opts(histogram_opts!(
            "marquee_postgres_wait_seconds",
            "Time a caller waited for a connection to Postgres: until one was free or made, or until it was given up.",
            LATENCY_BUCKETS_SECONDS.to_vec()
        ))?;
        Ok(Self { connections, pulse, wait })
    }

    /// A connection, once there is one.
    pub async fn get(&self) -> Result<Object, Error> {
        // Observes when it is dropped: who gives up has waited too.
        let _waiting = self.wait.start_timer();
        tokio::select! {
            biased;
            () = self.pulse.silence() => Err(Error::Away("it does not answer".to_owned())),
            connection = self.connections.get() => Ok(connection?),
        }
    }

    /// Begins to ask again and again, as part of `drain`, whether Postgres answers. Without that what it is asked is never given up.
    pub fn watch_over(&self, drain: &Drain) {
        let (pulse, stopping) = (self.pulse.clone(), drain.clone());
        drain.spawn(async move {
            tokio::select! {
                () = stopping.stopped() => {}
                () = pulse.keep_asking() => {}
            }
        });
    }

    /// Why it cannot serve, when Postgres did not answer the last time it was asked.
    pub fn ready(&self) -> Result<(), String> {
        if self.pulse.answers() { Ok(()) } else { Err("postgres does not answer".to_owned()) }
    }

    /// How long Postgres may be silent.
    pub(super) fn silent(&self) -> Duration {
        self.pulse.silent()
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
