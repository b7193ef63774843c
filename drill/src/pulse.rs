//! Notices when the machine itself stands still.
//!
//! A virtual machine may be stopped for a second, and so may everything on it: what is then announced late is not the fault
//! of who announces. A thread of its own sleeps and wakes; when it wakes much too late, that is written down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::history::{Nanos, Recorder, What};

/// How long it sleeps.
const BEAT: Duration = Duration::from_millis(20);
/// How late it may wake without a word: services give Redis 500 ms.
const LATE: Nanos = Duration::from_millis(250).as_nanos() as Nanos;

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Pulse(Arc<AtomicBool>);

impl Pulse {
    /// Begins to watch.
    pub fn watch(recorder: &Recorder) -> Self {
        let (over, recorder) = (Arc::new(AtomicBool::new(false)), recorder.clone());
        let stop = Arc::clone(&over);
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let since = recorder.now();
                std::thread::sleep(BEAT);
                note(&recorder, since);
            }
        });
        Self(over)
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes it down when a beat that began at this time ends late.
fn note(recorder: &Recorder, since: Nanos) {
    if recorder.now() > since + BEAT.as_nanos() as Nanos + LATE {
        recorder.record(What::Stood { since });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_that_ends_late_is_written_down_with_its_beginning() {
        let recorder = Recorder::new();
        let began = recorder.now();
        std::thread::sleep(Duration::from_millis(300));
        note(&recorder, began);
        let records = recorder.history().records;
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].what, What::Stood { since: began });
        // However slow this machine is: a beat that has just begun is not late.
        note(&recorder, recorder.now() + LATE);
        assert_eq!(recorder.history().records.len(), 1);
    }
}
