//! A request goes to another endpoint when that cannot change what it does, and only then.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::rig::{Answer, Rig, config};
use crate::upstream::Upstream;

/// Checks so rare that only the request itself can find out.
pub(crate) fn unchecked(upstreams: &[&Upstream]) -> String {
    config(upstreams).replace("interval_ms = 50", "interval_ms = 3600000")
}

fn asked(upstreams: &[&Upstream], path: &str) -> usize {
    upstreams.iter().flat_map(|upstream| upstream.seen()).filter(|seen| seen.path == path).count()
}

#[tokio::test]
async fn a_refused_connect_goes_elsewhere_whatever_the_method() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&unchecked(&[&a, &b])).await;
    let address = a.kill().await;
    for _ in 0..20 {
        let answer = Answer::of(rig.client.post(rig.url("/echo")).body("once")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "once"));
    }
    assert_eq!(asked(&[&b], "/echo"), 20);
    rig.until_state(address, "out").await;
    assert_eq!(rig.metric("marquee_balancer_retries_total{pool=\"main\",reason=\"connect\"}").await, 1);
}

#[tokio::test]
async fn what_may_be_repeated_is_sent_to_everybody_before_it_fails() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&unchecked(&[&a, &b])).await;
    let answer = rig.get("/broken").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem()["code"], "upstream_unavailable");
    assert_eq!((asked(&[&a], "/broken"), asked(&[&b], "/broken")), (1, 1));

    let keyed = rig.client.post(rig.url("/keyed/broken")).header("idempotency-key", "k").body("twice");
    assert_eq!(Answer::of(keyed).await.status, 503);
    for up in [&a, &b] {
        let bodies: Vec<_> =
            up.seen().into_iter().filter(|seen| seen.path == "/keyed/broken").map(|s| s.body).collect();
        assert_eq!(bodies, ["twice"], "the body was sent whole both times");
    }
}

#[tokio::test]
async fn a_post_without_a_key_is_sent_exactly_once() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&unchecked(&[&a, &b])).await;
    let answer = Answer::of(rig.client.post(rig.url("/broken")).body("once")).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.problem()["code"], "upstream_failed");
    assert_eq!(asked(&[&a, &b], "/broken"), 1);
}

/// What `Connection` names is for this hop alone, so the service never saw the key.
#[tokio::test]
async fn a_key_that_is_not_passed_on_makes_nothing_repeatable() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&unchecked(&[&a, &b])).await;
    let request = rig.client.post(rig.url("/broken")).body("once");
    let request = request.header("idempotency-key", "k").header("connection", "idempotency-key");
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.problem()["code"], "upstream_failed");
    assert_eq!(asked(&[&a, &b], "/broken"), 1);
}

#[tokio::test]
async fn silence_is_504() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("first_byte_ms = 2000", "first_byte_ms = 100")).await;
    let answer = Answer::of(rig.client.post(rig.url("/silent")).body("x")).await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.problem()["code"], "upstream_timeout");
}

#[tokio::test]
async fn the_service_s_own_errors_are_passed_on_once() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&config(&[&a, &b])).await;
    let answer = rig.get("/failing").await;
    assert_eq!((answer.status, answer.body.as_str()), (500, "the service's own error"));
    assert_eq!(asked(&[&a, &b], "/failing"), 1);
}

/// What one endpoint lacks another may have: a Postgres that it reaches, or a place in its queue.
#[tokio::test]
async fn a_503_is_asked_of_another_endpoint_where_that_is_safe() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    // Otherwise the unable one would soon be ejected.
    let rig = Rig::start(&(config(&[&a, &b]) + "[pools.main.outlier]\nenabled = false\n")).await;
    for _ in 0..10 {
        assert_eq!(rig.get("/unable-a").await.status, 200);
        let keyed = rig.client.post(rig.url("/unable-a")).body("once").header("idempotency-key", "k");
        assert_eq!(Answer::of(keyed).await.status, 200);
    }
    assert_eq!(asked(&[&b], "/unable-a"), 20);
    let retried = asked(&[&a], "/unable-a") as u64;
    assert!(retried > 0, "the unable one was never picked");
    let counted = "marquee_balancer_retries_total{pool=\"main\",reason=\"unable\"}";
    rig.until_metric(counted, retried).await;
    assert!(b.seen().iter().filter(|seen| seen.method == "POST").all(|seen| seen.body == "once"));

    // Nobody knows what a second one would do.
    let before = asked(&[&a, &b], "/unable-a");
    let answers = [(); 40].map(|()| Answer::of(rig.client.post(rig.url("/unable-a")).body("once")));
    let refused =
        futures_util::future::join_all(answers).await.iter().filter(|answer| answer.status == 503).count();
    assert_eq!(asked(&[&a, &b], "/unable-a"), before + 40);
    assert!(refused > 0, "the unable one was never picked");
    // Nobody else is there to ask: the client gets the service's own words.
    let last = rig.get("/unable").await;
    assert_eq!((last.status, last.body.ends_with(" is unable")), (503, true), "{}", last.body);
    assert_eq!(asked(&[&a, &b], "/unable"), 2);
}

#[tokio::test]
async fn the_budget_bounds_second_sends() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let budget = "[retry]\nbudget_percent = 0\nbudget_burst = 3\n";
    let rig = Rig::start(&format!("{budget}{}", unchecked(&[&a, &b]))).await;
    for _ in 0..10 {
        assert_eq!(rig.get("/broken").await.status, 503);
    }
    assert_eq!(asked(&[&a, &b], "/broken"), 13);
    assert_eq!(rig.metric("marquee_balancer_retries_refused_total{pool=\"main\"}").await, 7);
}

/// What an endpoint does with requests other than checks, which it passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Reset,
    Silence,
}

/// An endpoint with a fault, that counts the requests that meet it.
pub(crate) async fn faulty(fault: Fault, met: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_zero_linger().expect("linger");
            let mut start = [0; 11];
            let read = stream.read_exact(&mut start).await;
            if read.is_ok() && start == *b"GET /readyz" {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).await.expect("answered");
                // Until the other side has read it and closed.
                let _ = stream.read_to_end(&mut Vec::new()).await;
                continue;
            }
            met.fetch_add(1, Ordering::Relaxed);
            if fault == Fault::Silence {
                held.push(stream);
            }
        }
    });
    address
}

#[tokio::test]
async fn a_reset_before_the_first_byte_goes_elsewhere() {
    let b = Upstream::start("b").await;
    let resets = Arc::new(AtomicUsize::new(0));
    let endpoint = format!("endpoints = [\"{}\", ", faulty(Fault::Reset, resets.clone()).await);
    let rig = Rig::start(&unchecked(&[&b]).replace("endpoints = [", &endpoint)).await;
    for _ in 0..40 {
        assert_eq!(rig.get("/x").await.status, 200);
    }
    assert!(resets.load(Ordering::Relaxed) > 0, "the resetting endpoint was never picked");
}

/// Load from many clients while endpoints are killed and come back: nobody sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_one_of_two_under_load_shows_no_client_an_error() {
    let (mut a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Arc::new(Rig::start(&config(&[&a, &b])).await);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for number in 0..24_usize {
        let (rig, stop, done) = (rig.clone(), stop.clone(), done.clone());
        clients.spawn(async move {
            let client = reqwest::Client::builder().cookie_store(true).build().expect("client");
            while !stop.load(Ordering::Relaxed) {
                let request = match number % 3 {
                    0 => client.get(rig.url("/x")),
                    1 => client.delete(rig.url("/x")),
                    _ => client.post(rig.url("/echo")).header("idempotency-key", "k").body("body"),
                };
                let answer = Answer::of(request).await;
                assert_eq!(answer.status, 200, "{}\n{}", answer.body, rig.stderr());
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for _ in 0..5 {
        more(&rig, &done, 300).await;
        let address = a.kill().await;
        more(&rig, &done, 300).await;
        a = Upstream::start_on("a", address).await;
        rig.until_state(address, "healthy").await;
    }
    more(&rig, &done, 300).await;
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    assert!(!a.seen().is_empty(), "the returned endpoint takes part again");
    let retried = rig.metric("marquee_balancer_retries_total{pool=\"main\",reason=\"connect\"}").await
        + rig.metric("marquee_balancer_retries_total{pool=\"main\",reason=\"broken\"}").await;
    assert!(retried > 0, "the kills were never met");
}

async fn more(rig: &Rig, done: &AtomicUsize, count: usize) {
    let goal = done.load(Ordering::Relaxed) + count;
    rig.until("more requests were answered", || async { done.load(Ordering::Relaxed) >= goal }).await;
}
