//! Buyers who ask at a constant rate, whatever becomes of those before, each on its own connection, which is kept as long as the
//! balancer keeps it. Whoever got no answer asks the same again when it is their turn. Now and then one comes on a new connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::buyer::{Buyer, Question};
use super::scene::Scene;
use super::tally::{Said, Tally};
use crate::bench::load::Line;
use crate::bench::seats::Seats;

/// How many requests come on a new connection though the old one would do.
const FRESH_SHARE: f64 = 0.05;
/// How long a whole answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Requests that may wait at once. One that finds no place is missed, and that is a failure of the run.
const IN_FLIGHT_MAX: usize = 8_000;

/// All of them.
pub(super) struct Traffic {
    pub(super) address: SocketAddr,
    /// Requests a second.
    pub(super) rate: f64,
    /// How many there are at least.
    pub(super) buyers: usize,
    pub(super) seed: u64,
    pub(super) seats: Seats,
    pub(super) scene: Scene,
    pub(super) tally: Tally,
}

/// A browser and its connection.
struct Guest {
    buyer: Buyer,
    line: Option<Line>,
}

/// Those who wait for their turn, first come, first served.
type Idle = Arc<Mutex<VecDeque<Guest>>>;

impl Traffic {
    /// Until it is over, and the last is answered. Says how long requests were sent.
    pub(super) async fn run(self, over: CancellationToken) -> Duration {
        let (began, idle, mut asking) = (Instant::now(), Idle::default(), JoinSet::new());
        let (mut due, mut came) = (0_u64, 0_u64);
        while self.next_is_due(began, due, &over).await {
            due += 1;
            while asking.try_join_next().is_some() {}
            if asking.len() >= IN_FLIGHT_MAX {
                self.tally.missed();
                continue;
            }
            let waiting = (came >= self.buyers as u64).then(|| lock(&idle).pop_front()).flatten();
            let guest = waiting.unwrap_or_else(|| {
                came += 1;
                self.guest(came)
            });
            asking.spawn(turn(guest, self.address, self.scene.clone(), self.tally.clone(), idle.clone()));
        }
        let sent = began.elapsed();
        while asking.join_next().await.is_some() {}
        sent
    }

    /// Waits for the time of the next request; no more when it is over.
    async fn next_is_due(&self, began: Instant, number: u64, over: &CancellationToken) -> bool {
        let at = began + Duration::from_secs_f64(number as f64 / self.rate);
        tokio::select! {
            biased;
            () = over.cancelled() => false,
            () = tokio::time::sleep_until(at.into()) => true,
        }
    }

    fn guest(&self, number: u64) -> Guest {
        Guest { buyer: Buyer::new(self.seed, number, self.seats.clone()), line: None }
    }
}

fn lock(idle: &Idle) -> std::sync::MutexGuard<'_, VecDeque<Guest>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request and its answer.
async fn turn(mut guest: Guest, address: SocketAddr, scene: Scene, tally: Tally, idle: Idle) {
    let question = guest.buyer.ask();
    let sent = Instant::now();
    let asked = tokio::time::timeout(PATIENCE, guest.exchange(address, &question)).await;
    let asked = asked.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in {} s", PATIENCE.as_secs())));
    let took = sent.elapsed();
    let said = asked.unwrap_or_else(|error| {
        guest.line = None;
        Said::Nothing(format!("{error:#}"))
    });
    tally.count(&question, said, took, &scene);
    if !guest.buyer.leaves() {
        lock(&idle).push_back(guest);
    }
}

impl Guest {
    async fn exchange(&mut self, address: SocketAddr, question: &Question) -> Result<Said> {
        let fresh = self.buyer.comes_anew(FRESH_SHARE);
        // Like every client, it does not ask where it has already been hung up on.
        let kept = self.line.take().filter(|line| !fresh && !line.hung_up());
        let age = if kept.is_some() { "on a kept connection" } else { "on a new connection" };
        let mut line = match kept {
            Some(line) => line,
            None => Line::connect(address).await.context(age)?,
        };
        let answer = line.exchange(&question.bytes).await.context(age)?;
        self.buyer.answered(question.step, answer);
        let said = Said::Answer { status: answer.status, body: answer.body.to_vec() };
        self.line = Some(line);
        Ok(said)
    }
}
