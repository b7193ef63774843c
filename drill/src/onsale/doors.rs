//! Letting buyers in, each at their own time: nobody's answer delays the next one's arrival.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::arrivals;
use super::choices::{Choices, Draw, Kind};
use super::sale::{Counted, Sale};
use super::visit::Visit;
use super::{person, robot};
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::future::{pending, ready};
    use std::time::Duration;

    use super::*;
    use crate::onsale::plan::{Curve, Plan};
    use crate::onsale::stand_in::{Does, StandIn, records, sale, until};

    const BUYERS: usize = 5;

    fn plan() -> Plan {
        Plan {
            curve: Curve::Steady,
            buyers: Some(BUYERS),
            rate: 500.0,
            bots: 0.0,
            request_timeout: Duration::from_mins(1),
            ..Plan::default()
        }
    }

    fn asked(sale: &Sale) -> usize {
        records(sale).iter().filter(|what| matches!(what, What::Invoke { .. })).count()
    }

    #[tokio::test]
    async fn nobody_waits_for_somebody_elses_answer() {
        let server = StandIn::start(vec![Does::Waits; BUYERS]).await;
        let sale = sale(&server.url, plan());
        let doors = tokio::spawn({
            let sale = Arc::clone(&sale);
            async move { let_in(&sale, pending()).await }
        });
        until("everybody's first request", async || asked(&sale) == BUYERS).await;
        let answered = |what: &What| matches!(what, What::Ok { .. } | What::Fail { .. } | What::Info { .. });
        assert!(!records(&sale).iter().any(answered), "all came, and none was answered");
        doors.abort();
    }

    #[tokio::test]
    async fn when_it_is_full_who_comes_is_missed_and_nobody_is_held_back() {
        let server = StandIn::start(vec![Does::Waits; BUYERS]).await;
        let plan = Plan { buyers_open_max: 2, deadline: Duration::from_millis(200), ..plan() };
        let sale = sale(&server.url, plan);
        let_in(&sale, pending()).await.unwrap();
        let arrived = records(&sale).into_iter().filter_map(|what| match what {
            What::Arrival { buyer, inside, .. } => Some((buyer, inside)),
            _ => None,
        });
        let arrived: Vec<_> = arrived.collect();
        assert_eq!(arrived, [(1, true), (2, true), (3, false), (4, false), (5, false)]);
        assert_eq!((asked(&sale), sale.tally.missed.load(Ordering::Relaxed)), (2, 3));
    }

    #[tokio::test]
    async fn nobody_comes_any_more_when_there_have_been_enough() {
        let sale = sale("http://127.0.0.1:1", Plan { rate: 0.001, ..plan() });
        let_in(&sale, ready(())).await.unwrap();
        assert_eq!(records(&sale), []);
    }

    #[tokio::test]
    async fn arrivals_are_due_when_the_plan_says() {
        let sale = sale("http://127.0.0.1:1", Plan { buyers_open_max: 0, ..plan() });
        let_in(&sale, pending()).await.unwrap();
        let dues: Vec<_> = records(&sale)
            .into_iter()
            .filter_map(|what| match what {
                What::Arrival { due, .. } => Some(due),
                _ => None,
            })
            .collect();
        let planned: Vec<_> = arrivals::times(&sale.plan).iter().map(|time| time.as_nanos() as u64).collect();
        let offsets: BTreeSet<_> = dues.iter().zip(&planned).map(|(due, planned)| due - planned).collect();
        assert_eq!((dues.len(), offsets.len()), (BUYERS, 1), "they differ by when the doors opened only");
    }
}
