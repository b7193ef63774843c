//! Holds that nobody wants in the end, whose buyers listen.

use std::time::Duration;

use tokio::task::JoinSet;

use super::OVER;
use crate::stage::Scene;

const BUYERS: usize = 24;
/// How long somebody who was told listens on.
const AGAIN: Duration = Duration::from_secs(1);

/// Everybody holds a seat of their own, all at once, and lets it lapse with an open socket.
pub(crate) async fn lapse(scene: Scene) {
    let mut sockets = Vec::new();
    for _ in 0..BUYERS {
        let actor = scene.actor();
        let socket = actor.watch().await;
        sockets.push((actor, socket));
    }
    let mut crowd = JoinSet::new();
    for (at, (actor, mut socket)) in sockets.into_iter().enumerate() {
        let scene = scene.clone();
        crowd.spawn(async move {
            actor.hold(&scene.seats[at..=at], &format!("lapsing-{at}")).await;
            // Perhaps they are told, and perhaps again.
            let mut within = OVER;
            while socket.expired(within).await {
                within = AGAIN;
            }
        });
    }
    crowd.join_all().await;
}
