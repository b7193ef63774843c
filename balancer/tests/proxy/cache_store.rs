//! The store under load: crowds make one fetch, readers start with the first byte, scans push out nothing that is asked for often,
//! and its bounds hold.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::origin::{Reply, hit, start, start_with};
use crate::rig::{Answer, Rig};

const CROWD: usize = 2_000;

/// Asks on a connection of its own, which costs a crowd less than a client for each does.
async fn ask(rig: &Rig, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(rig.public).await.expect("connect");
    let host = rig.public;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test]
async fn two_thousand_who_ask_for_one_expired_answer_are_one_fetch() {
    rlimit::increase_nofile_limit(4 * CROWD as u64).expect("as many connections");
    let (origin, rig) = start_with("[cache]\nlock_wait_ms = 20000\n").await;
    let rig = Arc::new(rig);
    origin.put("/cached/a", Reply::cached("old", "max-age=1").with("etag", "\"v1\""));
    rig.get("/cached/a").await;
    origin.put("/cached/a", Reply::cached("new", "max-age=60").with("etag", "\"v2\"").held());
    // The first to find it expired is held at the origin.
    let first = tokio::spawn({
        let rig = rig.clone();
        async move {
            rig.until("it is new", || async { rig.get("/cached/a").await.body == "new" }).await;
        }
    });
    rig.until("it is expired", || async { origin.asked() == 2 }).await;
    let mut crowd = JoinSet::new();
    let mut streams = Vec::new();
    for _ in 0..CROWD {
        streams.push(ask(&rig, "/cached/a").await);
    }
    rig.until("all wait", || async {
        rig.metric("marquee_balancer_requests_in_flight").await >= CROWD as u64
    })
    .await;
    for stream in streams {
        crowd.spawn(rest(stream));
    }
    origin.release(1);
    let answers = crowd.join_all().await;
    let right = |answer: &&String| answer.starts_with("HTTP/1.1 200") && answer.ends_with("new");
    assert_eq!(answers.iter().find(|answer| !right(answer)), None);
    first.await.expect("it is new");
    assert_eq!(origin.asked(), 2);
}

/// Each is more than Pingora gathers before it sends.
fn halves() -> (String, String) {
    ("a".repeat(5_000), "b".repeat(5_000))
}

/// The origin holds the other half back, and some of the first one has come.
async fn half_read(rig: &Rig) -> (TcpStream, Vec<u8>) {
    let (mut stream, mut read) = (ask(rig, "/cached/a").await, Vec::new());
    while !read.ends_with(&[b'a'; 1_000]) {
        assert_ne!(stream.read_buf(&mut read).await.expect("more"), 0, "an early end");
    }
    (stream, read)
}

fn two_halves() -> Reply {
    let (first, second) = halves();
    Reply::cached(&format!("{first}{second}"), "max-age=60").held_after(first.len())
}

#[tokio::test]
async fn who_asks_meanwhile_gets_the_first_byte_while_the_origin_still_sends() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", two_halves());
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(half_read(&rig).await);
    }
    assert_eq!(origin.asked(), 1);
    origin.release(1);
    for (stream, read) in readers {
        let whole = String::from_utf8(read).expect("text") + &rest(stream).await;
        assert!(whole.ends_with(&format!("\r\n\r\n{}{}", halves().0, halves().1)));
    }
    assert!(hit(&rig.get("/cached/a").await));
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_the_fetch() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", two_halves());
    drop(half_read(&rig).await);
    origin.release(1);
    rig.until("it is stored", || async { rig.metric("marquee_balancer_cache_entries").await == 1 }).await;
    assert!(hit(&rig.get("/cached/a").await));
}

/// What breaks off is told to whoever reads it, and is not stored.
#[tokio::test]
async fn an_answer_that_breaks_off_is_not_stored() {
    let (mut origin, rig) = start().await;
    origin.put("/cached/a", two_halves());
    let readers = [half_read(&rig).await, half_read(&rig).await];
    origin.kill().await;
    for (mut stream, mut read) in readers {
        // A reset says it as well as an early end.
        let _ = stream.read_to_end(&mut read).await;
        assert!(read.ends_with(b"a"), "{}", String::from_utf8_lossy(&read));
    }
    assert_eq!(rig.metric("marquee_balancer_cache_entries").await, 0);
    rig.until("nothing is on its way", || async { rig.metric("marquee_balancer_cache_bytes").await == 0 })
        .await;
}

#[tokio::test]
async fn a_wait_for_another_ends_and_the_origin_is_asked() {
    let (origin, rig) = start_with("[cache]\nlock_wait_ms = 100\n").await;
    origin.put("/cached/a", Reply::cached("slow", "max-age=60").held());
    let first = ask(&rig, "/cached/a").await;
    rig.until("it was asked", || async { origin.asked() == 1 }).await;
    let second = ask(&rig, "/cached/a").await;
    rig.until("it was asked again", || async { origin.asked() == 2 }).await;
    origin.release(2);
    for stream in [first, second] {
        assert!(rest(stream).await.ends_with("slow"));
    }
}

/// Nobody queues up for what is for each of them alone.
#[tokio::test]
async fn who_is_known_not_to_be_answered_from_the_store_does_not_wait() {
    let (origin, rig) = start().await;
    origin.put("/cached/own", Reply::cached("own", "private"));
    rig.get("/cached/own").await;
    origin.put("/cached/own", Reply::cached("own", "private").held());
    let mut crowd = JoinSet::new();
    for _ in 0..20 {
        crowd.spawn(Answer::of(rig.client.get(rig.url("/cached/own"))));
    }
    rig.until("all are with the origin", || async { origin.asked() == 21 }).await;
    origin.release(20);
    assert!(crowd.join_all().await.iter().all(|answer| answer.body == "own"));
}

#[tokio::test]
async fn a_scan_of_things_asked_for_once_does_not_push_out_the_popular_ones() {
    let body = "x".repeat(1_000);
    let (origin, rig) = start_with("[cache]\nbytes_max = 400000\nobject_bytes_max = 10000\n").await;
    for path in ["/cached/popular", "/cached/scan"] {
        origin.put(path, Reply::cached(&body, "max-age=600"));
    }
    let popular = |number: usize| format!("/cached/popular?{number}");
    for _ in 0..4 {
        for number in 0..20 {
            rig.get(&popular(number)).await;
        }
    }
    assert_eq!(origin.asked(), 20);
    for number in 0..1_500 {
        rig.get(&format!("/cached/scan?{number}")).await;
        if number % 10 == 0 {
            rig.get(&popular(number / 10 % 20)).await;
        }
    }
    assert_eq!(origin.asked(), 20 + 1_500);
    assert!(rig.metric("marquee_balancer_cache_bytes").await <= 400_000);
    assert!(rig.metric("marquee_balancer_cache_evictions_total").await > 1_000);
}

#[tokio::test]
async fn bytes_and_entries_are_bounded() {
    let (origin, rig) =
        start_with("[cache]\nbytes_max = 100000\nentries_max = 30\nobject_bytes_max = 20000\n").await;
    origin.put("/cached/small", Reply::cached("x", "max-age=600"));
    origin.put("/cached/large", Reply::cached(&"x".repeat(20_000), "max-age=600"));
    origin.put("/cached/too-large", Reply::cached(&"x".repeat(20_001), "max-age=600"));
    for number in 0..100 {
        rig.get(&format!("/cached/small?{number}")).await;
    }
    assert!((20..=30).contains(&rig.metric("marquee_balancer_cache_entries").await));
    for number in 0..100 {
        rig.get(&format!("/cached/large?{number}")).await;
        assert!(rig.metric("marquee_balancer_cache_bytes").await <= 100_000 + 22_000);
    }
    for _ in 0..2 {
        let answer = rig.get("/cached/too-large").await;
        assert_eq!((answer.body.len(), hit(&answer)), (20_001, false));
    }
}

#[tokio::test]
async fn what_the_cache_did_is_counted() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("0123456789", "max-age=60").with("age", "7"));
    for _ in 0..3 {
        rig.get("/cached/a").await;
    }
    let metric = async |line: &str, value| rig.until_metric(&format!("marquee_balancer_{line}"), value).await;
    metric("cache_requests_total{result=\"stored\"}", 1).await;
    metric("cache_requests_total{result=\"hit\"}", 2).await;
    metric("cache_sent_bytes_total{result=\"hit\"}", 20).await;
    metric("cache_hit_age_seconds_count", 2).await;
    metric("cache_hit_age_seconds_bucket{le=\"5\"}", 0).await;
    metric("cache_hit_age_seconds_bucket{le=\"30\"}", 2).await;
}
