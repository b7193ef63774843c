//! Which shows this process wants to hear of.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use domain::id::ShowId;
use tokio::sync::{Notify, watch};

/// How long a first watcher waits for Redis to confirm a subscription; after that gaps are found by version.
const CONFIRM_TIMEOUT: Duration = Duration::from_millis(500);

/// The shows Redis should tell us of.
#[derive(Debug, Clone, Default)]
pub struct Wanted(Arc<WantedInner>);

#[derive(Debug, Default)]
struct WantedInner {
    shows: Mutex<HashSet<ShowId>>,
    changed: Notify,
    /// How often the subscriptions were brought in line with `shows`.
    settled: watch::Sender<u64>,
}

impl Wanted {
    /// Asks for a show and waits until Redis was told, or is away.
    pub async fn add(&self, show: &ShowId) {
        let mut settled = self.0.settled.subscribe();
        if !self.lock().insert(show.clone()) {
            return;
        }
        self.0.changed.notify_one();
        if tokio::time::timeout(CONFIRM_TIMEOUT, settled.changed()).await.is_err() {
            tracing::debug!(%show, "the subscription is not confirmed yet");
        }
    }

    /// Asks for a show without waiting.
    pub fn keep(&self, show: &ShowId) {
        if self.lock().insert(show.clone()) {
            self.0.changed.notify_one();
        }
    }

    /// No longer.
    pub fn remove(&self, show: &ShowId) {
        self.lock().remove(show);
        self.0.changed.notify_one();
    }

    /// All of them.
    pub fn shows(&self) -> HashSet<ShowId> {
        self.lock().clone()
    }

    /// Done when something was added or removed.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Says that Redis was asked for all of them.
    pub fn settled(&self) {
        self.0.settled.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<ShowId>> {
        self.0.shows.lock().expect("no holder of this lock panics")
    }
}
