//! Keys that are used again: for the same, which is answered as before, and for something else, which is refused.

use crate::stage::Scene;

/// Repeats a hold, a confirmation, a declined one; uses keys for other things; and asks again after a cancellation.
pub(crate) async fn repeat(scene: Scene) {
    let actor = scene.actor();
    let (first, second) = (&scene.seats[..1], &scene.seats[1..2]);
    let held = actor.hold(first, "repeating-hold").await;
    actor.hold(first, "repeating-hold").await;
    actor.hold(second, "repeating-hold").await;
    let other = actor.hold(second, "repeating-other").await;
    if let (Some(hold), Some(other)) = (held, other) {
        actor.confirm(&other, "repeating-declined", "declined").await;
        actor.confirm(&other, "repeating-declined", "declined").await;
        let booking = actor.confirm(&hold, "repeating-confirm", "ok").await;
        actor.confirm(&hold, "repeating-confirm", "ok").await;
        actor.confirm(&other, "repeating-confirm", "ok").await;
        if let Some(booking) = booking {
            actor.cancel(&booking).await;
            actor.confirm(&hold, "repeating-confirm", "ok").await;
        }
    }
}
