//! When a socket has to end although neither of its sides wants that.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;

/// What an open socket listens to; it costs an idle one two places in two lists.
#[derive(Debug, Clone)]
pub struct Leave {
    /// Becomes true when its endpoint is drained.
    pub endpoint: watch::Receiver<bool>,
    /// Becomes true when this process lets go of its sockets.
    pub process: watch::Receiver<bool>,
    /// Sockets that are told together end one after the other in this time, or all their clients would be back at once.
    pub spread: Duration,
}

impl Leave {
    /// Ends when this socket's turn has come.
    pub async fn due(mut self) {
        tokio::select! {
            () = true_once(&mut self.endpoint) => {}
            () = true_once(&mut self.process) => {}
        }
        tokio::time::sleep(self.spread.mul_f64(rand::random())).await;
    }
}

async fn true_once(told: &mut watch::Receiver<bool>) {
    if told.wait_for(|told| *told).await.is_err() {
        // Nobody is left who could say so.
        pending::<()>().await;
    }
}
