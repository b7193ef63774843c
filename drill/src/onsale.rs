//! An on-sale: many buyers at once, as real ones are, and everything they see written down.

mod plan;

use anyhow::Result;

use crate::history::Recorder;
pub use plan::{Curve, Plan};

/// Lets buyers come as planned, and returns when all are done and the pictures at rest are taken.
#[expect(clippy::unused_async, reason = "the buyers come with the next commits")]
pub async fn run(_target: &str, plan: &Plan, _recorder: &Recorder) -> Result<()> {
    plan.check()
}
