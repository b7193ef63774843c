//! How long somebody may have to wait: what came free in their show lately, and who is ahead of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::GenericClient;
use domain::id::ShowId;
use domain::plan::Plan;
use domain::queue::estimate::{self, Estimate, NoEstimate};
use domain::queue::{Wish, fitting};
use jiff::SignedDuration;
use quick_cache::sync::Cache;
use service::postgres;

use crate::Waitlist;
use crate::store::{escrows, published};

/// Shows remembered at most.
const SHOWS_MAX: usize = 5_000;
/// How old what is remembered may be: an estimate is in minutes.
const AGE_MAX: Duration = Duration::from_secs(2);

/// What came free lately, by show.
#[derive(Debug)]
pub(crate) struct Estimates(Cache<ShowId, (Instant, Arc<Lately>)>);

impl Default for Estimates {
    fn default() -> Self {
        Self(Cache::new(SHOWS_MAX))
    }
}

/// What came free in one show.
#[derive(Debug)]
pub(crate) struct Lately {
    plan: Arc<Plan>,
    /// By number.
    seats: Vec<usize>,
    over: SignedDuration,
    begins_in: SignedDuration,
}

impl Lately {
    /// For somebody who needs so many seats, those of all ahead of them and their own.
    pub(crate) fn estimate(&self, wish: &Wish, seats: u64) -> Result<Estimate, NoEstimate> {
        let wanted = self.seats.iter().filter(|seat| fitting::wants(&self.plan, wish, **seat));
        let lately = estimate::Lately { freed: wanted.count(), over: self.over };
        estimate::estimate(lately, seats, self.begins_in)
    }
}

/// What came free in a show that is on the program.
pub(crate) async fn lately(
    waitlist: &Waitlist,
    client: &impl GenericClient,
    show_id: &ShowId,
) -> Result<Option<Arc<Lately>>, postgres::Error> {
    let Estimates(known) = &waitlist.estimates;
    if let Some((_, lately)) = known.get(show_id).filter(|(since, _)| since.elapsed() < AGE_MAX) {
        return Ok(Some(lately));
    }
    let Some(plan) = waitlist.houses.of(client, show_id).await? else { return Ok(None) };
    let Some(show) = published::show(client, show_id).await? else { return Ok(None) };
    let window = waitlist.config.estimate_window_seconds;
    let (freed, over) = escrows::freed_lately(client, show_id, window).await?;
    let lately = Arc::new(Lately {
        seats: freed.iter().filter_map(|seat| plan.number(seat.as_str())).collect(),
        plan,
        over,
        begins_in: show.begins_at.duration_since(show.now),
    });
    known.insert(show_id.clone(), (Instant::now(), Arc::clone(&lately)));
    Ok(Some(lately))
}
