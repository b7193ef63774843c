//! Who the client is, told by a sender in front of the balancer before anything else.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{Rig, config};
use crate::tls::{self, Client, Made};
use crate::upstream::Upstream;

const REQUEST: &str = "GET /x HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.1\r\nconnection: close\r\n\r\n";

/// Version 2, with an extension that nobody asked for.
fn told(address: [u8; 4]) -> Vec<u8> {
    let [a, b, c, d] = address;
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0f".to_vec();
    header.extend([a, b, c, d, 10, 0, 0, 1, 0x30, 0x39, 0, 80]);
    header.extend([0x04, 0, 0]);
    header
}

fn from_here(upstream: &Upstream, trusted: &str) -> String {
    let keys =
        format!("[edge]\nheader_seconds = 1\nproxy_protocol_from = [\"127.0.0.0/8\"]\ntrusted = [{trusted}]");
    config(&[upstream]).replace("[edge]", &keys)
}

/// What comes back until the end, or until a reset.
async fn exchange(rig: &Rig, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(rig.public).await.expect("connect");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_client_told_is_the_client() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&from_here(&up, "")).await;
    let line = b"PROXY TCP6 2001:db8::7 ::1 12345 80\r\n".to_vec();
    for (header, client) in [(told([203, 0, 113, 7]), "203.0.113.7"), (line, "2001:db8::7")] {
        let answer = exchange(&rig, &[&header, REQUEST.as_bytes()].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(up.seen().pop().expect("asked").header("x-forwarded-for"), client);
        rig.until("the line is written", || async {
            rig.access_log().last().is_some_and(|line| line["client"] == client)
        })
        .await;
    }
}

/// Pieces arrive as they like.
#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&from_here(&up, "")).await;
    let mut stream = TcpStream::connect(rig.public).await.expect("connect");
    stream.set_nodelay(true).expect("no delay");
    for byte in told([203, 0, 113, 7]) {
        stream.write_all(&[byte]).await.expect("sent");
        tokio::task::yield_now().await;
    }
    stream.write_all(REQUEST.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(up.seen()[0].header("x-forwarded-for"), "203.0.113.7");
}

#[tokio::test]
async fn trust_is_a_matter_of_the_address_told() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&from_here(&up, "\"203.0.113.0/24\"")).await;
    for (address, forwarded_for) in
        [([203, 0, 113, 7], "192.0.2.1, 203.0.113.7"), ([198, 51, 100, 7], "198.51.100.7")]
    {
        exchange(&rig, &[&told(address), REQUEST.as_bytes()].concat()).await;
        assert_eq!(up.seen().pop().expect("asked").header("x-forwarded-for"), forwarded_for);
    }
}

#[tokio::test]
async fn a_sender_may_speak_for_itself() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&from_here(&up, "")).await;
    for header in [&b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"[..], b"PROXY UNKNOWN\r\n"] {
        let answer = exchange(&rig, &[header, REQUEST.as_bytes()].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(up.seen().pop().expect("asked").header("x-forwarded-for"), "127.0.0.1");
    }
}

#[tokio::test]
async fn who_must_tell_and_does_not_is_not_heard() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&from_here(&up, "")).await;
    let short = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x04\x01\x02\x03\x04";
    // The last two never come to an end, and are waited for no longer than a header is.
    for bytes in [REQUEST.as_bytes(), short, b"PROXY TCP4 x\r\n", b"", b"PROXY TCP4 203.0"] {
        assert_eq!(exchange(&rig, bytes).await, "", "{:?}", String::from_utf8_lossy(bytes));
    }
    assert!(up.seen().is_empty());
    // Those and the one that found out whether the listener is open.
    let refused = "marquee_balancer_proxy_headers_refused_total";
    rig.until("all are counted", || async { rig.metric(refused).await >= 5 }).await;
}

#[tokio::test]
async fn from_anybody_else_it_is_a_bad_request() {
    let up = Upstream::start("a").await;
    let listed = config(&[&up]).replace("[edge]", "[edge]\nproxy_protocol_from = [\"192.0.2.0/24\"]");
    for config in [config(&[&up]), listed] {
        let rig = Rig::start(&config).await;
        for header in [told([203, 0, 113, 7]), b"PROXY TCP4 203.0.113.7 10.0.0.1 1 80\r\n".to_vec()] {
            let answer = exchange(&rig, &[&header, REQUEST.as_bytes()].concat()).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        }
        assert!(rig.raw(REQUEST).await.starts_with("HTTP/1.1 200"));
    }
    assert!(up.seen().iter().all(|seen| seen.header("x-forwarded-for") == "127.0.0.1"));
}

#[tokio::test]
async fn it_comes_before_tls() {
    let up = Upstream::start("a").await;
    let made = Made::new(&["seats.example"]);
    let (_rig, address) = tls::start(&from_here(&up, ""), &[&made]).await;
    let mut stream = TcpStream::connect(address).await.expect("connect");
    stream.write_all(&told([203, 0, 113, 7])).await.expect("sent");
    let mut stream = Client::new(&made, "seats.example").over(stream).await.expect("handshake");
    assert!(tls::ask(&mut stream, "/x").await.starts_with("HTTP/1.1 200"));
    let seen = &up.seen()[0];
    assert_eq!((seen.header("x-forwarded-for"), seen.header("x-forwarded-proto")), ("203.0.113.7", "https"));
}
