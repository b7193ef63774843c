//! Plain sales, side by side: nobody is in anybody's way.

use tokio::task::JoinSet;

use crate::stage::Scene;

const BUYERS: usize = 9;

/// Everybody buys a seat of their own.
pub(crate) async fn sell(scene: Scene) {
    let mut crowd = JoinSet::new();
    for at in 0..BUYERS {
        let scene = scene.clone();
        crowd.spawn(async move {
            let actor = scene.actor();
            if let Some(hold) = actor.hold(&scene.seats[at..=at], &format!("selling-{at}")).await {
                actor.confirm(&hold, &format!("selling-{at}"), "ok").await;
            }
        });
    }
    crowd.join_all().await;
}
