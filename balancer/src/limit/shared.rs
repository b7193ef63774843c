//! One bucket per client for all balancers together, in Redis. Redis may be away, frozen or slow at any time: then there is no
//! answer from here, within a few milliseconds, and the balancer's own bucket decides alone.
//!
//! The connection is a circuit. A call that fails opens it, and nobody asks until a keeper task has reached Redis again;
//! so a dead Redis costs the deadline of the calls that were on their way, not of every request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::rate::Quota;

/// Longest wait for Redis by a request.
const ANSWER_MAX: Duration = Duration::from_millis(5);
/// Longest wait for a connection, by the keeper.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Between two attempts to reach it again.
const PAUSE: Duration = Duration::from_millis(500);
/// Before every key; then come the limit's name and the client.
const PREFIX: &str = "marquee:balancer:limit";

/// The buckets of all balancers.
pub struct Shared {
    circuit: Arc<Circuit>,
    script: Script,
    /// Started by the first request, on the runtime that serves it.
    keeper: OnceLock<JoinSet<()>>,
}

struct Circuit {
    client: Client,
    closed: ArcSwapOption<Connection>,
    broken: Notify,
    connections: AtomicU64,
}

struct Connection {
    number: u64,
    redis: MultiplexedConnection,
}

impl Shared {
    /// Nothing is connected yet.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        let circuit = Circuit {
            client: Client::open(url)?,
            closed: ArcSwapOption::empty(),
            broken: Notify::new(),
            connections: AtomicU64::new(0),
        };
        Ok(Self {
            circuit: Arc::new(circuit),
            script: Script::new(include_str!("take.lua")),
            keeper: OnceLock::new(),
        })
    }

    /// Takes a token of this client; how long to wait when it has none; nothing when Redis has no say.
    pub async fn take(&self, limit: &str, client: &str, quota: Quota) -> Option<Result<(), Duration>> {
        self.keeper.get_or_init(|| keeper(self.circuit.clone()));
        let connection = self.circuit.closed.load_full()?;
        let mut call = self.script.key(format!("{PREFIX}:{limit}:{client}"));
        call.arg(microseconds(quota.interval)).arg(microseconds(quota.refill));
        let mut redis = connection.redis.clone();
        match tokio::time::timeout(ANSWER_MAX, call.invoke_async::<u64>(&mut redis)).await {
            Ok(Ok(0)) => Some(Ok(())),
            Ok(Ok(wait)) => Some(Err(Duration::from_micros(wait))),
            Ok(Err(error)) => self.circuit.open(connection.number, &error),
            Err(elapsed) => self.circuit.open(connection.number, &elapsed),
        }
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn keeper(circuit: Arc<Circuit>) -> JoinSet<()> {
    let mut keeper = JoinSet::new();
    keeper.spawn(async move { circuit.keep().await });
    keeper
}

impl Circuit {
    /// Away, there, broken, and away again.
    async fn keep(&self) {
        loop {
            let redis = self.reach().await;
            let number = self.connections.fetch_add(1, Ordering::Relaxed);
            self.closed.store(Some(Arc::new(Connection { number, redis })));
            tracing::info!("rate limits are shared: redis is there");
            while self.closed.load().is_some() {
                self.broken.notified().await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn reach(&self) -> MultiplexedConnection {
        loop {
            match self.connect().await {
                Ok(redis) => return redis,
                Err(error) => tracing::debug!(%error, "redis is away"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A frozen server accepts connections too, so it must have answered something.
    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let deadlines = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(CONNECT_MAX));
        let mut redis = self.client.get_multiplexed_async_connection_with_config(&deadlines).await?;
        redis::cmd("PING").query_async::<()>(&mut redis).await?;
        Ok(redis)
    }

    /// A late failure of an earlier connection says nothing about this one.
    fn open<T>(&self, number: u64, error: &dyn std::error::Error) -> Option<T> {
        let before = self.closed.rcu(|current| current.clone().filter(|current| current.number != number));
        if before.is_some_and(|before| before.number == number) {
            tracing::warn!(error = error.to_string(), "rate limits are local: redis is away");
            self.broken.notify_one();
        }
        None
    }
}
