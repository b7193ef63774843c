//! How old the popular list is that this instance shows, whether or not somebody asks for it.

use std::sync::Arc;
use std::time::Duration;

use service::drain::Drain;

use crate::Catalog;

/// Between two looks; a dozen within the minute that is promised.
const PAUSE: Duration = Duration::from_secs(5);

/// Looks until drained.
pub(crate) async fn measure(catalog: Arc<Catalog>, drain: Drain) {
    let last_success = catalog.metrics.loops.begin("popular_age", PAUSE);
    loop {
        match catalog.popular.as_of().await {
            Ok(as_of) => {
                catalog.metrics.popular_as_of.set(as_of.as_microsecond() as f64 / 1e6);
                last_success.note();
            }
            Err(error) => tracing::debug!(%error, "nobody can be shown the popular list"),
        }
        if !drain.pause(PAUSE).await {
            return;
        }
    }
}
