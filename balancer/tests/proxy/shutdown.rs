//! The way down: quick when idle, patient with requests in flight, exit code 0.

use crate::rig::{Answer, Rig, config};
use crate::upstream::Upstream;

#[tokio::test]
async fn idle_it_ends_at_once_with_0() {
    for name in ["TERM", "INT"] {
        let up = Upstream::start("a").await;
        let mut rig = Rig::start(&config(&[&up])).await;
        assert_eq!(rig.get("/x").await.status, 200);
        rig.signal(name);
        assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
        assert_eq!(rig.access_log().len(), 1, "the last line was written");
    }
}

#[tokio::test]
async fn a_request_in_flight_is_answered_first() {
    let up = Upstream::start("a").await;
    let mut rig = Rig::start(&config(&[&up])).await;
    let request = tokio::spawn(Answer::of(rig.client.get(rig.url("/slow"))));
    rig.until("the request is there", || async { !up.seen().is_empty() }).await;
    rig.signal("TERM");
    rig.until("it says that it is not ready", || async { rig.admin("/readyz").await.status == 503 }).await;
    let answer = request.await.expect("no panic");
    assert_eq!((answer.status, answer.body.as_str()), (200, "a /slow 1"));
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
}

#[tokio::test]
async fn an_open_socket_is_not_waited_for() {
    let up = Upstream::start("a").await;
    let mut rig = Rig::start(&config(&[&up]).replace("[edge]", "[edge]\ndrain_seconds = 3600")).await;
    let url = format!("ws://{}/socket", rig.public);
    let _socket = tokio_tungstenite::connect_async(url).await.expect("upgraded");
    rig.signal("TERM");
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
}
