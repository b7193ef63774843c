//! One refresh: count, then swap. If either fails, the old list stands.

use std::time::Duration;

use catalog::popular::{self, PopularConfig};
use service::postgres::{self, Pool};
use service::redis::Redis;

use crate::config::Config;
use crate::metrics::{self, Metrics};

/// What a refresh needs.
pub(crate) struct Refresh {
    pool: Pool,
    redis: Redis,
    config: PopularConfig,
    timeout: Duration,
}

impl Refresh {
    pub(crate) fn new(pool: Pool, redis: Redis, config: &Config) -> Self {
        let timeout = Duration::from_millis(config.refresh_timeout_ms);
        Self { pool, redis, config: config.popular.clone(), timeout }
    }

    /// Counts the list and puts it in the place of the old one.
    pub(crate) async fn run(&self, metrics: &Metrics) -> anyhow::Result<()> {
        let timer = metrics.duration.start_timer();
        let size = tokio::time::timeout(self.timeout, self.count_and_swap())
            .await
            .map_err(|_| anyhow::anyhow!("the count took longer than {:?}", self.timeout))??;
        timer.observe_duration();
        metrics.movies.set(i64::try_from(size).unwrap_or(i64::MAX));
        metrics.succeeded_at.set(metrics::now_seconds());
        Ok(())
    }

    async fn count_and_swap(&self) -> anyhow::Result<usize> {
        let client = self.pool.get().await.map_err(postgres::Error::from)?;
        let list = popular::compute(&client, &self.config).await?;
        popular::swap(&self.redis, &list).await?;
        Ok(list.movies.len())
    }
}
