//! A small crowd, for as long as the on-sale's buyers are not here.

use anyhow::Result;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::task::JoinSet;

use crate::buyer::{Answer, Buyer};
use crate::history::{Call, Effect, Recorder, Step, What};
use crate::walk::upcoming;

const VISITORS: u64 = 12;
const VISITS: usize = 10;

/// One round.
pub(super) async fn run(url: &str, seed: u64, recorder: &Recorder) -> Result<()> {
    let Ok(shows) = shows(url).await else { return Ok(()) };
    let mut visitors = JoinSet::new();
    for at in 0..VISITORS {
        let (url, recorder, shows) = (url.to_owned(), recorder.clone(), shows.clone());
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(VISITORS).wrapping_add(at));
        visitors.spawn(async move {
            for _ in 0..VISITS {
                let Some(show) = shows.choose(&mut chance) else { return };
                // What goes wrong is written down.
                drop(visit(&url, show, chance.random_bool(0.1), &recorder).await);
            }
        });
    }
    visitors.join_all().await;
    Ok(())
}

async fn shows(url: &str) -> Result<Vec<String>> {
    let buyer = Buyer::new(url)?;
    let popular = buyer.get("/api/movies/popular?limit=5").await?;
    let mut shows = Vec::new();
    for movie in popular.list("movies")? {
        shows.extend(upcoming(&buyer, movie["id"].as_str().unwrap_or_default()).await?);
    }
    Ok(shows)
}

async fn visit(url: &str, show: &str, buys: bool, recorder: &Recorder) -> Result<()> {
    let buyer = Buyer::new(url)?;
    for (step, path) in [
        (Step::Page, "/"),
        (Step::Popular, "/api/movies/popular"),
        (Step::Seats, &format!("/api/shows/{show}/seats")),
        (Step::Bookings, "/api/bookings"),
    ] {
        note(recorder, Call::Read { step }, buyer.get(path)).await?;
    }
    let call = || Call::Read { step: Step::Hold };
    let path = format!("/api/shows/{show}/holds");
    let held = note(recorder, call(), buyer.post(&path, &json!({ "best": 1 }))).await?;
    let id = held.text("id")?;
    if buys {
        note(recorder, call(), buyer.confirm(id, "ok")).await?;
    } else {
        note(recorder, call(), buyer.delete(&format!("/api/holds/{id}"))).await?;
    }
    Ok(())
}

async fn note(
    recorder: &Recorder,
    call: Call,
    asked: impl Future<Output = Result<Answer>>,
) -> Result<Answer> {
    let op = recorder.invoke(1, call);
    let answer = asked.await;
    recorder.record(match &answer {
        Ok(answer) if answer.status.is_success() => {
            What::Ok { op, status: answer.status.as_u16(), effect: Effect::Nothing }
        }
        Ok(answer) => What::Info { op, status: Some(answer.status.as_u16()), why: answer.code().to_owned() },
        Err(error) => What::Info { op, status: None, why: format!("{error:#}") },
    });
    answer
}
