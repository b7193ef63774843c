//! The buyers that are on the fleet while it is broken.

use anyhow::Result;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::crowd;
use crate::history::Recorder;

/// Buyers who come until told to stop; dropping this sends them away at once.
#[derive(Debug)]
pub(super) struct Load {
    buyers: JoinSet<Result<()>>,
    stop: watch::Sender<bool>,
}

impl Load {
    /// Lets them in.
    pub(super) fn start(url: &str, seed: u64, recorder: &Recorder) -> Self {
        let stop = watch::Sender::new(false);
        let mut buyers = JoinSet::new();
        buyers.spawn(rounds(url.to_owned(), seed, recorder.clone(), stop.subscribe()));
        Self { buyers, stop }
    }

    /// Lets nobody in any more, and returns when all are done.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.stop.send_replace(true);
        while let Some(done) = self.buyers.join_next().await {
            done??;
        }
        Ok(())
    }
}

/// One round of buyers after another.
async fn rounds(url: String, seed: u64, recorder: Recorder, stop: watch::Receiver<bool>) -> Result<()> {
    for round in 0.. {
        if *stop.borrow() {
            break;
        }
        crowd::run(&url, seed.wrapping_add(round), &recorder).await?;
    }
    Ok(())
}
