//! How many connections one client may have open, whoever it comes through.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::connect_async;

use crate::rig::{Rig, config};
use crate::upstream::Upstream;

const REFUSED: &str = "marquee_balancer_client_connections_refused_total";

/// A balancer where a client may have so many connections, with these other keys of `[edge]`. All that found out whether its listener
/// is open are closed.
async fn with(most: usize, edge: &str) -> (Rig, Upstream) {
    let up = Upstream::start("a").await;
    let config = config(&[&up]).replace("[edge]", &format!("[edge]\n{edge}"));
    let rig = Rig::start(&format!("{config}\n[limits]\nclient_connections_max = {most}\n")).await;
    (rig, up)
}

/// A connection that begins with these bytes and stays open; none when it is not let in.
async fn connected(rig: &Rig, first: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(rig.public).await.expect("connect");
    let request = format!("{first}GET /x HTTP/1.1\r\nhost: x\r\n\r\n");
    // It may be closed before it was heard.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.ok()?;
    assert_eq!(&start, b"HTTP/1.1 200");
    Some(stream)
}

#[tokio::test]
async fn a_client_has_as_many_as_it_may_and_then_one_for_each_that_it_closes() {
    let (rig, _up) = with(2, "").await;
    rig.until("there is room for one", || async { connected(&rig, "").await.is_some() }).await;
    let mut open = Vec::new();
    while let Some(stream) = connected(&rig, "").await {
        open.push(stream);
        assert!(open.len() <= 2, "they are not counted");
    }
    assert!(rig.metric(REFUSED).await >= 1);
    open.pop();
    rig.until("its place is free", || async { connected(&rig, "").await.is_some() }).await;
}

#[tokio::test]
async fn a_socket_is_one_of_them_until_it_is_closed() {
    let (rig, _up) = with(1, "").await;
    let url = format!("ws://{}/live/socket", rig.public);
    let mut socket = None;
    while socket.is_none() {
        socket = connect_async(&url).await.ok();
    }
    // The handshake is over and Pingora has let go of it when the log would have its line.
    rig.until_metric("marquee_balancer_requests_total{class=\"1xx\",pool=\"main\",route=\"/**\"}", 1).await;
    assert!(connected(&rig, "").await.is_none());
    drop(socket);
    rig.until("its place is free", || async { connected(&rig, "").await.is_some() }).await;
}

#[tokio::test]
async fn clients_that_a_sender_names_are_counted_and_the_sender_is_not() {
    let (rig, _up) = with(1, "proxy_protocol_from = [\"127.0.0.0/8\"]").await;
    let named = |client: &str| format!("PROXY TCP4 {client} 10.0.0.1 12345 80\r\n");
    let one = connected(&rig, &named("203.0.113.1")).await.expect("let in");
    assert!(connected(&rig, &named("203.0.113.1")).await.is_none());
    let _two = connected(&rig, &named("203.0.113.2")).await.expect("let in");
    let _checks = [connected(&rig, "PROXY UNKNOWN\r\n").await, connected(&rig, "PROXY UNKNOWN\r\n").await]
        .map(|check| check.expect("let in"));
    assert_eq!(rig.metric(REFUSED).await, 1);
    drop(one);
    let again = || async { connected(&rig, &named("203.0.113.1")).await.is_some() };
    rig.until("its place is free", again).await;
}

#[tokio::test]
async fn who_is_trusted_to_come_for_others_has_as_many_as_it_likes() {
    let (rig, _up) = with(1, "trusted = [\"127.0.0.0/8\"]").await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(connected(&rig, "").await.expect("let in"));
    }
    assert_eq!(rig.metric(REFUSED).await, 0);
}
