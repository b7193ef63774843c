//! Holds that last longer than they were to, and money that comes later still.

use std::time::Duration;

use domain::id::SeatId;

use super::OVER;
use crate::stage::Scene;

/// How long a hold of this fleet lasts, and a moment more: it is over then, unless it was given more time.
const HELD: Duration = Duration::from_millis(2_300);
/// So long before a hold's deadline somebody pays who has little time left.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// A bank that takes longer than there is time for, and one that does not.
const TOO_SLOW: &str = "slow_2200";
const SLOW: &str = "slow_600";

/// One extends their hold and another wants its seat; one pays at the last moment; and two are paid too late, of whom one has lost
/// the seat meanwhile.
pub(crate) async fn outstay(scene: Scene) {
    let seat = |at: usize| &scene.seats[at..=at];
    tokio::join!(
        extend(&scene, seat(0)),
        pay_late(&scene, seat(1), SLOW, false),
        pay_late(&scene, seat(2), TOO_SLOW, false),
        pay_late(&scene, seat(3), TOO_SLOW, true),
    );
}

async fn extend(scene: &Scene, seat: &[SeatId]) {
    let (owner, other) = (scene.actor(), scene.actor());
    let mut socket = owner.watch().await;
    let Some(hold) = owner.hold(seat, "outstaying-extended").await else { return };
    owner.extend(&hold).await;
    // Once is all.
    owner.extend(&hold).await;
    tokio::time::sleep(HELD).await;
    other.hold(seat, "outstaying-wanted").await;
    socket.expired(OVER).await;
}

/// Pays shortly before the deadline, while somebody else perhaps wants the seat as soon as it is free.
async fn pay_late(scene: &Scene, seat: &[SeatId], bank: &str, wanted: bool) {
    let (owner, other) = (scene.actor(), scene.actor());
    let mut socket = owner.watch().await;
    let key = format!("outstaying-{bank}-{wanted}");
    let Some(hold) = owner.hold(seat, &key).await else { return };
    tokio::time::sleep(HELD.saturating_sub(LAST_MOMENT)).await;
    let take = async {
        if wanted && socket.expired(OVER).await {
            other.hold(seat, &key).await;
        }
    };
    tokio::join!(owner.confirm(&hold, &key, bank), take);
}
