//! What a fleet says of itself to those who operate it: lines of one shape, traces from a request to what it causes, and never a
//! secret.
//!
//! One fleet of its own, with a secret planted wherever one is configured; buyers who bring some more; then programs that are told
//! wrong passwords and wrong databases.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod collector;
mod lines;
mod lone;
mod planted;
#[path = "../fleet/shows.rs"]
mod shows;
mod stage;
mod story;

use collector::Collector;
use stage::Stage;

/// From a buyer's request to the frame on another one's socket.
const WAY: [&str; 5] = [
    "balancer: DELETE /api/holds/**",
    "reservations: DELETE /api/holds/{id}",
    "waitlist: process SeatsEscrowed",
    "reservations: POST /internal/escrows/{id}/offers",
    "reservations: push SeatsOffered",
];

#[tokio::test]
async fn requests_are_followed_to_what_they_cause_in_lines_of_one_shape_that_show_no_secret() {
    let collector = Collector::start().await;
    let stage = Stage::set(collector.address).await;
    let offer = story::a_seat_that_is_given_back_is_offered(&stage.fleet).await;
    let (mut way, client) = collector.way_to(&offer.trace, WAY[4]).await;
    way.reverse();
    way.retain(|title| !title.ends_with("write"));
    assert_eq!((way, client), (WAY.map(str::to_owned).to_vec(), offer.span.clone()));
    let mut said = story::bad_requests(&stage.fleet).await;
    said.extend(stage.metrics().await);
    said.extend(lone::troubles(&stage).await);
    let logs = stage.end();
    lines::expect_one_shape(&logs);
    lines::expect_ids(&logs, &offer);
    said.extend(logs);
    planted::expect_none(&said);
}
