//! One show on one live socket, which is opened again when it breaks, as a page does it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use domain::id::ShowId;
use domain::live::Seats;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::buyer::Buyer;
use crate::live::Heard;

/// A server pings every 20 seconds; one that is silent for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// The pause before it comes back.
const PAUSE: Duration = Duration::from_millis(500);

/// What is shown at the moment.
#[derive(Debug, Default)]
struct Shown {
    /// The last picture, also while nobody is there to change it: so a page does it. Nothing before the first.
    seats: Option<Seats>,
    connected: bool,
}

/// A page that shows one show; it is closed when this is dropped.
#[derive(Debug)]
pub(super) struct View {
    shown: Arc<Mutex<Shown>>,
    task: AbortHandle,
}

impl View {
    /// Opens it.
    pub(super) fn open(url: &str, show: &ShowId) -> Self {
        let shown = Arc::new(Mutex::new(Shown::default()));
        let task = tokio::spawn(keep_open(url.to_owned(), show.clone(), Arc::clone(&shown)));
        Self { shown, task: task.abort_handle() }
    }

    /// What it shows.
    pub(super) fn shown(&self) -> Option<Seats> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).seats.clone()
    }

    /// Whether its socket is open.
    pub(super) fn connected(&self) -> bool {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).connected
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_open(url: String, show: ShowId, shown: Arc<Mutex<Shown>>) {
    loop {
        // Why it ended does not matter here: what it shows grows old.
        drop(follow(&url, &show, &shown).await);
        shown.lock().unwrap_or_else(PoisonError::into_inner).connected = false;
        sleep(PAUSE).await;
    }
}

async fn follow(url: &str, show: &ShowId, shown: &Mutex<Shown>) -> Result<()> {
    let mut live = Buyer::new(url)?.live(Some(show.as_str())).await?;
    loop {
        match timeout(SILENCE_MAX, live.hear()).await?? {
            Heard::Closed(_) => return Ok(()),
            Heard::Ping => {}
            Heard::Frame(_) | Heard::OutOfStep { .. } => {
                let seats = live.version.map(|_| live.seats.clone());
                *shown.lock().unwrap_or_else(PoisonError::into_inner) = Shown { seats, connected: true };
            }
        }
    }
}
