//! Each policy, chosen by configuration, places real requests as it promises; shares and bounds are counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::rig::{Rig, config};
use crate::socket::{next, open_with};
use crate::upstream::Upstream;

async fn upstreams<const N: usize>() -> [Upstream; N] {
    let mut started = Vec::new();
    for name in ["a", "b", "c"].into_iter().take(N) {
        started.push(Upstream::start(name).await);
    }
    started.try_into().unwrap_or_else(|_| unreachable!("as many as asked for"))
}

/// One pool with these keys, whose endpoints may be silent for long.
fn with(keys: &str, upstreams: &[Upstream]) -> String {
    let upstreams: Vec<&Upstream> = upstreams.iter().collect();
    let config = config(&upstreams).replace("first_byte_ms = 2000", "first_byte_ms = 60000");
    config.replace("[pools.main]\n", &format!("[pools.main]\n{keys}\n"))
}

/// Gives the first endpoint this weight.
fn weighted(config: &str, first: &Upstream, weight: u32) -> String {
    let address = format!("\"{}\"", first.address);
    config.replace(&address, &format!("{{ address = {address}, weight = {weight} }}"))
}

/// How many of so many requests each endpoint answered.
async fn counts(rig: &Rig, requests: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        let answer = rig.get("/who").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.affinity_cookie(), None, "a policy that does not hash needs no cookie");
        *counts.entry(answer.body.split(' ').next().expect("a name").to_owned()).or_default() += 1;
    }
    counts
}

fn expected(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

/// Requests that are never answered, of one client, one after the other.
async fn hold(rig: &Arc<Rig>, upstreams: &[Upstream], requests: usize, cookie: &str) -> JoinSet<()> {
    let mut held = JoinSet::new();
    let seen = || upstreams.iter().map(|upstream| upstream.seen().len()).sum::<usize>();
    for _ in 0..requests {
        let (before, request) = (seen(), rig.client.get(rig.url("/silent")).header("cookie", cookie));
        held.spawn(async move {
            // It ends with the test.
            let _ = request.send().await;
        });
        rig.until("the request has arrived", || async { seen() > before }).await;
    }
    held
}

fn silent(upstream: &Upstream) -> usize {
    upstream.seen().iter().filter(|seen| seen.path == "/silent").count()
}

#[tokio::test]
async fn round_robin_takes_turns_by_weight() {
    let ups = upstreams::<3>().await;
    let config = weighted(&with("policy = \"round_robin\"", &ups), &ups[0], 2);
    let rig = Rig::start(&config).await;
    assert_eq!(counts(&rig, 40).await, expected(&[("a", 20), ("b", 10), ("c", 10)]));
    ups[1].set_ready(false);
    rig.until_state(ups[1].address, "out").await;
    assert_eq!(counts(&rig, 30).await, expected(&[("a", 20), ("c", 10)]));
}

#[tokio::test]
async fn least_request_leaves_the_busy_alone() {
    let ups = upstreams::<2>().await;
    let rig = Arc::new(Rig::start(&with("policy = \"least_request\"", &ups)).await);
    let idle = counts(&rig, 100).await;
    assert!(idle.values().all(|count| (20..=80).contains(count)), "{idle:?}");
    let _held = hold(&rig, &ups, 1, "").await;
    let free = if silent(&ups[0]) == 0 { "a" } else { "b" };
    assert_eq!(counts(&rig, 30).await, expected(&[(free, 30)]));
    // The next that stays goes to the other one, and so on.
    let _more = hold(&rig, &ups, 9, "").await;
    assert_eq!((silent(&ups[0]), silent(&ups[1])), (5, 5));
}

/// One client with 60 requests in flight: its endpoint may have 1.25 × a third of them.
#[tokio::test]
async fn a_bounded_load_passes_the_rest_on() {
    for policy in ["ring_hash", "maglev"] {
        let ups = upstreams::<3>().await;
        let rig = Arc::new(Rig::start(&with(&format!("policy = \"{policy}\""), &ups)).await);
        let first = rig.get("/who").await;
        let (cookie, home) = (first.affinity_cookie().expect("a cookie"), first.body);
        let home = ups.iter().position(|upstream| home.starts_with(&upstream.name)).expect("one of them");

        let _few = hold(&rig, &ups, 16, &cookie).await;
        assert_eq!(silent(&ups[home]), 16, "{policy}: a few requests do not move a client");
        let _many = hold(&rig, &ups, 44, &cookie).await;
        let loads: Vec<usize> = ups.iter().map(silent).collect();
        assert_eq!(loads.iter().sum::<usize>(), 60);
        assert!(loads.iter().all(|load| *load <= 25), "{policy}: {loads:?}");
        assert_eq!(loads[home], 25, "{policy}: its own endpoint has as many as it may");
    }
}

#[tokio::test]
async fn without_a_bound_a_client_stays_whatever_it_does() {
    let ups = upstreams::<3>().await;
    let rig = Arc::new(Rig::start(&with("load_factor = 0", &ups)).await);
    let cookie = rig.get("/who").await.affinity_cookie().expect("a cookie");
    let _held = hold(&rig, &ups, 40, &cookie).await;
    assert_eq!(ups.iter().map(silent).max(), Some(40));
}

#[tokio::test]
async fn open_sockets_are_no_load() {
    let ups = upstreams::<2>().await;
    let rig = Rig::start(&with("", &ups)).await;
    let first = rig.get("/who").await;
    let (cookie, home) = (first.affinity_cookie().expect("a cookie"), first.body[..1].to_owned());
    let mut sockets = Vec::new();
    for number in 1..=40 {
        let mut socket = open_with(rig.public, "cookie", &cookie).await;
        assert_eq!(next(&mut socket).await, home, "the client moved with {number} sockets");
        sockets.push(socket);
    }
    let address = ups.iter().find(|upstream| upstream.name == home).expect("one of them").address;
    let counted = format!(
        "\"address\":\"{address}\",\"weight\":1,\"state\":\"healthy\",\"in_flight\":0,\"sockets\":40"
    );
    rig.until(&counted, || async { rig.admin("/status").await.body.contains(&counted) }).await;
    for mut socket in sockets {
        socket.close(None).await.expect("closed");
    }
    rig.until("none is counted", || async { !rig.admin("/status").await.body.contains("\"sockets\":40") })
        .await;
}
