//! The version below which nobody who comes is shown a show.
//!
//! Whoever comes may have seen it elsewhere. An instance that lost Redis shows an epoch out of Postgres, which the mirror, and whoever reads
//! it, has only a moment later. But Postgres had it before anybody saw it; so Postgres is asked, after they came. All who come are
//! asked for together, one question at a time: a crowd that comes back costs as many questions as fit one after the other.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use domain::id::ShowId;
use tokio::sync::oneshot;

use crate::app::App;
use crate::error::Error;
use crate::store::epochs::{self, Reached};

/// The least version to be shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floor(Reached);

impl Floor {
    /// The version. Who has the mirror's own knows how far it has counted up in its epoch; for who has not, only the next one is
    /// above that.
    pub fn version(self, mirror_known: bool) -> u64 {
        let Reached { epoch, mirrored } = self.0;
        epochs::first_version(if mirrored && !mirror_known { epoch + 1 } else { epoch })
    }
}

/// Those who ask for one: no more than there are sockets, each for one show at a time.
#[derive(Debug, Default)]
pub struct Floors {
    turn: tokio::sync::Mutex<()>,
    waiting: Mutex<Vec<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    show: ShowId,
    answer: oneshot::Sender<Floor>,
}

impl Floors {
    /// Of a show, by now. None while Postgres does not say.
    pub async fn of(&self, app: &App, show: &ShowId) -> Floor {
        let (answer, mut answered) = oneshot::channel();
        self.waiting().push(Waiting { show: show.clone(), answer });
        let turn = tokio::select! {
            biased;
            // Somebody asked for us. Those who came meanwhile have to wait for one question, and not for one of each who was before them.
            floor = &mut answered => return floor.unwrap_or_default(),
            turn = self.turn.lock() => turn,
        };
        let asking = std::mem::take(&mut *self.waiting());
        answer_all(app, asking).await;
        drop(turn);
        answered.await.unwrap_or_default()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().expect("no holder of this lock panics")
    }
}

async fn answer_all(app: &App, asking: Vec<Waiting>) {
    let mut shows: Vec<_> = asking.iter().map(|asked| asked.show.as_str()).collect();
    shows.sort_unstable();
    shows.dedup();
    let reached = async { Ok::<_, Error>(epochs::reached(&app.connection().await?, &shows).await?) }.await;
    let reached = reached.unwrap_or_else(|error| {
        tracing::debug!(%error, "nobody knows what was shown elsewhere");
        HashMap::new()
    });
    for Waiting { show, answer } in asking {
        // Nobody waits for it when the socket is gone.
        let _ = answer.send(Floor(reached.get(&show).copied().unwrap_or_default()));
    }
}
