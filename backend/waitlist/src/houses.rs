//! The seat maps of shows, made ready for choosing. They never change, so each is read once.

use std::sync::Arc;

use deadpool_postgres::GenericClient;
use domain::id::ShowId;
use domain::plan::Plan;
use quick_cache::sync::Cache;
use service::postgres;

use crate::store::published;

/// Shows remembered at most.
const SHOWS_MAX: usize = 5_000;

/// What was read so far.
#[derive(Debug)]
pub(crate) struct Houses(Cache<ShowId, Arc<Plan>>);

impl Default for Houses {
    fn default() -> Self {
        Self(Cache::new(SHOWS_MAX))
    }
}

impl Houses {
    /// The places of a show that were asked for before.
    pub(crate) fn known(&self, show_id: &ShowId) -> Option<Arc<Plan>> {
        self.0.get(show_id)
    }

    /// The places of a show, as long as it is on the program or was a moment ago.
    pub(crate) async fn of(
        &self,
        client: &impl GenericClient,
        show_id: &ShowId,
    ) -> Result<Option<Arc<Plan>>, postgres::Error> {
        if let Some(plan) = self.known(show_id) {
            return Ok(Some(plan));
        }
        let Some(map) = published::seat_map(client, show_id).await? else { return Ok(None) };
        let plan = Arc::new(Plan::of(&map));
        self.0.insert(show_id.clone(), Arc::clone(&plan));
        Ok(Some(plan))
    }
}
