//! Looks at the books again and again while seats are sold, so that what was wrong for a moment only is seen too.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::id::{SeatId, ShowId};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::audit::audit;
use super::read::{self, Scope};
use super::{Books, Complaint};

/// The least between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// A look is followed by a pause of so many times its length: the judge must not be the load.
const REST: u32 = 12;
/// After the database was away, before it is asked again.
const PAUSE_AWAY: Duration = Duration::from_millis(250);
/// More of them tell nothing new.
const COMPLAINTS_MAX: usize = 1_000;

/// A task that looks until it is stopped.
#[derive(Debug)]
pub struct Ledger {
    samples: Arc<AtomicU64>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Vec<Complaint>>,
}

impl Ledger {
    /// Begins to look. While the database is away it waits for it.
    pub fn watch(database_url: &str) -> Self {
        let (stop, stopped) = oneshot::channel();
        let samples = Arc::new(AtomicU64::new(0));
        let watch = Watch::new(database_url.to_owned(), Arc::clone(&samples));
        Self { samples, stop, task: tokio::spawn(watch.until(stopped)) }
    }

    /// How often it has looked.
    pub fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// Ends, after the look it is at, and says what was wrong. For [`Books::complaints`].
    pub async fn stop(self) -> Vec<Complaint> {
        // One that is at its end needs no telling.
        self.stop.send(()).ok();
        self.task.await.unwrap_or_else(|error| vec![failed(&error.to_string())])
    }
}

fn failed(why: &str) -> Complaint {
    Complaint { at_ns: 0, invariant: 10, show: None, text: format!("the ledger failed: {why}") }
}

struct Watch {
    database_url: String,
    samples: Arc<AtomicU64>,
    tokens: Tokens,
    complaints: Vec<Complaint>,
}

impl Watch {
    fn new(database_url: String, samples: Arc<AtomicU64>) -> Self {
        Self { database_url, samples, tokens: Tokens::default(), complaints: Vec::new() }
    }

    async fn until(mut self, mut stopped: oneshot::Receiver<()>) -> Vec<Complaint> {
        let mut client = None;
        loop {
            let began = Instant::now();
            client = self.look(client).await;
            let pause = if client.is_some() { PAUSE.max(began.elapsed() * REST) } else { PAUSE_AWAY };
            if tokio::time::timeout(pause, &mut stopped).await.is_ok() {
                return self.complaints;
            }
        }
    }

    /// One look; the client, as long as it is good.
    async fn look(&mut self, client: Option<Client>) -> Option<Client> {
        let mut client = match client {
            Some(client) => client,
            None => read::connect(&self.database_url).await.ok()?,
        };
        let books = read::read(&mut client, Scope::OnSale).await.ok()?;
        self.samples.fetch_add(1, Ordering::Relaxed);
        let found = [audit(&books).complaints, self.tokens.compare(&books)].concat();
        let room = COMPLAINTS_MAX - self.complaints.len();
        self.complaints.extend(found.into_iter().take(room));
        Some(client)
    }
}

/// The tokens of the last look.
#[derive(Debug, Default)]
struct Tokens(HashMap<(ShowId, SeatId), i64>);

impl Tokens {
    /// A seat's token never falls.
    fn compare(&mut self, books: &Books) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        for claim in &books.claims {
            let place = (claim.show.clone(), claim.seat.clone());
            let before = self.0.insert(place, claim.token).unwrap_or(claim.token);
            if claim.token < before {
                let text = format!(
                    "the token of {} of {} fell from {before} to {}",
                    claim.seat, claim.show, claim.token
                );
                let at_ns = books.read_at_ns.unwrap_or_default();
                complaints.push(Complaint { at_ns, invariant: 3, show: Some(claim.show.clone()), text });
            }
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Claim, ClaimStatus};
    use super::*;

    fn with_token(token: i64) -> Books {
        let (show, seat) = (ShowId::parse("show_1").unwrap(), SeatId::parse("A1").unwrap());
        let claim = Claim { show, seat, status: ClaimStatus::Free, owner: None, token, expires_at_ns: None };
        Books { read_at_ns: Some(1), claims: vec![claim], ..Books::default() }
    }

    #[test]
    fn a_token_may_stay_and_grow_but_not_fall() {
        let mut tokens = Tokens::default();
        for token in [5, 5, 9] {
            assert!(tokens.compare(&with_token(token)).is_empty());
        }
        let complaints = tokens.compare(&with_token(8));
        assert_eq!(complaints[0].text, "the token of A1 of show_1 fell from 9 to 8");
    }
}
