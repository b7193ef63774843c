//! Who came too late joins the queue, and is offered the seat when a hold lapses.

use domain::live::ServerFrame;
use drill::buyer::Buyer;
use drill::fleet::{Fleet, until};
use drill::live::Live;
use serde_json::json;

use crate::shows::own_show;

async fn join(buyer: &Buyer, show: &str, seat: &str) -> String {
    let joined = buyer
        .post(&format!("/api/shows/{show}/waitlist"), &json!({ "party": 1, "seats": [seat] }))
        .await
        .unwrap();
    assert_eq!(joined.status.as_u16(), 201, "{}", joined.body);
    joined.text("id").unwrap().to_owned()
}

/// The hold that was offered on the socket.
async fn offered(live: &mut Live) -> String {
    loop {
        if let ServerFrame::Offer { hold_id, .. } = live.next().await.unwrap() {
            return hold_id.to_string();
        }
    }
}

async fn status(buyer: &Buyer, entry: &str) -> String {
    buyer.get(&format!("/api/waitlist/{entry}")).await.unwrap().text("status").unwrap().to_owned()
}

#[tokio::test]
async fn a_lapsed_hold_is_offered_in_order_and_a_lapsed_offer_moves_on() {
    let fleet = Fleet::from_environment().unwrap();
    let (show, rows) = own_show(&fleet).await;
    let seat = rows[0][0].as_str();
    let [owner, first, second, third, street] = std::array::from_fn(|_| fleet.buyer().unwrap());
    assert_eq!(owner.hold(&show, &[seat]).await.unwrap().status, 201);

    let entries =
        [join(&first, &show, seat).await, join(&second, &show, seat).await, join(&third, &show, seat).await];
    for (position, (buyer, entry)) in [&first, &second, &third].into_iter().zip(&entries).enumerate() {
        let answer = buyer.get(&format!("/api/waitlist/{entry}")).await.unwrap();
        assert_eq!(
            (answer.body["status"].as_str(), answer.body["position"].as_u64()),
            (Some("waiting"), Some(position as u64 + 1))
        );
        assert_eq!(street.get(&format!("/api/waitlist/{entry}")).await.unwrap().status, 404);
    }
    // Nobody confirms: the hold lapses, the first is offered the seat, lets it lapse, the second is offered it.
    let (mut first_live, mut second_live) =
        (first.live(None).await.unwrap(), second.live(None).await.unwrap());
    let mut third_live = third.live(None).await.unwrap();
    offered(&mut first_live).await;
    assert_eq!(status(&second, &entries[1]).await, "waiting");
    let hold = offered(&mut second_live).await;
    assert_eq!(
        street.hold(&show, &[seat]).await.unwrap().code(),
        "seats_unavailable",
        "never past the queue"
    );
    until("the first one's offer to be over", async || {
        Ok((status(&first, &entries[0]).await == "closed").then_some(()))
    })
    .await
    .unwrap();

    assert_eq!(second.confirm(&hold, "ok").await.unwrap().status, 201);
    until("the second to be served", async || {
        Ok((status(&second, &entries[1]).await == "fulfilled").then_some(()))
    })
    .await
    .unwrap();
    loop {
        if let ServerFrame::Sold { seats, .. } = third_live.next().await.unwrap() {
            assert_eq!(json!(seats), json!([seat]));
            break;
        }
    }
}

#[tokio::test]
async fn a_released_hold_is_offered_and_who_leaves_gives_it_to_the_next() {
    let fleet = Fleet::from_environment().unwrap();
    let (show, rows) = own_show(&fleet).await;
    let seat = rows[0][0].as_str();
    let [owner, first, second] = std::array::from_fn(|_| fleet.buyer().unwrap());
    let held = owner.hold(&show, &[seat]).await.unwrap();
    let (entry, next) = (join(&first, &show, seat).await, join(&second, &show, seat).await);
    let mut live = second.live(None).await.unwrap();
    assert_eq!(owner.delete(&format!("/api/holds/{}", held.text("id").unwrap())).await.unwrap().status, 204);
    until("the first to be offered the seat", async || {
        Ok((status(&first, &entry).await == "offered").then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(first.delete(&format!("/api/waitlist/{entry}")).await.unwrap().status, 204);
    let offer = offered(&mut live).await;
    assert_eq!(status(&second, &next).await, "offered");
    assert_eq!(second.confirm(&offer, "ok").await.unwrap().status, 201);
}
