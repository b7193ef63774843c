//! Who writes: one leader at a time, by a lease in Redis. The key is the popular list's ([`catalog::popular::lease_key`]).
//!
//! The lease holds the leader's fencing token, which Postgres gives and which only grows, even when Redis is emptied. A leader
//! that freezes loses its lease to another, and what it still writes afterwards is refused: Postgres knows the last token, and the
//! swap compares its own with the lease. Who lost a lease, or finds it gone, leads again under a new token only.

use std::pin::pin;
use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;
use service::redis::{Error, Redis};

static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lease/renew.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lease/release.lua")));

/// How often a lease is renewed while it lasts.
const RENEWALS: u32 = 3;

/// This process's claim to be the leader.
pub(crate) struct Lease {
    redis: Redis,
    key: String,
    lasts: Duration,
    token: Option<i64>,
}

/// Whose a lease is.
enum Holder {
    Us,
    Another,
    Nobody,
}

impl Lease {
    pub(crate) fn new(redis: Redis, milliseconds: u64) -> Self {
        let key = catalog::popular::lease_key(redis.prefix());
        Self { redis, key, lasts: Duration::from_millis(milliseconds), token: None }
    }

    /// Renews the lease when it is ours, and takes it with a fresh token when it is free. The token, when we lead.
    pub(crate) async fn take<E>(
        &mut self,
        fresh: impl AsyncFnOnce() -> Result<i64, E>,
    ) -> anyhow::Result<Option<i64>>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        match self.holder().await? {
            Holder::Us => return Ok(self.token),
            Holder::Another => {
                self.token = None;
                return Ok(None);
            }
            Holder::Nobody => self.token = None,
        }
        let token = fresh().await?;
        let mut set = redis::cmd("SET");
        set.arg(&self.key).arg(token).arg("NX").arg("PX").arg(self.milliseconds());
        let answer: Option<String> = self.redis.run(&set).await?;
        self.token = answer.map(|_| token);
        Ok(self.token)
    }

    /// Works as long as the lease is ours, renewing it; nothing when it was lost meanwhile.
    pub(crate) async fn keep<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                () = tokio::time::sleep(self.lasts / RENEWALS) => {}
            }
            // While Redis is away nobody else can take it; what we write is compared with it at the end.
            if let Ok(Holder::Another | Holder::Nobody) = self.holder().await {
                return None;
            }
        }
    }

    /// Gives the lease back when it is ours, so that another instance need not wait for its end.
    pub(crate) async fn release(&self) {
        let Some(token) = self.token else { return };
        let mut call = RELEASE.key(&self.key);
        call.arg(token);
        if let Err(error) = self.redis.script::<()>(&call).await {
            tracing::info!(%error, "the lease was not given back and ends by itself");
        }
    }

    /// Renews it on the way.
    async fn holder(&self) -> Result<Holder, Error> {
        let mut call = RENEW.key(&self.key);
        call.arg(self.token.unwrap_or_default()).arg(self.milliseconds());
        Ok(match self.redis.script(&call).await? {
            1 => Holder::Us,
            0 => Holder::Another,
            _ => Holder::Nobody,
        })
    }

    fn milliseconds(&self) -> u64 {
        self.lasts.as_millis() as u64
    }
}
