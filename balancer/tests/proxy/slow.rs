//! Clients that take their time on purpose: each of them is let go, and whoever is honest does not notice.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::rig::{Rig, config};
use crate::upstream::{LARGE_BYTES, Upstream};

/// As many as come at the same time.
const ATTACKERS: usize = 500;
/// Of those who take nothing: each has its answer of several megabytes in the memory of this test, which is the endpoint.
const TAKERS: usize = 50;
/// Between two bytes of one of them.
const PAUSE: Duration = Duration::from_millis(100);

/// All attackers at once, while honest requests are made one after the other; what each attacker was told in the end.
async fn attack<F>(rig: &Rig, attacker: fn(SocketAddr) -> F) -> Vec<String>
where
    F: Future<Output = String> + Send + 'static,
{
    let mut attackers = JoinSet::new();
    for _ in 0..ATTACKERS {
        attackers.spawn(attacker(rig.public));
    }
    let mut told = Vec::new();
    while told.len() < ATTACKERS {
        tokio::select! {
            one = attackers.join_next() => told.push(one.expect("one is left").expect("no panic")),
            answer = rig.get("/honest") => assert_eq!(answer.status, 200, "an honest request suffered"),
        }
    }
    assert_eq!(rig.get("/honest").await.status, 200);
    told
}

fn slow_clients(waited_for: &str) -> String {
    format!("marquee_balancer_slow_clients_total{{waited_for=\"{waited_for}\"}}")
}

/// Sends a start, then a byte now and then, until there is an end.
async fn drip(address: SocketAddr, start: &'static str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    stream.write_all(start.as_bytes()).await.expect("sent");
    let (mut read, mut write) = stream.split();
    let drip = async {
        while write.write_all(b"1").await.is_ok() {
            tokio::time::sleep(PAUSE).await;
        }
        std::future::pending::<()>().await;
    };
    let mut heard = Vec::new();
    tokio::select! {
        // An end or a reset.
        _ = read.read_to_end(&mut heard) => {}
        () = drip => {}
    }
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn headers_that_drip() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("[edge]", "[edge]\nheader_seconds = 1")).await;
    let told = attack(&rig, |address| drip(address, "GET /x HTTP/1.1\r\nhost: x\r\nx-drip: ")).await;
    assert!(told.iter().all(String::is_empty), "{told:?}");
    assert!(up.seen().iter().all(|seen| seen.path == "/honest"));
    rig.until_metric(&slow_clients("header"), ATTACKERS as u64).await;
}

/// Whoever is quiet between two requests is no slow client. The time is told by those who are.
#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_header_may_take() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("[edge]", "[edge]\nheader_seconds = 1")).await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(rig.public).await.expect("connect");
        ask(&mut stream, "").await;
        idle.push(stream);
    }
    for _ in 0..2 {
        assert_eq!(rig.raw("GET /x HTTP/1.1\r\nhost: x\r\nx-slow: ").await, "");
    }
    for mut stream in idle {
        ask(&mut stream, "connection: close\r\n").await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("closed in good order");
    }
}

/// Asks, and reads how the answer begins.
async fn ask(stream: &mut TcpStream, field: &str) {
    stream.write_all(format!("HEAD /x HTTP/1.1\r\nhost: x\r\n{field}\r\n").as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("it was cut"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

/// A next request on a kept connection has as long for its header as the first.
#[tokio::test]
async fn a_next_header_that_does_not_come_to_its_end() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("[edge]", "[edge]\nheader_seconds = 1")).await;
    let mut stream = TcpStream::connect(rig.public).await.expect("connect");
    ask(&mut stream, "").await;
    stream.write_all(b"GET /x HTTP/1.1\r\nhost: x\r\nx-slow: ").await.expect("sent");
    let mut rest = Vec::new();
    let cut = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
    cut.expect("it is cut").expect("closed in good order");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn bodies_that_drip() {
    let up = Upstream::start("a").await;
    let keys = "[edge]\nbody_grace_seconds = 1\nbody_bytes_per_second_min = 100";
    let rig = Rig::start(
        &config(&[&up]).replace("[edge]", keys).replace("first_byte_ms = 2000", "first_byte_ms = 60000"),
    )
    .await;
    let told = attack(&rig, |address| {
        drip(address, "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n")
    })
    .await;
    for answer in told {
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
    }
    assert!(up.seen().iter().all(|seen| seen.path == "/honest"));
    rig.until_metric(&slow_clients("body"), ATTACKERS as u64).await;
}

/// Part of a body that is long enough to be passed on as it comes.
const BEGUN: &str = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nhalf";

/// Of these, `keys` of the pool, and bodies as long as those.
fn with_long_bodies(upstreams: &[&Upstream], keys: &str) -> String {
    let config = config(upstreams).replace("[edge]", "[edge]\nbody_bytes_max = 100000");
    config.replace("first_byte_ms = 2000", keys)
}

/// A body whose rest does not come while its endpoint waits for it is the client's silence, not the endpoint's.
#[tokio::test]
async fn a_body_that_keeps_its_endpoint_waiting_is_408_too() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&with_long_bodies(&[&up], "first_byte_ms = 300")).await;
    let answer = rig.raw(BEGUN).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
}

/// Else whoever sends halves of bodies could have an endpoint ejected.
#[tokio::test]
async fn an_endpoint_is_not_blamed_for_bodies_that_do_not_come() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let keys = "first_byte_ms = 300\nhash_on = \"client\"\nload_factor = 0";
    let rig = Rig::start(&with_long_bodies(&[&a, &b], keys)).await;
    let asked = rig.get("/x").await.body.remove(0);
    for _ in 0..3 {
        let halves = [rig.raw(BEGUN), rig.raw(BEGUN), rig.raw(BEGUN)];
        for answer in futures_util::future::join_all(halves).await {
            assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        }
    }
    assert_eq!(rig.get("/x").await.body.remove(0), asked, "{}", rig.stderr());
}

/// Asks for much and takes a little of it now and then; how much it got.
async fn sip(address: SocketAddr, bytes: usize) -> usize {
    let socket = TcpSocket::new_v4().expect("socket");
    socket.set_recv_buffer_size(4 * 1024).expect("buffer");
    let mut stream = socket.connect(address).await.expect("connect");
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("sent");
    let (mut some, mut got) = (vec![0; bytes], 0);
    while let Ok(read @ 1..) = stream.read(&mut some).await {
        got += read;
        tokio::time::sleep(PAUSE).await;
    }
    got
}

/// Bodies that are not whole, and answers that are not taken, more than the pool lets in at once.
#[tokio::test]
async fn slow_clients_take_no_place_of_the_pool() {
    let up = Upstream::start("a").await;
    let limits = "\n[pools.main.limits]\nin_flight_max = 2\nqueue_wait_ms = 300\n";
    let rig = Rig::start(&(config(&[&up]) + limits)).await;
    let (mut slow, public) = (JoinSet::new(), rig.public);
    for start in ["content-length: 60000", "transfer-encoding: chunked"] {
        for _ in 0..5 {
            let mut stream = TcpStream::connect(rig.public).await.expect("connect");
            let begun = format!("POST /echo HTTP/1.1\r\nhost: x\r\n{start}\r\n\r\n5\r\n");
            stream.write_all(begun.as_bytes()).await.expect("sent");
            slow.spawn(async move { drip_on(stream).await });
            slow.spawn(async move {
                sip(public, 1).await;
            });
        }
    }
    rig.until("all who read slowly are answered", || async { up.seen().len() == 10 }).await;
    for _ in 0..50 {
        assert_eq!(rig.get("/honest").await.status, 200);
    }
    assert_eq!(slow.len(), 20);
}

async fn drip_on(mut stream: TcpStream) {
    while stream.write_all(b"1").await.is_ok() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// The client is told that its body is wanted; the endpoint has it already, and tells nobody.
#[tokio::test]
async fn a_client_may_wait_until_its_body_is_wanted() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    let mut stream = TcpStream::connect(rig.public).await.expect("connect");
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.expect("told");
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(up.seen().is_empty());
    stream.write_all(b"body").await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("body"), "{answer}");
    assert_eq!(up.seen()[0].header("expect"), "");
}

/// Whether the kernel has something left for clients of this address.
fn unread(address: SocketAddr) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("this machine's connections");
    let local = format!(":{:04X}", address.port());
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(&local) && !fields[4].starts_with("00000000:")
    })
}

/// Whoever was let go could still drink what the kernel had kept for it; so the balancer is asked who was let go.
#[tokio::test]
async fn answers_that_are_not_taken() {
    let up = Upstream::start("a").await;
    let keys = "[edge]\nwrite_seconds = 1\nanswer_bytes_per_second_min = 100000";
    // The endpoint is a part of this test, and has much to do too.
    let config = config(&[&up]).replace("[edge]", keys).replace("timeout_ms = 1000", "timeout_ms = 10000");
    let rig = Rig::start(&config.replace("first_byte_ms = 2000", "first_byte_ms = 20000")).await;
    let mut attackers = JoinSet::new();
    for _ in 0..TAKERS {
        attackers.spawn(sip(rig.public, 1));
    }
    while rig.metric(&slow_clients("answer")).await < TAKERS as u64 {
        let answer = rig.get("/honest").await;
        assert_eq!(answer.status, 200, "an honest request suffered: {answer:?}");
    }
    assert_eq!(rig.get("/honest").await.status, 200);
    rig.until("the kernel keeps nothing for them", || async { !unread(rig.public) }).await;
}

/// Asks for so many large answers on one connection, and takes them at three megabytes a second; how much it got.
async fn take_steadily(address: SocketAddr, answers: usize) -> usize {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let requests = "GET /large HTTP/1.1\r\nhost: x\r\n\r\n".repeat(answers - 1);
    let last = "GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all((requests + last).as_bytes()).await.expect("sent");
    let (mut some, mut got) = (vec![0; 64 * 1024], 0);
    while stream.read_exact(&mut some).await.is_ok() {
        got += some.len();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    got
}

/// No single write waits for as long as one may, so nothing but the pace of all of them can end it.
#[tokio::test]
async fn an_answer_that_is_taken_steadily_but_slowly() {
    let up = Upstream::start("a").await;
    let keys = "[edge]\nwrite_seconds = 2\nanswer_bytes_per_second_min = 8000000";
    let rig = Rig::start(&config(&[&up]).replace("[edge]", keys)).await;
    let got = take_steadily(rig.public, 6).await;
    assert!((LARGE_BYTES / 2..5 * LARGE_BYTES).contains(&got), "it got {got} bytes");
    rig.until_metric(&slow_clients("answer"), 1).await;
    assert_eq!(rig.get("/large").await.body.len(), LARGE_BYTES, "who reads gets all of it");
}

/// Says that it is ready, begins every answer, and then drips for ever.
async fn dripping_endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let read = stream.read(&mut request).await.unwrap_or(0);
                if request[..read].starts_with(b"GET /readyz") {
                    let _ = stream
                        .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                        .await;
                    return;
                }
                let mut piece = &b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"[..];
                while stream.write_all(piece).await.is_ok() {
                    piece = b"x";
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_request_has_only_so_much_time_in_all() {
    let up = Upstream::start("a").await;
    let total =
        |config: String| config.replace("first_byte_ms = 2000", "first_byte_ms = 60000\ntotal_ms = 500");
    let rig = Rig::start(&total(config(&[&up]))).await;
    let answer = rig.get("/silent").await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.problem()["code"], "upstream_timeout");
    assert_eq!(rig.get("/x").await.status, 200);

    let address = dripping_endpoint().await;
    let drips = config(&[&up]).replace(&up.address.to_string(), &address.to_string());
    let rig = Rig::start(&total(drips)).await;
    let answer = rig.raw("GET /x HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.len() < 1_000, "{answer}");
    rig.until("its line is written", || async { rig.access_log().len() == 1 }).await;
    let line = &rig.access_log()[0];
    // Whoever saw it first, the watch over all connections or the next piece of the answer.
    assert!(line["error"].is_string(), "{line}");
}
