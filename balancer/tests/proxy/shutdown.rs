//! The way down: quick when idle, patient with requests in flight, closed to new ones, exit code 0.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::rig::{Answer, Rig, config};
use crate::upstream::Upstream;

/// So long that a test in which it counts fails.
fn patient(upstream: &Upstream) -> String {
    config(&[upstream]).replace("[edge]", "[edge]\ndrain_seconds = 3600")
}

#[tokio::test]
async fn idle_it_ends_with_0() {
    for name in ["TERM", "INT"] {
        let up = Upstream::start("a").await;
        let mut rig = Rig::start(&patient(&up)).await;
        assert_eq!(rig.get("/x").await.status, 200);
        rig.signal(name);
        assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
        assert_eq!(rig.access_log().len(), 1, "the last line was written");
    }
}

#[tokio::test]
async fn a_request_in_flight_is_answered_first() {
    let up = Upstream::start("a").await;
    let mut rig = Rig::start(&patient(&up)).await;
    let request = tokio::spawn(Answer::of(rig.client.get(rig.url("/slow"))));
    rig.until("the request is there", || async { !up.seen().is_empty() }).await;
    rig.signal("TERM");
    rig.until("it says that it is not ready", || async { rig.admin("/readyz").await.status == 503 }).await;
    let answer = request.await.expect("no panic");
    assert_eq!((answer.status, answer.body.as_str()), (200, "a /slow 1"));
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
}

/// It is told to leave and does not hear it.
#[tokio::test]
async fn a_socket_whose_client_is_deaf_is_not_waited_for() {
    let up = Upstream::start("a").await;
    let mut rig = Rig::start(&patient(&up)).await;
    let url = format!("ws://{}/socket", rig.public);
    let _socket = tokio_tungstenite::connect_async(url).await.expect("upgraded");
    rig.signal("TERM");
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
}

/// Whoever balances in front needs a moment to see that this one is no longer ready.
#[tokio::test]
async fn under_notice_it_still_serves_and_says_goodbye() {
    let up = Upstream::start("a").await;
    let config = patient(&up).replace("notice_seconds = 0", "notice_seconds = 3600");
    let mut rig = Rig::start(&config).await;
    assert_ne!(rig.get("/x").await.header("connection"), "close");
    rig.signal("TERM");
    rig.until("it says that it is not ready", || async { rig.admin("/readyz").await.status == 503 }).await;
    // The first on the connection that was kept, the second on a new one.
    for _ in 0..2 {
        let answer = rig.get("/x").await;
        assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    }
    rig.signal("TERM");
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
}

async fn connect(address: SocketAddr, start: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    stream.write_all(start.as_bytes()).await.expect("sent");
    stream
}

#[tokio::test]
async fn after_its_notice_it_lets_nobody_in_and_ends_what_began() {
    let up = Upstream::start("a").await;
    let mut rig = Rig::start(&patient(&up)).await;
    let mut kept = connect(rig.public, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(kept.read(&mut [0; 1024]).await.expect("an answer") > 0);
    let mut fresh = TcpStream::connect(rig.public).await.expect("connect");
    let mut begun = connect(rig.public, "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n").await;
    rig.until("it has begun", || async {
        rig.admin("/status").await.body.contains("\"requests_in_flight\":1")
    })
    .await;

    rig.signal("TERM");
    rig.until("nobody is let in", || async { TcpStream::connect(rig.public).await.is_err() }).await;
    assert_eq!(
        kept.read(&mut [0; 1024]).await.expect("no reset"),
        0,
        "a connection without a request is closed"
    );

    let mut answers = [String::new(), String::new()];
    // Whoever was let in before may ask once.
    fresh.write_all(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    fresh.read_to_string(&mut answers[0]).await.expect("answered");
    begun.write_all(b"body").await.expect("sent");
    begun.read_to_string(&mut answers[1]).await.expect("answered");
    for answer in &answers {
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.to_lowercase().contains("connection: close"),
            "{answer}"
        );
    }
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
}

/// Asks again and again until it is not answered; how often it was.
async fn insist(url: String) -> usize {
    let client = reqwest::Client::new();
    let mut answered = 0;
    while let Ok(answer) = Answer::try_of(client.post(&url).body("x")).await {
        assert_eq!(answer.status, 200, "{}", answer.body);
        answered += 1;
    }
    answered
}

/// There is always something in flight.
#[tokio::test]
async fn under_load_what_began_is_answered_and_an_end_is_found() {
    const CLIENTS: usize = 30;
    let up = Upstream::start("a").await;
    let mut rig = Rig::start(&patient(&up)).await;
    let mut load = JoinSet::new();
    for _ in 0..CLIENTS {
        load.spawn(insist(rig.url("/slow")));
    }
    rig.until("the load is on", || async { up.seen().len() > 3 * CLIENTS }).await;
    rig.signal("TERM");
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
    let answered: usize = load.join_all().await.into_iter().sum();
    assert_eq!(answered, up.seen().len(), "what reached the endpoint and was answered");
}
