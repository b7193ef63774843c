//! The list without Redis: counted once by this process for all its visitors, every few seconds at most.

use std::sync::Arc;
use std::time::{Duration, Instant};

use service::postgres::{Error, Pool};
use tokio::sync::Mutex;

use super::{Popular, PopularConfig, compute};

/// A list that is older than this is not shown, even while Postgres is away.
const STALE: Duration = Duration::from_mins(1);

/// The last list this process counted.
#[derive(Debug)]
pub(crate) struct Fallback {
    config: PopularConfig,
    fresh: Duration,
    // Held while counting: all others wait for that one count.
    last: Mutex<Option<(Instant, Arc<Popular>)>>,
}

impl Fallback {
    /// Nothing is counted before somebody asks.
    pub(crate) fn new(config: PopularConfig, fresh: Duration) -> Self {
        Self { config, fresh, last: Mutex::new(None) }
    }

    /// The list, counted now or a few seconds ago.
    pub(crate) async fn list(&self, pool: &Pool) -> Result<Arc<Popular>, Error> {
        let mut last = self.last.lock().await;
        if let Some((_, fresh)) = last.as_ref().filter(|(counted, _)| counted.elapsed() < self.fresh) {
            return Ok(Arc::clone(fresh));
        }
        match self.count(pool).await {
            Ok(counted) => {
                *last = Some((Instant::now(), Arc::clone(&counted)));
                Ok(counted)
            }
            Err(error) => match last.as_ref().filter(|(counted, _)| counted.elapsed() < STALE) {
                Some((_, before)) => Ok(Arc::clone(before)),
                None => Err(error),
            },
        }
    }

    async fn count(&self, pool: &Pool) -> Result<Arc<Popular>, Error> {
        let client = pool.get().await?;
        Ok(Arc::new(compute(&client, &self.config).await?))
    }
}
