//! Who writes: one leader at a time, by a lease in Redis.
//!
//! | key | type | lives | written by | read by |
//! | --- | --- | --- | --- | --- |
//! | `<prefix>:cache-warmer:lease` | string: the leader's token | `lease_ms` | the leader | all instances |
//!
//! A leader that freezes loses its lease to another; should it still swap a list in afterwards, the next round of the
//! other one replaces it. So the lease saves work; it protects no data.

use std::sync::LazyLock;

use redis::Script;
use service::redis::{Error, Redis};

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lease/take.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lease/release.lua")));

/// This process's claim to be the leader.
pub(crate) struct Lease {
    redis: Redis,
    key: String,
    token: String,
    milliseconds: u64,
}

impl Lease {
    pub(crate) fn new(redis: Redis, milliseconds: u64) -> Self {
        let key = format!("{}:cache-warmer:lease", redis.prefix());
        Self { redis, key, token: uuid::Uuid::new_v4().simple().to_string(), milliseconds }
    }

    /// Takes the lease when it is free, renews it when it is ours; says whether we have it.
    pub(crate) async fn take(&self) -> Result<bool, Error> {
        let mut call = TAKE.key(&self.key);
        call.arg(&self.token).arg(self.milliseconds);
        self.redis.script(&call).await
    }

    /// Gives the lease back when it is ours, so that another instance need not wait for its end.
    pub(crate) async fn release(&self) {
        let mut call = RELEASE.key(&self.key);
        call.arg(&self.token);
        if let Err(error) = self.redis.script::<()>(&call).await {
            tracing::info!(%error, "the lease was not given back and ends by itself");
        }
    }
}
