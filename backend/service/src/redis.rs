//! Redis: one multiplexed connection that is either there or known to be away.
//!
//! Redis may vanish, freeze or come back empty at any time. A caller is told at once that it is away and goes on without
//! it; only the keeper task pays for finding out when it is back.

mod calls;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, ScriptInvocation};
use serde::Deserialize;
use tokio::sync::watch;
use tracing::{Instrument, Span};

use crate::config::Validate;
use crate::drain::Drain;
use crate::secret::Secret;
use crate::traces;

use self::calls::{Calls, Operation};

/// Between two attempts to reach a Redis that is away, and two looks at one that is there.
const PROBE_PAUSE: Duration = Duration::from_millis(200);

/// How to reach Redis.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisConfig {
    /// The server's URL (`REDIS_URL`).
    pub url: Secret,
    /// Put before every key and channel, so that several Marquees can share a server.
    pub prefix: String,
    /// How long a command may take before Redis counts as away.
    pub timeout_ms: u64,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self { url: Secret::default(), prefix: "marquee".to_owned(), timeout_ms: 500 }
    }
}

impl Validate for RedisConfig {
    fn validate(&self) -> Result<(), String> {
        if self.timeout_ms == 0 {
            return Err("`redis.timeout_ms` must be at least 1".to_owned());
        }
        if self.prefix.is_empty() {
            return Err("`redis.prefix` must not be empty: it tells our keys from others'".to_owned());
        }
        Ok(())
    }
}

/// What went wrong with Redis.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or does not answer in time.
    #[error("redis is away")]
    Away,
    /// It answered that the command is wrong.
    #[error("redis refused a command")]
    Refused(#[source] RedisError),
}

/// A handle; clones share the connection.
#[derive(Clone)]
pub struct Redis {
    client: Client,
    connecting: AsyncConnectionConfig,
    connection: Arc<ArcSwapOption<MultiplexedConnection>>,
    available: Arc<watch::Sender<bool>>,
    calls: Arc<Calls>,
    prefix: Arc<str>,
}

impl Redis {
    /// Prepares the handle and tries once to connect; the keeper goes on trying as part of `drain`.
    pub async fn start(config: &RedisConfig, drain: &Drain) -> anyhow::Result<Self> {
        anyhow::ensure!(!config.url.is_empty(), "no Redis is named: set REDIS_URL or `redis.url`");
        let client = Client::open(config.url.reveal()).map_err(|error| {
            anyhow::anyhow!("the Redis URL is wrong: {error}; write redis://USER:PASSWORD@HOST:PORT")
        })?;
        let timeout = Some(Duration::from_millis(config.timeout_ms));
        let redis = Self {
            client,
            connecting: AsyncConnectionConfig::new()
                .set_connection_timeout(timeout)
                .set_response_timeout(timeout),
            connection: Arc::default(),
            available: Arc::new(watch::channel(false).0),
            calls: Arc::new(Calls::new()?),
            prefix: config.prefix.as_str().into(),
        };
        redis.look().await;
        let keeper = (redis.clone(), drain.clone());
        drain.spawn(async move {
            let (redis, drain) = keeper;
            while drain.pause(PROBE_PAUSE).await {
                redis.look().await;
            }
        });
        Ok(redis)
    }

    /// What stands before every key and channel of this Marquee.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether Redis answered the last time it was asked.
    pub fn available(&self) -> bool {
        *self.available.borrow()
    }

    /// Tells when Redis goes and when it is back.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.available.subscribe()
    }

    /// Runs one command.
    pub async fn run<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Error> {
        let connection = self.connection()?;
        let mut client = connection.as_ref().clone();
        self.called(Operation::Command, &connection, command.query_async(&mut client)).await
    }

    /// Runs several commands in one round trip.
    pub async fn run_all<T: redis::FromRedisValue>(&self, pipeline: &redis::Pipeline) -> Result<T, Error> {
        let connection = self.connection()?;
        let mut client = connection.as_ref().clone();
        self.called(Operation::Pipeline, &connection, pipeline.query_async(&mut client)).await
    }

    /// Runs a script, loading it when Redis does not have it.
    pub async fn script<T: redis::FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Error> {
        let connection = self.connection()?;
        let mut client = connection.as_ref().clone();
        self.called(Operation::Script, &connection, script.invoke_async(&mut client)).await
    }

    /// A connection of its own for subscriptions.
    pub async fn subscriber(&self) -> Result<redis::aio::PubSub, Error> {
        let connecting = self.client.get_async_pubsub();
        let timeout = Duration::from_secs(1);
        match tokio::time::timeout(timeout, connecting).await {
            Ok(connected) => connected.map_err(sorted),
            Err(_) => Err(Error::Away),
        }
    }

    /// A connection of its own for commands that block.
    pub async fn blocking(&self, block_ms_max: u64) -> Result<MultiplexedConnection, Error> {
        let timeout = Some(Duration::from_millis(block_ms_max + 1_000));
        let connecting = self.connecting.clone().set_response_timeout(timeout);
        self.client.get_multiplexed_async_connection_with_config(&connecting).await.map_err(sorted)
    }

    /// What was called, how long it took and how often it failed.
    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    fn connection(&self) -> Result<Arc<MultiplexedConnection>, Error> {
        self.connection.load_full().ok_or_else(|| self.calls.failed(Error::Away))
    }

    /// One round trip: traced, measured, and noticed when it fails.
    async fn called<T>(
        &self,
        operation: Operation,
        connection: &Arc<MultiplexedConnection>,
        call: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, Error> {
        // Observes when it is dropped: a call that its caller gave up has taken its time too.
        let timer = self.calls.took(operation).start_timer();
        let outcome = call.instrument(span(operation.as_str())).await;
        drop(timer);
        outcome.map_err(|error| {
            let away = is_away(&error);
            self.calls.failed(if away { self.lost(Some(connection), &error) } else { sorted(error) })
        })
    }

    /// Gives a connection up, unless another one has taken its place: a late error says nothing about that.
    fn lost(&self, connection: Option<&Arc<MultiplexedConnection>>, error: &RedisError) -> Error {
        let present = self.connection.load_full();
        let same = match (&present, connection) {
            (Some(present), Some(connection)) => Arc::ptr_eq(present, connection),
            (None, _) => true,
            (Some(_), None) => false,
        };
        if same {
            self.connection.store(None);
            if self.available.send_replace(false) {
                tracing::warn!(%error, "redis is away");
            }
        }
        Error::Away
    }

    /// One look: connects when there is no connection, pings when there is one.
    async fn look(&self) {
        let present = self.connection.load_full();
        let outcome = match &present {
            Some(connection) => redis::cmd("PING").query_async::<()>(&mut connection.as_ref().clone()).await,
            None => self.connect().await,
        };
        match outcome {
            Ok(()) if !self.available.send_replace(true) => tracing::info!("redis is there"),
            Ok(()) => {}
            Err(error) => drop(self.lost(present.as_ref(), &error)),
        }
    }

    async fn connect(&self) -> Result<(), RedisError> {
        let mut connection =
            self.client.get_multiplexed_async_connection_with_config(&self.connecting).await?;
        redis::cmd("PING").query_async::<()>(&mut connection).await?;
        self.connection.store(Some(Arc::new(connection)));
        Ok(())
    }
}

/// What is done there, for traces.
fn span(operation: &'static str) -> Span {
    tracing::debug_span!(
        target: traces::TARGET,
        "redis",
        otel.name = format!("redis {operation}"),
        otel.kind = "client",
        db.system.name = "redis",
        db.operation.name = operation
    )
}

fn sorted(error: RedisError) -> Error {
    if is_away(&error) { Error::Away } else { Error::Refused(error) }
}

/// Loading, read-only replicas and full memory count as away too: going on without Redis is right for all of them.
fn is_away(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || matches!(
            error.code(),
            Some("LOADING" | "READONLY" | "OOM" | "MASTERDOWN" | "CLUSTERDOWN" | "MISCONF" | "BUSY")
        )
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Redis").field("available", &self.available()).finish_non_exhaustive()
    }
}
