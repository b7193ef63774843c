//! Which mirrors are worth checking.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use domain::id::ShowId;

/// Shows that wait for their turn.
const SHOWS_WAITING_MAX: usize = 20_000;

/// The shows somebody looked at or bought from lately, in the order in which their mirrors are checked.
#[derive(Debug, Default)]
pub struct InUse(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    order: VecDeque<ShowId>,
    known: HashSet<ShowId>,
}

impl InUse {
    /// This show was touched; it is checked when its turn comes.
    pub fn note(&self, show: &ShowId) {
        let mut waiting = self.0.lock().expect("no holder of this lock panics");
        if waiting.order.len() < SHOWS_WAITING_MAX && waiting.known.insert(show.clone()) {
            waiting.order.push_back(show.clone());
        }
    }

    /// The next ones.
    pub fn take(&self, count_max: usize) -> HashSet<ShowId> {
        let mut waiting = self.0.lock().expect("no holder of this lock panics");
        let count = waiting.order.len().min(count_max);
        let taken: HashSet<_> = waiting.order.drain(..count).collect();
        waiting.known.retain(|show| !taken.contains(show));
        taken
    }
}
