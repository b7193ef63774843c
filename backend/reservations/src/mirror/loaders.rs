//! One loader of a show's mirror at a time.

use std::hash::{BuildHasher, RandomState};

use domain::id::ShowId;
use tokio::sync::{Mutex, MutexGuard};

/// Mirrors that can be loaded at once. Two shows that share a place wait for each other, and no more comes of it.
const PLACES: usize = 64;

/// Who may load.
#[derive(Debug)]
pub struct Loaders {
    places: Vec<Mutex<()>>,
    hash: RandomState,
}

impl Default for Loaders {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| Mutex::default()).collect(), hash: RandomState::new() }
    }
}

impl Loaders {
    /// Waits until nobody else loads this show's mirror.
    pub async fn turn(&self, show: &ShowId) -> MutexGuard<'_, ()> {
        let place = self.hash.hash_one(show) as usize % PLACES;
        self.places[place].lock().await
    }
}
