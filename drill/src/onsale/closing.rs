//! The end of a sale: lines are left, the run comes to rest, and everybody who still watches says what they see.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use domain::live::Seats;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::choices::Draw;
use super::request::{EntryBody, Request, parse};
use super::sale::Sale;
use super::visit::send;
use super::watcher::Watcher;
use crate::buyer::Buyer;
use crate::history::{Sight, Step, What};

/// New visitors who look at every show at the end, so that more than one server answers.
const FRESH_SESSIONS: u32 = 4;
/// Requests on their way at once at the end.
const AT_ONCE_MAX: usize = 32;
/// Looks whether something has come true.
const PAUSE: Duration = Duration::from_millis(50);
/// Nothing is at rest so soon before a hold's deadline, or so soon after it.
const DEADLINE_AHEAD: Duration = Duration::from_secs(5);
const DEADLINE_BEHIND: Duration = Duration::from_secs(3);

#[derive(Debug, Deserialize)]
struct Mine {
    entries: Vec<EntryBody>,
}

#[derive(Debug, Deserialize)]
struct Shown {
    version: u64,
    seats: Seats,
}

/// The watchers of a plan, spread over the shows as buyers are; returns when they are connected, or have had their time.
pub(super) async fn post_watchers(sale: &Arc<Sale>) -> Result<Vec<Watcher>> {
    let draw = Draw::new(&sale.plan, sale.program.shows.len());
    let first = sale.plan.arrivals() as u32 + 1;
    let mut watchers = Vec::new();
    for number in first..first + sale.plan.watchers as u32 {
        let show = &sale.program.shows[draw.of(number).show].id;
        watchers.push(Watcher::start(sale, number, &sale.stranger()?, show));
    }
    for watcher in &watchers {
        let deadline = Instant::now() + sale.plan.request_timeout;
        while watcher.picture().await.is_none() && Instant::now() < deadline {
            sleep(PAUSE).await;
        }
    }
    Ok(watchers)
}

/// Everybody who may still stand in a line leaves it: who went away in silence did not, and would be offered seats for ever.
pub(super) async fn leave_lines(sale: &Sale) {
    let waiting = stream::iter(sale.take_in_line());
    waiting.for_each_concurrent(AT_ONCE_MAX, |(number, buyer)| leave_line(sale, number, buyer)).await;
}

async fn leave_line(sale: &Sale, number: u32, buyer: Buyer) {
    let look = Request::read(Step::Lines, "/api/waitlist".to_owned());
    let Some(reply) = send(sale, number, &buyer, &look).await else { return };
    let mine: Option<Mine> = parse(&reply);
    for entry in mine.map(|mine| mine.entries).unwrap_or_default() {
        send(sale, number, &buyer, &Request::leave(&entry.id)).await;
    }
}

/// Returns when nothing has changed for a while and no hold is about to lapse, or when that took too long.
pub(super) async fn rest(sale: &Sale) {
    let began = Instant::now();
    let began_at = sale.recorder.now();
    let rest = sale.plan.rest.as_nanos() as u64;
    while began.elapsed() < sale.plan.rest_max {
        let last = sale.last_change.load(Ordering::Relaxed).max(began_at);
        let quiet = sale.recorder.now() >= last + rest;
        if quiet && !sale.deadline_near(DEADLINE_BEHIND, DEADLINE_AHEAD) {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Writes down what each watcher shows, and what the servers tell new visitors.
pub(super) async fn take_pictures(sale: &Sale, watchers: &[Watcher]) -> Result<()> {
    for watcher in watchers {
        if let Some(picture) = watcher.picture().await {
            let show = watcher.show.clone();
            let sight = Sight::Picture { show, version: picture.version, seats: picture.seats };
            sale.recorder.record(What::Saw { buyer: watcher.number, socket: picture.socket, sight });
        }
    }
    let first = (sale.plan.arrivals() + sale.plan.watchers) as u32 + 1;
    for number in first..first + FRESH_SESSIONS {
        look_at_all(sale, number, &sale.stranger()?).await;
    }
    Ok(())
}

async fn look_at_all(sale: &Sale, number: u32, buyer: &Buyer) {
    for show in &sale.program.shows {
        let look = Request::read(Step::Seats, format!("/api/shows/{}/seats", show.id));
        let reply = send(sale, number, buyer, &look).await;
        if let Some(Shown { version, seats }) = reply.as_ref().and_then(parse) {
            let sight = Sight::Picture { show: show.id.clone(), version, seats };
            sale.recorder.record(What::Saw { buyer: number, socket: sale.recorder.socket(), sight });
        }
    }
}

/// Closes the watchers' sockets, and returns when no socket of the run is open.
pub(super) async fn close(sale: &Sale, watchers: Vec<Watcher>) {
    drop(watchers);
    let began = Instant::now();
    while sale.tally.sockets.load(Ordering::Relaxed) > 0 && began.elapsed() < sale.plan.request_timeout {
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use domain::id::HoldId;
    use tokio::time::timeout;

    use super::*;
    use crate::history::Call;
    use crate::onsale::plan::Plan;
    use crate::onsale::sale::wall_ns;
    use crate::onsale::stand_in::{Does, PATIENCE, StandIn, records, sale};

    const SECOND_NS: u64 = 1_000_000_000;

    #[tokio::test]
    async fn who_may_still_stand_in_a_line_leaves_it() {
        let mine = r#"{"entries":[{"id":"one","status":"waiting"},{"id":"two","status":"offered"}]}"#;
        let left = Does::Answers(204, "", "");
        let server = StandIn::start(vec![Does::Answers(200, "", mine), left.clone(), left]).await;
        let sale = sale(&server.url, Plan::default());
        let buyer = sale.stranger().unwrap();
        sale.note_in_line(7, &buyer);
        sale.note_in_line(8, &buyer);
        sale.note_out_of_line(8);
        leave_lines(&sale).await;
        let asked = records(&sale).into_iter().filter_map(|what| match what {
            What::Invoke { buyer, call: Call::Leave { entry }, .. } => Some((buyer, entry.to_string())),
            What::Invoke { buyer, call, .. } => Some((buyer, call.step().name().to_owned())),
            _ => None,
        });
        assert_eq!(asked.collect::<Vec<_>>(), ["lines", "one", "two"].map(|what| (7, what.to_owned())));
    }

    #[tokio::test]
    async fn a_run_is_at_rest_when_nothing_changed_for_a_while_and_no_hold_is_about_to_lapse() {
        let plan = Plan { rest: Duration::from_millis(20), rest_max: PATIENCE, ..Plan::default() };
        let sale = sale("http://127.0.0.1:1", plan);
        let hold = HoldId::parse("hold").unwrap();
        for expires_at_ns in [wall_ns() + SECOND_NS, wall_ns() - SECOND_NS] {
            sale.note_deadline(&hold, expires_at_ns);
            assert!(timeout(Duration::from_millis(200), rest(&sale)).await.is_err(), "it is about to lapse");
            sale.note_over(&hold);
            timeout(PATIENCE, rest(&sale)).await.unwrap();
        }
        sale.note_deadline(&hold, wall_ns() + 60 * SECOND_NS);
        timeout(PATIENCE, rest(&sale)).await.expect("that is far away");
        sale.last_change.store(sale.recorder.now() + 60 * SECOND_NS, Ordering::Relaxed);
        assert!(timeout(Duration::from_millis(200), rest(&sale)).await.is_err(), "something has changed");
    }
}
