//! Hears of sales and adds them to the lists at once, while this process leads.
//!
//! Nothing here must arrive: the next count is right without it. So what comes faster than it can be added is let go.

use std::time::Duration;

use catalog::popular::{Happened, Live};
use domain::event::kind;
use service::drain::Drain;
use service::redis::Redis;
use service::stream::{self, Behind, Following};
use tokio::sync::mpsc;

use crate::metrics::Metrics;

const SALES: Following =
    Following { owners: &["reservations"], types: &[kind::BOOKING_CONFIRMED, kind::BOOKING_CANCELLED] };
/// Sales that wait to be added.
const WAITING_MAX: usize = 10_000;
/// Sales added by one call.
const AT_ONCE: usize = 250;
/// What comes within this time is added together.
const PAUSE: Duration = Duration::from_millis(20);

/// Hears until drained.
pub(crate) async fn run(live: Live, redis: Redis, metrics: Metrics, behind: Behind, drain: Drain) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let loops = metrics.loops.clone();
    let let_go = metrics.live.with_label_values(&["let_go"]);
    let hear = move |event: &str| {
        let Some(happened) = Happened::read(event) else { return };
        if sender.try_send(happened).is_err() {
            let_go.inc();
        }
    };
    tokio::join!(stream::follow(redis, SALES, behind, loops, drain, hear), add(live, receiver, metrics));
}

/// Adds what was heard until nobody hears any more.
async fn add(mut live: Live, mut receiver: mpsc::Receiver<Happened>, metrics: Metrics) {
    let mut heard = Vec::with_capacity(AT_ONCE);
    while receiver.recv_many(&mut heard, AT_ONCE).await > 0 {
        match live.add(&heard).await {
            Ok(added) => metrics.live.with_label_values(&["added"]).inc_by(added),
            Err(error) => {
                metrics.live.with_label_values(&["failed"]).inc_by(heard.len() as u64);
                tracing::debug!(%error, "sales wait for the next count");
            }
        }
        heard.clear();
        tokio::time::sleep(PAUSE).await;
    }
}
