//! What is being done to the fleet at this moment, so that a failure can say what it came with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Scene(Arc<Mutex<(String, Instant)>>);

impl Default for Scene {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(("nothing yet".to_owned(), Instant::now()))))
    }
}

impl Scene {
    /// From now on it is this.
    pub(super) fn is(&self, what: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (what, Instant::now());
    }

    /// In words, and for how long.
    pub(super) fn now(&self) -> String {
        let scene = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{}, for {:.2} s", scene.0, scene.1.elapsed().as_secs_f64())
    }
}
