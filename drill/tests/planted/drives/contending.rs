//! A crowd that wants the same three seats, again and again.

use domain::id::HoldId;
use tokio::task::JoinSet;

use crate::actor::Actor;
use crate::stage::Scene;

const BUYERS: usize = 12;
const ROUNDS: usize = 3;
const SEATS: usize = 3;

/// Everybody tries for one or two of the seats, and whoever gets them buys, gives back, or buys and takes that back.
pub(crate) async fn contend(scene: Scene) {
    let watcher = scene.actor().watch().await;
    let mut crowd = JoinSet::new();
    for at in 0..BUYERS {
        let scene = scene.clone();
        crowd.spawn(async move { come_again(&scene, at).await });
    }
    crowd.join_all().await;
    drop(watcher);
}

async fn come_again(scene: &Scene, at: usize) {
    let actor = scene.actor();
    for round in 0..ROUNDS {
        let first = (at + round) % SEATS;
        let wanted = if (at + round).is_multiple_of(4) {
            vec![scene.seats[first].clone(), scene.seats[(first + 1) % SEATS].clone()]
        } else {
            vec![scene.seats[first].clone()]
        };
        let key = format!("contending-{at}-{round}");
        if let Some(hold) = actor.hold(&wanted, &key).await {
            decide(&actor, &hold, &key, at + round).await;
        }
    }
}

async fn decide(actor: &Actor, hold: &HoldId, key: &str, how: usize) {
    match how % 3 {
        0 => actor.release(hold).await,
        1 => {
            if let Some(booking) = actor.confirm(hold, key, "ok").await {
                actor.cancel(&booking).await;
            }
        }
        _ => drop(actor.confirm(hold, key, "ok").await),
    }
}
