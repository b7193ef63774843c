//! A line for one seat.

use super::OVER;
use crate::stage::Scene;

/// One has the seat, three wait for it in turn. The first lets the offer lapse, the second leaves, the third buys.
pub(crate) async fn stand_in_line(scene: Scene) {
    let seat = &scene.seats[..1];
    let owner = scene.actor();
    let hold = owner.hold(seat, "lining-0").await;
    let mut line = Vec::new();
    for at in 1..=3 {
        let actor = scene.actor();
        let socket = actor.watch().await;
        let entry = actor.join(seat, &format!("lining-{at}")).await;
        line.push((actor, socket, entry));
    }
    if let Some(hold) = hold {
        owner.release(&hold).await;
    }
    let mut turns = line.into_iter().enumerate().map(|(at, (actor, mut socket, entry))| async move {
        let Some(offer) = socket.offered(2 * OVER).await else { return };
        match (at, entry) {
            (0, _) => drop(socket.expired(OVER).await),
            (1, Some(entry)) => actor.leave(&entry).await,
            _ => drop(actor.confirm(&offer, "lining", "ok").await),
        }
    });
    let turns = std::array::from_fn::<_, 3, _>(|_| turns.next().expect("three stand in line"));
    let [first, second, third] = turns;
    tokio::join!(first, second, third);
}
