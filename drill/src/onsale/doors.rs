//! Letting buyers in, each at their own time: nobody's answer delays the next one's arrival.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::choices::{Choices, Draw, Kind};
use super::sale::{Counted, Sale};
use super::visit::Visit;
use super::{person, robot};
use crate::arrivals;
use crate::history::What;

/// Lets everybody in as planned, or until there have been enough, and returns when the last one is gone.
pub(super) async fn let_in(sale: &Arc<Sale>, enough: impl Future<Output = ()>) -> Result<()> {
    let mut enough = pin!(enough);
    let (began, began_at) = (Instant::now(), sale.recorder.now());
    let draw = Draw::new(&sale.plan, sale.program.shows.len());
    let places = Arc::new(Semaphore::new(sale.plan.buyers_open_max));
    let mut inside = JoinSet::new();
    for (number, after) in (1..).zip(arrivals::times(&sale.plan)) {
        tokio::select! {
            () = sleep_until(began + after) => {}
            () = &mut enough => break,
        }
        let place = Arc::clone(&places).try_acquire_owned().ok();
        note(sale, number, began_at + after.as_nanos() as u64, place.is_some());
        if let Some(place) = place {
            inside.spawn(visit(Arc::clone(sale), number, draw.of(number), place));
        }
        while let Some(gone) = inside.try_join_next() {
            gone.context("a buyer's task failed")??;
        }
    }
    while let Some(gone) = inside.join_next().await {
        gone.context("a buyer's task failed")??;
    }
    Ok(())
}

fn note(sale: &Sale, buyer: u32, due: u64, inside: bool) {
    sale.tally.arrived.fetch_add(1, Ordering::Relaxed);
    if !inside {
        sale.tally.missed.fetch_add(1, Ordering::Relaxed);
    }
    sale.recorder.record(What::Arrival { buyer, due, inside });
}

/// One buyer, from coming to going.
async fn visit(sale: Arc<Sale>, number: u32, choices: Choices, _place: OwnedSemaphorePermit) -> Result<()> {
    let _inside = Counted::one(&sale.tally.inside);
    let visit = Visit::new(&sale, number, choices)?;
    let deadline = sale.plan.deadline;
    // How a visit ended is in the history; here it matters only that it did.
    let _ended = match visit.choices.kind {
        Kind::Person => timeout(deadline, person::come(visit)).await,
        Kind::Robot => timeout(deadline, robot::raid(visit)).await,
    };
    Ok(())
}
