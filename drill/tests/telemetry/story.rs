//! What visitors do.

use domain::live::ServerFrame;
use drill::buyer::Buyer;
use drill::fleet::Fleet;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::lines::Sent;
use crate::planted::{MARK, Said};
use crate::shows::own_show;

/// Its second half is in every line and span that this story leaves.
pub(crate) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// One buyer waits for a seat, another gives it back, the first is told on the socket. How the giving back was sent.
pub(crate) async fn a_seat_that_is_given_back_is_offered(fleet: &Fleet) -> Sent {
    let (show, rows) = own_show(fleet).await;
    let seat = rows[0][0].as_str();
    let [owner, next] = std::array::from_fn(|_| fleet.buyer().unwrap());
    let held = owner.hold(&show, &[seat]).await.unwrap().expect(StatusCode::CREATED).unwrap();
    let wish = json!({ "party": 1, "seats": [seat] });
    let joined = next.post(&format!("/api/shows/{show}/waitlist"), &wish).await.unwrap();
    joined.expect(StatusCode::CREATED).unwrap();
    let mut live = next.live(None).await.unwrap();

    let path = format!("/api/holds/{}", held.text("id").unwrap());
    let given = owner.send(Method::DELETE, &path, &[("traceparent", TRACE)], None).await.unwrap();
    let given = given.expect(StatusCode::NO_CONTENT).unwrap();
    while !matches!(live.next().await.unwrap(), ServerFrame::Offer { .. }) {}
    let request = given.headers["x-request-id"].to_str().unwrap().to_owned();
    Sent { trace: TRACE[3..35].to_owned(), span: TRACE[36..52].to_owned(), request }
}

/// Requests that are wrong, each with something in it that is nobody's business; the answers.
pub(crate) async fn bad_requests(fleet: &Fleet) -> Vec<Said> {
    let (show, rows) = own_show(fleet).await;
    let buyer = fleet.buyer().unwrap();
    let held = buyer.hold(&show, &[&rows[0][0]]).await.unwrap();
    let place = format!("/api/shows/{show}/holds");
    let confirm = format!("/api/holds/{}/confirm", held.text("id").unwrap());
    let email = format!("{MARK}@marquee.example");
    let mut said = Vec::new();
    for (path, body) in [
        (place.as_str(), json!({ "seats": [] })),
        (&place, json!({ "seats": ["nowhere"], "best": 1 })),
        (&confirm, json!({ "email": email, "payment": { "token": "declined" } })),
        (&confirm, json!({ "email": email, "payment": { "token": format!("{MARK}-card") } })),
        (&confirm, json!({ "email": email, "payment": 5 })),
        (&confirm, json!({ "email": email })),
        ("/api/holds/unknown/confirm", json!({ "email": email, "payment": { "token": "ok" } })),
        ("/api/nothing", json!({ "email": email })),
    ] {
        said.push(answer(&buyer, path, &body).await);
    }
    // What was paid for once is not paid for again by another request under the same key.
    let other = json!({ "email": format!("other-{email}"), "payment": { "token": "ok" } });
    said.push(answer(&buyer, &confirm, &other).await);
    said
}

/// The answer to a request that says more of its sender than anybody should hear.
async fn answer(buyer: &Buyer, path: &str, body: &Value) -> Said {
    let (authorization, key) = (format!("Bearer {MARK}-bearer"), format!("{MARK}-key"));
    let cookie = format!("session={MARK}.{MARK}; affinity={MARK}");
    let query = format!("{path}?token={MARK}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("idempotency-key", &key),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-api-key", &key),
    ];
    let own = buyer.fetch(Method::POST, &query, &headers, Some(body)).await.unwrap();
    let strange = [("cookie", cookie.as_str()), ("authorization", &authorization)];
    let stranger =
        Buyer::new(buyer.base()).unwrap().fetch(Method::POST, &query, &strange, Some(body)).await.unwrap();
    (
        format!("the answer to {path}"),
        format!("{:?}\n{}\n{:?}\n{}", own.headers, own.text, stranger.headers, stranger.text),
    )
}
