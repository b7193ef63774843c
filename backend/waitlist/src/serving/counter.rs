//! The shows that this process serves at the moment: each once, and not too many side by side.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::ShowId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who is served, and whether somebody asked for it meanwhile.
type Served = Arc<Mutex<HashMap<ShowId, bool>>>;

/// The turns of a process.
#[derive(Debug)]
pub(crate) struct Counter {
    places: Arc<Semaphore>,
    served: Served,
}

/// The right to serve one show in this process.
#[derive(Debug)]
pub(super) struct Turn {
    show_id: ShowId,
    served: Served,
}

impl Counter {
    /// With so many places.
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), served: Arc::default() }
    }

    /// The right to serve a show. Who has it already will look once more.
    pub(super) fn turn(&self, show_id: &ShowId) -> Option<Turn> {
        let mut served = lock(&self.served);
        if let Some(again) = served.get_mut(show_id) {
            *again = true;
            return None;
        }
        served.insert(show_id.clone(), false);
        Some(Turn { show_id: show_id.clone(), served: Arc::clone(&self.served) })
    }

    /// Waits for a place. There is none only when the process ends.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

impl Turn {
    /// Whether nobody asked meanwhile: then it ends here.
    pub(super) fn over(&self) -> bool {
        let mut served = lock(&self.served);
        match served.get_mut(&self.show_id) {
            Some(again) if *again => {
                *again = false;
                false
            }
            _ => served.remove(&self.show_id).is_some(),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.served).remove(&self.show_id);
    }
}

fn lock(served: &Served) -> MutexGuard<'_, HashMap<ShowId, bool>> {
    served.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_show_is_served_once_and_again_when_somebody_asked_meanwhile() {
        let counter = Counter::new(1);
        let (one, two) = (ShowId::parse("one").unwrap(), ShowId::parse("two").unwrap());
        let turn = counter.turn(&one).unwrap();
        assert!(counter.turn(&two).is_some_and(|turn| turn.over()));
        assert!(counter.turn(&one).is_none());
        assert!(!turn.over(), "somebody asked");
        assert!(turn.over());
        assert!(counter.turn(&one).is_some());
    }
}
