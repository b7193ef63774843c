//! One refresh: add up, count, swap. If any of it fails, the old lists stand.

use std::time::Duration;

use catalog::popular::{Refreshed, Unrefreshed, Warming};
use service::metrics::loops::now_seconds;

use crate::lease::Lease;
use crate::metrics::Metrics;
use crate::plan::Round;

/// Counts as the leader of that token, for as long as the lease is ours and the time allows.
pub(crate) async fn run(
    warming: &mut Warming,
    lease: &Lease,
    token: i64,
    timeout: Duration,
    metrics: &Metrics,
) -> Round {
    let timer = metrics.duration.start_timer();
    match lease.keep(tokio::time::timeout(timeout, warming.refresh(token))).await {
        None | Some(Ok(Err(Unrefreshed::Fenced))) => {
            timer.stop_and_discard();
            Round::Fenced
        }
        Some(Ok(Ok(refreshed))) => {
            timer.observe_duration();
            note(&refreshed, metrics);
            Round::Refreshed
        }
        Some(Ok(Err(error))) => Round::Failed(error.into()),
        Some(Err(_)) => Round::Failed(anyhow::anyhow!("the count took longer than {timeout:?}")),
    }
}

fn note(refreshed: &Refreshed, metrics: &Metrics) {
    metrics.movies.set(i64::try_from(refreshed.movies).unwrap_or(i64::MAX));
    metrics.facts.inc_by(refreshed.facts);
    metrics.lists_written.inc_by(refreshed.lists_written as u64);
    metrics.folding.observe(refreshed.folding.as_secs_f64());
    metrics.counted_at.set(refreshed.as_of.as_microsecond() as f64 / 1e6);
    metrics.succeeded_at.set(now_seconds());
}
