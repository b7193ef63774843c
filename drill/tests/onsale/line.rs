//! Sold out: who waits is offered what is given back.

use std::time::Duration;

use domain::id::{HoldId, ShowId};
use drill::fleet::{Fleet, until};
use drill::history::{Effect, History, Recorder, Sight, What};
use drill::onsale::{Curve, Plan, run};
use serde_json::json;

use crate::ALONE;

/// Parties of four who pay at once, until nothing is left; the rest stand in line.
fn plan() -> Plan {
    Plan {
        curve: Curve::Steady,
        buyers: Some(100),
        rate: 50.0,
        shows: 1,
        parties: vec![0, 0, 0, 1],
        bots: 0.0,
        abandon: 0.0,
        release: 0.0,
        declined: 0.0,
        payment_timeout: 0.0,
        cancel: 0.0,
        join: 1.0,
        picky: 0.0,
        together: 0.0,
        wheelchair: 0.0,
        leave: 0.0,
        lapse: 0.0,
        think: Duration::from_millis(20),
        patience: Duration::from_secs(2),
        rest_max: Duration::ZERO,
        watchers: 1,
        quiet: true,
        ..Plan::default()
    }
}

/// The show that the run sells, as soon as its watcher is there: before the doors open.
fn show(history: &History) -> Option<ShowId> {
    history.records.iter().find_map(|record| match &record.what {
        What::Saw { sight: Sight::Opened { show }, .. } => Some(show.clone()),
        _ => None,
    })
}

fn waiting(history: &History) -> bool {
    let entered = |what: &What| matches!(what, What::Ok { effect: Effect::Entry { .. }, .. });
    history.records.iter().any(|record| entered(&record.what))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_offered_what_somebody_gives_back_and_takes_it() {
    let _alone = ALONE.lock().await;
    let fleet = Fleet::from_environment().unwrap();
    let recorder = Recorder::new();
    let seller = recorder.clone();
    let url = fleet.url.clone();
    let selling = tokio::spawn(async move { run(&url, &plan(), &seller).await });

    let owner = fleet.buyer().unwrap();
    let show = until("the watcher", async || Ok(show(&recorder.history()))).await.unwrap();
    let held = owner.post(&format!("/api/shows/{show}/holds"), &json!({ "best": 4 })).await.unwrap();
    until("somebody to wait", async || Ok(waiting(&recorder.history()).then_some(()))).await.unwrap();
    let released = owner.delete(&format!("/api/holds/{}", held.text("id").unwrap())).await.unwrap();
    assert_eq!(released.status.as_u16(), 204);

    selling.await.unwrap().unwrap();
    let history = recorder.history();
    let offered: Vec<&HoldId> = history
        .records
        .iter()
        .filter_map(|record| match &record.what {
            What::Saw { sight: Sight::Offer { hold, .. }, .. } => Some(hold),
            _ => None,
        })
        .collect();
    assert!(!offered.is_empty(), "nobody was offered the seats");
    let taken = |what: &What| matches!(what, What::Ok { effect: Effect::Booking { hold, .. }, .. } if offered.contains(&hold));
    assert!(history.records.iter().any(|record| taken(&record.what)), "nobody took them");
}
