//! What buyers do on a stage: small plays, each of which comes near one kind of bug. They expect nothing and write down all.

mod contending;
mod lapsing;
mod lining;
mod outstaying;
mod passing;
mod repeating;
mod selling;

pub(crate) use contending::contend;
pub(crate) use lapsing::lapse;
pub(crate) use lining::stand_in_line;
pub(crate) use outstaying::outstay;
pub(crate) use passing::pass_by;
pub(crate) use repeating::repeat;
pub(crate) use selling::sell;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::actor::Actor;
use crate::stage::Scene;

/// Longer than a hold or an offer of this fleet, and the time that its announcement has.
pub(crate) const OVER: Duration = Duration::from_secs(4);

impl Scene {
    /// Somebody who was never here before.
    pub(crate) fn actor(&self) -> Actor {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Actor::new(NEXT.fetch_add(1, Ordering::Relaxed), &self.url, &self.recorder, &self.show)
    }
}
