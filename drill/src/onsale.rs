//! An on-sale: many buyers at once, as real ones are, and everything they see written down.
//!
//! Arrivals are open-loop: they are drawn before the first buyer comes (`arrivals`), and nobody's late answer delays
//! the next one. A buyer whom there is no room for is counted as missed, never held back. What a buyer chooses is drawn from
//! the seed as well; what they then meet depends on the others.
//!
//! One idea a file: `plan` (all settings), `choices` (what a buyer is going to do), `program` (what is on sale), `doors`
//! (letting them in), `person` → `holding` → `paying` or `line`, and `robot` (what they do), `visit` → `op` (a request,
//! written down and sent again), `watcher` and `changes` (live sockets, and how soon they show what happened), `closing`
//! (the end), `progress` (the live line).

mod arrivals;
mod changes;
mod choices;
mod closing;
mod command;
mod doors;
mod holding;
mod line;
mod op;
mod paying;
mod person;
mod picking;
mod plan;
mod program;
mod progress;
mod request;
mod robot;
mod sale;
#[cfg(test)]
mod stand_in;
mod visit;
mod watcher;

use std::future::pending;
use std::sync::Arc;

use anyhow::Result;
use tokio::sync::Notify;

use crate::history::Recorder;
pub use command::{OnsaleArgs, onsale};
pub use plan::{Curve, Plan};
use progress::Progress;
use sale::Sale;
use watcher::Watcher;

/// Lets buyers come as planned, and returns when all are gone, the fleet is at rest and its pictures are taken.
pub async fn run(target: &str, plan: &Plan, recorder: &Recorder) -> Result<()> {
    let (sale, watchers) = open(target, plan, recorder).await?;
    let _progress = (!plan.quiet).then(|| Progress::start(&sale));
    doors::let_in(&sale, pending()).await?;
    close(&sale, watchers).await
}

/// The same for a fleet that is being broken meanwhile: nobody comes any more once `meanwhile` is done, and the fleet is not
/// expected to come to rest before.
pub async fn run_while(
    target: &str,
    plan: &Plan,
    recorder: &Recorder,
    meanwhile: impl Future<Output = Result<()>>,
) -> Result<()> {
    let (sale, watchers) = open(target, plan, recorder).await?;
    let _progress = (!plan.quiet).then(|| Progress::start(&sale));
    let enough = Notify::new();
    let meanwhile = async {
        meanwhile.await?;
        enough.notify_one();
        Ok(())
    };
    tokio::try_join!(doors::let_in(&sale, enough.notified()), meanwhile)?;
    close(&sale, watchers).await
}

async fn open(target: &str, plan: &Plan, recorder: &Recorder) -> Result<(Arc<Sale>, Vec<Watcher>)> {
    plan.check()?;
    let sale = Arc::new(Sale::open(target, plan, recorder).await?);
    let watchers = closing::post_watchers(&sale).await?;
    Ok((sale, watchers))
}

async fn close(sale: &Sale, watchers: Vec<Watcher>) -> Result<()> {
    closing::leave_lines(sale).await;
    closing::rest(sale).await;
    closing::take_pictures(sale, &watchers).await?;
    closing::close(sale, watchers).await;
    Ok(())
}
