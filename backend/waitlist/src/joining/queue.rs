//! Joins that wait to be written, line by line: one that takes long holds up no other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::id::ShowId;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Waiting;

/// Joins written by one transaction.
const JOBS_MAX: usize = 256;
/// Joins that wait, of all lines; who comes when there are as many is told to come back.
const WAITING_MAX: usize = 16_384;
/// Lines written at the same time, which leaves connections to others.
const LINES_AT_ONCE: usize = 8;

/// All that wait, by line, and the lines that somebody writes.
#[derive(Debug)]
pub(crate) struct Queue {
    lines: Mutex<Lines>,
    places: Semaphore,
}

#[derive(Debug, Default)]
struct Lines {
    /// Who writes a line has its key here, also while nobody waits.
    waiting: HashMap<ShowId, Vec<Waiting>>,
    count: usize,
}

/// What is to be done about a join that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// Its line is written by somebody already.
    Behind,
    /// Its line wants a writer.
    First,
    /// Too many wait.
    Full,
}

impl Default for Queue {
    fn default() -> Self {
        Self { lines: Mutex::default(), places: Semaphore::new(LINES_AT_ONCE) }
    }
}

impl Queue {
    /// At the end.
    pub(super) fn push(&self, show_id: &ShowId, waiting: Waiting) -> Pushed {
        let mut lines = self.lines();
        if lines.count >= WAITING_MAX {
            return Pushed::Full;
        }
        lines.count += 1;
        match lines.waiting.entry(show_id.clone()) {
            Entry::Occupied(mut line) => {
                line.get_mut().push(waiting);
                Pushed::Behind
            }
            Entry::Vacant(line) => {
                line.insert(vec![waiting]);
                Pushed::First
            }
        }
    }

    /// Waits until this line may be written. There is no place only when the process ends.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who writes a line. However it ends, the next join finds no writer and gets one.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) queue: &'a Queue,
    pub(super) show_id: &'a ShowId,
    pub(super) over: bool,
}

impl Turn<'_> {
    /// Those who come next; when there are none the turn is over.
    pub(super) fn next(&mut self) -> Vec<Waiting> {
        let mut lines = self.queue.lines();
        let Some(waiting) = lines.waiting.get_mut(self.show_id) else { return Vec::new() };
        let some: Vec<_> = waiting.drain(..waiting.len().min(JOBS_MAX)).collect();
        lines.count -= some.len();
        if some.is_empty() {
            lines.waiting.remove(self.show_id);
            self.over = true;
        }
        some
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.over {
            let mut lines = self.queue.lines();
            let left = lines.waiting.remove(self.show_id).map_or(0, |waiting| waiting.len());
            lines.count -= left;
        }
    }
}
