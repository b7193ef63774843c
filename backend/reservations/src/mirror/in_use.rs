//! Which mirrors are worth checking.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

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
    /// Shows that a cache in front of us answers for, and until when: nobody asks us meanwhile, and still they are looked at.
    stored: HashMap<ShowId, Instant>,
}

impl InUse {
    /// This show was touched; it is checked when its turn comes.
    pub fn note(&self, show: &ShowId) {
        let mut waiting = self.0.lock().expect("no holder of this lock panics");
        if waiting.order.len() < SHOWS_WAITING_MAX && waiting.known.insert(show.clone()) {
            waiting.order.push_back(show.clone());
        }
    }

    /// What was said of this show is stored by others for so long.
    pub fn note_stored(&self, show: &ShowId, lasts: Duration) {
        let until = Instant::now() + lasts;
        let mut waiting = self.0.lock().expect("no holder of this lock panics");
        if let Some(known) = waiting.stored.get_mut(show) {
            *known = until.max(*known);
        } else if waiting.stored.len() < SHOWS_WAITING_MAX {
            waiting.stored.insert(show.clone(), until);
        }
    }

    /// The shows of which something is still stored.
    pub fn stored(&self) -> Vec<ShowId> {
        let now = Instant::now();
        let mut waiting = self.0.lock().expect("no holder of this lock panics");
        waiting.stored.retain(|_, until| *until > now);
        waiting.stored.keys().cloned().collect()
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
