//! Visitors who do what visitors do until told to stop, and remember every answer they should not have got.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use drill::buyer::Buyer;
use drill::fleet::{Fleet, until};
use drill::walk::upcoming;
use serde_json::json;
use tokio::task::JoinSet;

/// How many at once.
const VISITORS: usize = 8;

/// A crowd on the fleet.
pub(crate) struct Crowd {
    visitors: JoinSet<Vec<String>>,
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
}

impl Crowd {
    /// Sends the crowd in.
    pub(crate) async fn start(fleet: &Fleet) -> Self {
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let shows = shows(fleet).await;
        let mut visitors = JoinSet::new();
        for at in 0..VISITORS {
            let (fleet, stop, rounds) = (fleet.clone(), Arc::clone(&stop), Arc::clone(&rounds));
            let show = shows[at % shows.len()].clone();
            visitors.spawn(async move {
                let mut complaints = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    complaints.extend(visit(&fleet, &show).await);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
                complaints
            });
        }
        let crowd = Self { visitors, stop, rounds };
        crowd.goes_on().await;
        crowd
    }

    /// Returns when everybody could have finished another round.
    pub(crate) async fn goes_on(&self) {
        let seen = self.rounds.load(Ordering::Relaxed);
        let enough = seen + 2 * VISITORS as u64;
        until("the crowd to go on", async || {
            Ok((self.rounds.load(Ordering::Relaxed) >= enough).then_some(()))
        })
        .await
        .unwrap();
    }

    /// Sends everybody home; returns what they complain about.
    pub(crate) async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.visitors.join_all().await.concat()
    }
}

/// The last shows of popular films: those that the other tests do not take first.
async fn shows(fleet: &Fleet) -> Vec<String> {
    let buyer = fleet.buyer().unwrap();
    let popular = buyer.get("/api/movies/popular?limit=20").await.unwrap();
    let mut shows = Vec::new();
    for movie in popular.list("movies").unwrap() {
        let upcoming = upcoming(&buyer, movie["id"].as_str().unwrap()).await.unwrap();
        shows.extend(upcoming.into_iter().last());
    }
    assert!(!shows.is_empty(), "the popular films have shows");
    shows
}

/// One visit: pages, lists, seats, a hold, a place in line, and all given back. Returns every answer that is a 5xx or none.
async fn visit(fleet: &Fleet, show: &str) -> Vec<String> {
    let buyer = fleet.buyer().unwrap();
    let mut complaints = Vec::new();
    for path in [
        "/",
        "/api/movies/popular",
        &format!("/api/shows/{show}"),
        &format!("/api/shows/{show}/seats"),
        "/api/bookings",
    ] {
        note(&mut complaints, path, buyer.get(path).await);
    }
    let holds = format!("/api/shows/{show}/holds");
    if let Some(held) = note(&mut complaints, &holds, buyer.post(&holds, &json!({ "best": 1 })).await) {
        give_back(&buyer, &mut complaints, "/api/holds", &held).await;
    }
    let waitlist = format!("/api/shows/{show}/waitlist");
    if let Some(entry) =
        note(&mut complaints, &waitlist, buyer.post(&waitlist, &json!({ "party": 10 })).await)
    {
        give_back(&buyer, &mut complaints, "/api/waitlist", &entry).await;
    }
    complaints
}

async fn give_back(buyer: &Buyer, complaints: &mut Vec<String>, kind: &str, id: &str) {
    let path = format!("{kind}/{id}");
    note(complaints, &path, buyer.delete(&path).await);
}

/// Writes down what should not be; returns the id of what was made.
fn note(
    complaints: &mut Vec<String>,
    what: &str,
    answer: anyhow::Result<drill::buyer::Answer>,
) -> Option<String> {
    match answer {
        Ok(answer) if answer.status.is_server_error() => {
            complaints.push(format!("{what}: {} {}", answer.status, answer.body));
        }
        Ok(answer) if answer.status == 201 => return answer.body["id"].as_str().map(str::to_owned),
        Ok(_) => {}
        Err(error) => complaints.push(format!("{what}: {error:#}")),
    }
    None
}
