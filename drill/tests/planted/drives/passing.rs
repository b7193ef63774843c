//! A seat that comes free while somebody waits for it, and somebody from the street who tries to be faster.

use super::OVER;
use crate::stage::Scene;

/// One has the seat, one waits for it. As soon as it is given back, a third one asks for it.
pub(crate) async fn pass_by(scene: Scene) {
    let seat = &scene.seats[..1];
    let (owner, waiter, street) = (scene.actor(), scene.actor(), scene.actor());
    let hold = owner.hold(seat, "passing-owner").await;
    let mut socket = waiter.watch().await;
    waiter.join(seat, "passing-waiter").await;
    if let Some(hold) = hold {
        owner.release(&hold).await;
    }
    street.hold(seat, "passing-street").await;
    if let Some(offer) = socket.offered(OVER).await {
        waiter.confirm(&offer, "passing-waiter", "ok").await;
    }
}
