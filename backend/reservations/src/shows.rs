//! The shows this process knows, from the catalog's view. What is in memory serves on while Postgres is away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::ShowId;
use quick_cache::sync::Cache;
use service::postgres::{self, Pool};

use crate::error::Error;
use crate::lookups::Lookups;
use crate::store::shows::{self, Show};

/// Shows remembered at most.
pub const SHOWS_MAX: usize = 20_000;
/// How long a show is believed without asking the catalog's view again.
const SHOW_AGE_MAX: Duration = Duration::from_secs(30);

/// What is known, and who waits to know.
#[derive(Debug)]
pub struct Shows {
    known: Cache<ShowId, (Instant, Arc<Show>)>,
    lookups: Lookups<ShowId, Result<Arc<Show>, postgres::Error>>,
}

impl Default for Shows {
    fn default() -> Self {
        Self { known: Cache::new(SHOWS_MAX), lookups: Lookups::default() }
    }
}

impl Shows {
    /// A show.
    pub async fn find(&self, pool: &Pool, id: &ShowId) -> Result<Arc<Show>, Error> {
        if let Some(show) = self.fresh(id) {
            return Ok(show);
        }
        let found = self.lookups.find(id, |ids| self.look_up(pool, ids)).await;
        match (found.and_then(Option::transpose), self.known.get(id)) {
            (Ok(found), _) => found.ok_or(Error::ShowNotFound),
            (Err(postgres::Error::Away(_) | postgres::Error::Again(_)), Some((_, show))) => Ok(show),
            (Err(error), _) => Err(error.into()),
        }
    }

    fn fresh(&self, id: &ShowId) -> Option<Arc<Show>> {
        self.known.get(id).filter(|(since, _)| since.elapsed() < SHOW_AGE_MAX).map(|(_, show)| show)
    }

    async fn look_up(
        &self,
        pool: &Pool,
        ids: Vec<ShowId>,
    ) -> Result<HashMap<ShowId, Result<Arc<Show>, postgres::Error>>, postgres::Error> {
        // The question before this one may have found them.
        let (mut found, mut wanted) = (HashMap::new(), Vec::new());
        for id in &ids {
            match self.fresh(id) {
                Some(show) => drop(found.insert(id.clone(), Ok(show))),
                None => wanted.push(id.as_str()),
            }
        }
        if wanted.is_empty() {
            return Ok(found);
        }
        for (id, show) in shows::find(&pool.get().await?, &wanted).await? {
            let show = show.map(Arc::new);
            if let Ok(show) = &show {
                self.known.insert(id.clone(), (Instant::now(), Arc::clone(show)));
            }
            found.insert(id, show);
        }
        Ok(found)
    }
}
