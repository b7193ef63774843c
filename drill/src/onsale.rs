//! An on-sale: many buyers at once, as real ones are, and everything they see written down.
//!
//! Arrivals are open-loop: they are drawn before the first buyer comes ([`crate::arrivals`]), and nobody's late answer delays
//! the next one. A buyer whom there is no room for is counted as missed, never held back. What a buyer chooses is drawn from
//! the seed as well; what they then meet depends on the others.
//!
//! One idea a file: `plan` (all settings), `choices` (what a buyer is going to do), `program` (what is on sale), `doors`
//! (letting them in), `person` → `holding` → `paying` or `line`, and `robot` (what they do), `visit` → `op` (a request,
//! written down and sent again), `watcher` and `changes` (live sockets, and how soon they show what happened), `closing`
//! (the end), `progress` (the live line).

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

use std::future::ready;
use std::sync::Arc;

use anyhow::Result;

use crate::history::Recorder;
pub use command::{OnsaleArgs, onsale};
pub use plan::{Curve, Plan};
use progress::Progress;
use sale::Sale;

/// Lets buyers come as planned, and returns when all are gone, the fleet is at rest and its pictures are taken.
pub async fn run(target: &str, plan: &Plan, recorder: &Recorder) -> Result<()> {
    run_until_whole(target, plan, recorder, ready(Ok(()))).await
}

/// The same for a fleet that is being broken meanwhile: when all buyers are gone, `whole` is waited for before the fleet is
/// expected to come to rest.
pub async fn run_until_whole(
    target: &str,
    plan: &Plan,
    recorder: &Recorder,
    whole: impl Future<Output = Result<()>>,
) -> Result<()> {
    plan.check()?;
    let sale = Arc::new(Sale::open(target, plan, recorder).await?);
    let progress = (!plan.quiet).then(|| Progress::start(&sale));
    let watchers = closing::post_watchers(&sale).await?;
    doors::let_in(&sale).await?;
    whole.await?;
    closing::leave_lines(&sale).await;
    closing::rest(&sale).await;
    closing::take_pictures(&sale, &watchers).await?;
    closing::close(&sale, watchers).await;
    drop(progress);
    Ok(())
}
