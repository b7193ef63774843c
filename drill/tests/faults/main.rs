//! Breaking the fleet, one thing at a time, with visitors on it. Needs a fleet: see `drill::fleet`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod crowd;
mod instances;
mod stores;

use drill::fleet::Fleet;
use tokio::sync::{Mutex, MutexGuard};

/// One fault at a time, and each begins on a whole fleet.
async fn alone() -> (MutexGuard<'static, ()>, Fleet) {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let guard = ALONE.lock().await;
    let fleet = Fleet::from_environment().unwrap();
    fleet.whole().await.unwrap();
    (guard, fleet)
}
