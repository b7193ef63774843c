//! A WebSocket through the balancer: many upgrades, long silence, and their counting.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::retry::{Fault, faulty, unchecked};
use crate::rig::{Rig, config};
use crate::upstream::Upstream;

/// Enough that an upgrade torn down by a fast answer (Pingora issue 946) would show; `MARQUEE_TEST_UPGRADES` asks for more.
const UPGRADES: usize = 1_000;
/// Opened at the same time.
const AT_ONCE: usize = 20;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn open(address: std::net::SocketAddr) -> Socket {
    open_with(address, "x-forwarded-for", "9.9.9.9").await
}

/// With one header.
pub(crate) async fn open_with(address: std::net::SocketAddr, name: &'static str, value: &str) -> Socket {
    let mut request = format!("ws://{address}/live/socket").into_client_request().expect("request");
    request.headers_mut().insert(name, value.parse().expect("value"));
    connect_async(request).await.expect("upgraded").0
}

pub(crate) async fn next(socket: &mut Socket) -> String {
    socket.next().await.expect("open").expect("a frame").into_text().expect("text").to_string()
}

/// The greeting is sent with the 101, so it also shows that early bytes are not lost.
async fn talk(address: std::net::SocketAddr) {
    let mut socket = open(address).await;
    assert_eq!(next(&mut socket).await, "a");
    for text in ["one", "two"] {
        socket.send(text.into()).await.expect("sent");
        assert_eq!(next(&mut socket).await, text);
    }
    socket.close(None).await.expect("closed");
}

#[tokio::test]
async fn many_upgrades_all_echo() {
    let wanted = std::env::var("MARQUEE_TEST_UPGRADES").ok().and_then(|count| count.parse().ok());
    let upgrades = wanted.unwrap_or(UPGRADES) / AT_ONCE * AT_ONCE;
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    for _ in 0..upgrades / AT_ONCE {
        let mut talks = JoinSet::new();
        for _ in 0..AT_ONCE {
            talks.spawn(talk(rig.public));
        }
        talks.join_all().await;
    }
    assert_eq!(up.seen().len(), upgrades);
    rig.until_metric("marquee_balancer_upgrades_open", 0).await;
}

#[tokio::test]
async fn a_socket_leaves_its_line_when_it_is_over() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    let mut socket = open(rig.public).await;
    assert_eq!(next(&mut socket).await, "a");
    rig.until_metric("marquee_balancer_requests_total{class=\"1xx\",pool=\"main\",route=\"/**\"}", 1).await;
    let long = "x".repeat(100_000);
    socket.send(long.clone().into()).await.expect("sent");
    assert_eq!(next(&mut socket).await, long);
    assert!(rig.access_log().is_empty());
    socket.close(None).await.expect("closed");
    while socket.next().await.is_some() {}
    rig.until("the line is written", || async { rig.access_log().len() == 1 }).await;
    let line = &rig.access_log()[0];
    assert_eq!((&line["status"], &line["endpoint"]), (&101.into(), &up.address.to_string().into()));
    assert!(line["bytes"].as_u64().expect("a number") > 100_000, "{line}");
    rig.until_metric("marquee_balancer_upgrades_open", 0).await;
}

#[tokio::test]
async fn an_upgrade_passes_the_same_checks_and_silence_does_not_end_it() {
    let up = Upstream::start("a").await;
    // Every timeout that could end a quiet socket is far shorter than the silence below.
    let short = "[edge]\nheader_seconds = 1\nbody_idle_seconds = 1\nkeepalive_seconds = 1";
    let config =
        config(&[&up]).replace("[edge]", short).replace("first_byte_ms = 2000", "first_byte_ms = 500");
    let rig = Rig::start(&config).await;
    let mut socket = open(rig.public).await;
    assert_eq!(next(&mut socket).await, "a");
    assert_eq!(up.seen()[0].header("x-forwarded-for"), "127.0.0.1");
    rig.until_metric("marquee_balancer_upgrades_open", 1).await;

    let refused = connect_async(format!("ws://{}/internal/socket", rig.public)).await;
    assert!(refused.is_err(), "an upgrade slipped past the list of paths never routed");

    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    socket.send("still here".into()).await.expect("sent");
    assert_eq!(next(&mut socket).await, "still here");
}

#[tokio::test]
async fn an_upgrade_goes_to_another_endpoint_when_one_refuses() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&config(&[&a, &b]).replace("interval_ms = 50", "interval_ms = 3600000")).await;
    b.kill().await;
    for _ in 0..20 {
        talk(rig.public).await;
    }
}

/// Handshakes until some have met an endpoint with this fault; a healthy one is asked then.
async fn survives(fault: Fault) {
    let b = Upstream::start("b").await;
    let met = Arc::new(AtomicUsize::new(0));
    let endpoint = format!("endpoints = [\"{}\", ", faulty(fault, met.clone()).await);
    let config = unchecked(&[&b]).replace("endpoints = [", &endpoint);
    let rig = Rig::start(&config.replace("first_byte_ms = 2000", "first_byte_ms = 500")).await;
    while met.load(Ordering::Relaxed) < 3 {
        let mut socket = open(rig.public).await;
        assert_eq!(next(&mut socket).await, "b");
        socket.send("echo".into()).await.expect("sent");
        assert_eq!(next(&mut socket).await, "echo");
    }
}

#[tokio::test]
async fn an_upgrade_goes_to_another_endpoint_when_one_breaks_off() {
    survives(Fault::Reset).await;
}

#[tokio::test]
async fn an_upgrade_goes_to_another_endpoint_when_one_is_silent() {
    survives(Fault::Silence).await;
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    let error = connect_async(format!("ws://{}/x", rig.public)).await.expect_err("not a socket");
    assert!(error.to_string().contains("200"), "{error}");
    assert_eq!(rig.get("/x").await.status, 200);
}

#[tokio::test]
async fn an_offer_of_another_protocol_is_ignored() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    let request = rig.client.post(rig.url("/echo")).header("connection", "Upgrade, HTTP2-Settings");
    let request =
        request.header("upgrade", "h2c").header("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA").body("body");
    let answer = crate::rig::Answer::of(request).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "body"));
    assert_eq!(up.seen()[0].header("upgrade"), "");
}

#[tokio::test]
async fn an_upgrade_without_an_answer_is_504_and_leaves_a_line() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("first_byte_ms = 2000", "first_byte_ms = 100")).await;
    let error = connect_async(format!("ws://{}/silent", rig.public)).await.expect_err("nobody answers");
    let Error::Http(answer) = error else { panic!("not an answer: {error}") };
    let body = String::from_utf8(answer.body().clone().expect("a body")).expect("text");
    assert_eq!(answer.status(), 504, "{body}");
    assert!(body.contains("\"code\":\"upstream_timeout\""), "{body}");
    rig.until("the line is written", || async { rig.access_log().len() == 1 }).await;
    assert_eq!(rig.access_log()[0]["status"], 504);
    let counted = "marquee_balancer_requests_total{class=\"5xx\",pool=\"main\",route=\"/**\"}";
    rig.until_metric(counted, 1).await;
}
