//! Endpoints that are looked up: they come and go without a reload, and no error takes one away.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hickory_resolver::proto::op::ResponseCode;

use crate::nameserver::{NameServer, Reply, address, service};
use crate::rig::{Rig, directory, free_address};
use crate::upstream::Upstream;

/// A pool that is checked often and finds its endpoints as this line says.
fn config(source: &str) -> String {
    format!(
        "[edge]\ndrain_notice_seconds = 0\n[[routes]]\nmatch = \"/**\"\npool = \"main\"\n\
         [pools.main]\n{source}\nfirst_byte_ms = 5000\n\
         [pools.main.health]\ninterval_ms = 50\ntimeout_ms = 1000\nrise = 2\nfall = 2\n"
    )
}

fn from_file(path: &Path) -> String {
    config(&format!("file = \"{}\"", path.display()))
}

fn from_dns(server: &NameServer, rest: &str) -> String {
    config(&format!("dns = {{ server = \"{}\", refresh_seconds = 1, {rest} }}", server.address))
}

fn list(endpoints: &[SocketAddr]) -> String {
    let lines: Vec<String> = endpoints.iter().map(|address| format!("  \"{address}\",\n")).collect();
    format!("endpoints = [\n{}]\n", lines.concat())
}

fn write(path: &Path, endpoints: &[SocketAddr]) {
    std::fs::write(path, list(endpoints)).expect("written");
}

/// A list that lies where a balancer can be told of it.
fn listed(endpoints: &[SocketAddr]) -> PathBuf {
    let path = directory().join("endpoints.toml");
    write(&path, endpoints);
    path
}

fn updates(result: &str) -> String {
    format!("marquee_balancer_discovery_updates_total{{pool=\"main\",result=\"{result}\"}}")
}

/// The addresses and weights that the status page shows.
async fn shown(rig: &Rig) -> Vec<(String, u64)> {
    let status: serde_json::Value = serde_json::from_str(&rig.admin("/status").await.body).expect("JSON");
    let endpoints = status["pools"][0]["endpoints"].as_array().expect("a list").iter();
    let of = |endpoint: &serde_json::Value| {
        (
            endpoint["address"].as_str().expect("text").to_owned(),
            endpoint["weight"].as_u64().expect("a number"),
        )
    };
    endpoints.map(of).collect()
}

async fn until_shown(rig: &Rig, wanted: &[(SocketAddr, u64)]) {
    let mut wanted: Vec<(String, u64)> =
        wanted.iter().map(|(at, weight)| (at.to_string(), *weight)).collect();
    wanted.sort();
    rig.until(&format!("the pool is {wanted:?}"), || async {
        let mut shown = shown(rig).await;
        shown.sort();
        shown == wanted
    })
    .await;
}

/// Waits until this one is asked, and then asks more: nobody else is.
async fn until_only(rig: &Rig, name: char) {
    rig.until(&format!("{name} is asked"), || async { rig.get("/x").await.body.starts_with(name) }).await;
    for _ in 0..20 {
        let answer = rig.get("/x").await;
        assert!(answer.status == 200 && answer.body.starts_with(name), "{answer:?}");
    }
}

/// Waits until a look-up has failed for this reason, and then another one.
async fn until_failed(rig: &Rig, why: &str) {
    rig.until(why, || async { rig.stderr().contains(why) }).await;
    let before = rig.metric(&updates("failed")).await;
    rig.until("it fails again", || async { rig.metric(&updates("failed")).await > before }).await;
}

#[tokio::test]
async fn a_file_that_is_edited_or_replaced_is_followed() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let file = listed(&[a.address]);
    let rig = Rig::start(&from_file(&file)).await;
    until_only(&rig, 'a').await;
    write(&file, &[b.address]);
    until_only(&rig, 'b').await;
    let next = file.with_extension("next");
    write(&next, &[a.address]);
    std::fs::rename(&next, &file).expect("renamed");
    until_only(&rig, 'a').await;
    until_shown(&rig, &[(a.address, 1)]).await;
    std::fs::write(&file, format!("endpoints = [{{ address = \"{}\", weight = 3 }}]", a.address))
        .expect("written");
    until_shown(&rig, &[(a.address, 3)]).await;
}

/// As a Kubernetes config map is: the file is a link into a directory that is itself a link, which is replaced.
#[cfg(unix)]
#[tokio::test]
async fn a_link_that_leads_elsewhere_is_followed() {
    use std::os::unix::fs::symlink;
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let directory = directory();
    for (version, upstream) in [("v1", &a), ("v2", &b)] {
        std::fs::create_dir(directory.join(version)).expect("made");
        write(&directory.join(version).join("endpoints.toml"), &[upstream.address]);
    }
    symlink("v1", directory.join("current")).expect("linked");
    symlink("current/endpoints.toml", directory.join("endpoints.toml")).expect("linked");
    let rig = Rig::start(&from_file(&directory.join("endpoints.toml"))).await;
    until_only(&rig, 'a').await;
    symlink("v2", directory.join("next")).expect("linked");
    std::fs::rename(directory.join("next"), directory.join("current")).expect("renamed");
    std::fs::remove_dir_all(directory.join("v1")).expect("removed");
    until_only(&rig, 'b').await;
}

#[tokio::test]
async fn a_file_that_cannot_be_used_changes_nothing_and_is_told_of_once() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let file = listed(&[a.address]);
    let rig = Rig::start(&from_file(&file)).await;
    let sixty_five: Vec<SocketAddr> = (1..=65).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
    let cases = [
        ("endpoints = [\n", "endpoints.toml:1"),
        ("endpoints = []\n", "add one"),
        ("", "missing field `endpoints`"),
        ("endpoints = [\"127.0.0.1:1\"]\ncolour = 1\n", "unknown field `colour`"),
        (
            "endpoints = [\"localhost:1\"]\n",
            "endpoints.toml:1: key `endpoints.0`: `localhost:1` is not an address",
        ),
        ("endpoints = [{ address = \"127.0.0.1:1\", weight = 17 }]\n", "weight must be 1 to 16"),
        (&list(&sixty_five), "more than 64"),
        (&"#".repeat(70_000), "larger than 65536 bytes"),
    ];
    for (text, why) in cases {
        std::fs::write(&file, text).expect("written");
        until_failed(&rig, why).await;
        until_only(&rig, 'a').await;
        assert_eq!(rig.stderr().matches(why).count(), 1, "{}", rig.stderr());
    }
    std::fs::remove_file(&file).expect("removed");
    rig.until("it is missed", || async { rig.stderr().contains("No such file") }).await;
    until_only(&rig, 'a').await;
    write(&file, &[b.address]);
    until_only(&rig, 'b').await;
    rig.until("that is told", || async { rig.stderr().contains("endpoints found again") }).await;
}

#[tokio::test]
async fn a_request_in_flight_ends_on_an_endpoint_that_is_gone() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let file = listed(&[a.address]);
    let rig = Rig::start(&from_file(&file)).await;
    let held = tokio::spawn(crate::rig::Answer::try_of(rig.client.get(rig.url("/held"))));
    rig.until("a has it", || async { !a.seen().is_empty() }).await;
    write(&file, &[b.address]);
    until_only(&rig, 'b').await;
    a.release(1);
    let answer = held.await.expect("ended").expect("an answer");
    assert!(answer.status == 200 && answer.body.starts_with('a'), "{answer:?}");
}

#[tokio::test]
async fn a_new_endpoint_serves_once_a_check_has_passed_and_who_stays_keeps_its_state() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    b.set_ready(false);
    let file = listed(&[a.address]);
    let rig = Rig::start(&from_file(&file)).await;
    let held = tokio::spawn(crate::rig::Answer::try_of(rig.client.get(rig.url("/held"))));
    rig.until("a has it", || async { !a.seen().is_empty() }).await;
    write(&file, &[a.address, b.address]);
    rig.until_state(b.address, "out").await;
    until_only(&rig, 'a').await;
    assert!(b.seen().is_empty());
    let kept = format!("\"address\":\"{}\",\"weight\":1,\"state\":\"healthy\",\"in_flight\":1", a.address);
    rig.until(&kept, || async { rig.admin("/status").await.body.contains(&kept) }).await;
    assert_eq!(rig.admin("/readyz").await.status, 200);
    a.release(1);
    held.await.expect("ended").expect("an answer");
    b.set_ready(true);
    rig.until("b is asked", || async { rig.get("/x").await.body.starts_with('b') }).await;
}

/// Other machines have no second address to listen on.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn addresses_are_followed_and_no_failure_empties_the_pool() {
    let a = Upstream::start("a").await;
    let b = Upstream::start_on("b", SocketAddr::from(([127, 0, 0, 2], a.address.port()))).await;
    let (at_a, at_b) = (vec![address(a.address.ip())], vec![address(b.address.ip())]);
    let server = NameServer::start().await;
    server.set("main.test", Reply::Records(at_a.clone()));
    let rest = format!("name = \"main.test\", port = {}", a.address.port());
    let rig = Rig::start(&from_dns(&server, &rest)).await;
    until_only(&rig, 'a').await;
    let failures = [
        (Reply::Refusal(ResponseCode::ServFail), "Server Failure"),
        (Reply::Refusal(ResponseCode::NXDomain), "`main.test` does not exist"),
        (Reply::Records(Vec::new()), "has no A record"),
        (Reply::CutOff(at_b.clone()), "unexpected end of input"),
        (Reply::Garbage, "protocol error"),
        (Reply::Silence, "no answer in time"),
    ];
    for (reply, why) in failures {
        server.set("main.test", reply);
        until_failed(&rig, why).await;
        until_only(&rig, 'a').await;
    }
    server.set("main.test", Reply::Records(at_b));
    until_only(&rig, 'b').await;
    // Too large for a datagram, so it comes by TCP.
    server.set("main.test", Reply::TooLarge(at_a));
    until_only(&rig, 'a').await;
}

#[tokio::test]
async fn services_are_used_by_priority_and_weight() {
    let (a, b, c) = (Upstream::start("a").await, Upstream::start("b").await, Upstream::start("c").await);
    let server = NameServer::start().await;
    let here = Reply::Records(vec![address(a.address.ip())]);
    server.set("one.test", here.clone());
    server.set("two.test", here);
    let service = |priority, weight, upstream: &Upstream, host| {
        service(priority, weight, upstream.address.port(), host)
    };
    let services = vec![
        service(20, 100, &c, "two.test"),
        service(10, 100, &a, "one.test"),
        service(10, 300, &b, "one.test"),
    ];
    server.set("_http._tcp.main.test", Reply::Records(services));
    let rig = Rig::start(&from_dns(&server, "name = \"_http._tcp.main.test\", kind = \"srv\"")).await;
    until_shown(&rig, &[(a.address, 1), (b.address, 3)]).await;
    for _ in 0..20 {
        assert!(rig.get("/x").await.body.starts_with(['a', 'b']));
    }
    // A host that cannot be looked up may well be there.
    server.set("one.test", Reply::Refusal(ResponseCode::ServFail));
    until_failed(&rig, "Server Failure").await;
    until_shown(&rig, &[(a.address, 1), (b.address, 3)]).await;
    server.set("one.test", Reply::Refusal(ResponseCode::NXDomain));
    until_shown(&rig, &[(c.address, 1)]).await;
    until_only(&rig, 'c').await;
}

#[tokio::test]
async fn a_pool_that_nobody_has_found_yet_answers_503_until_somebody_does() {
    let up = Upstream::start("a").await;
    let path = directory().join("endpoints.toml");
    let rig = Rig::start(&from_file(&path)).await;
    let answer = rig.get("/x").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(rig.get("/healthz").await.problem()["pools"], serde_json::json!(["main"]));
    write(&path, &[up.address]);
    rig.until("it is found", || async { rig.get("/x").await.status == 200 }).await;
}

#[tokio::test]
async fn the_status_page_tells_how_looking_goes() {
    let up = Upstream::start("a").await;
    let file = listed(&[up.address]);
    let rig = Rig::start(&from_file(&file)).await;
    let discovery = || async {
        let status: serde_json::Value = serde_json::from_str(&rig.admin("/status").await.body).expect("JSON");
        status["pools"][0]["discovery"].clone()
    };
    let going_well = discovery().await;
    assert_eq!(going_well["source"], format!("file {}", file.display()));
    assert!(going_well["age_seconds"].is_u64() && going_well["error"].is_null(), "{going_well}");
    std::fs::write(&file, "endpoints = []").expect("written");
    rig.until("the error is shown", || async {
        discovery().await["error"].as_str().is_some_and(|error| error.contains("a pool needs an endpoint"))
    })
    .await;
    let gone = format!("marquee_balancer_endpoint_up{{endpoint=\"{}\",pool=\"main\"}}", up.address);
    assert_eq!(rig.metric(&gone).await, 1);
    write(&file, &[free_address()]);
    rig.until("an endpoint that is gone has no metric", || async {
        !rig.admin("/metrics").await.body.contains(&gone)
    })
    .await;
}

/// What a reload says again is no news: the endpoints stay, also where they cannot be looked up.
#[tokio::test]
async fn a_reload_keeps_what_was_found() {
    let up = Upstream::start("a").await;
    let file = listed(&[up.address]);
    let rig = Rig::start(&from_file(&file)).await;
    until_only(&rig, 'a').await;
    std::fs::remove_file(&file).expect("removed");
    until_failed(&rig, "No such file").await;
    rig.signal("HUP");
    rig.until_metric("marquee_balancer_reloads_total{result=\"ok\"}", 1).await;
    until_only(&rig, 'a').await;
}
