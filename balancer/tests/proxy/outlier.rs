//! An endpoint whose checks pass and whose requests fail is ejected, and nobody when all of them fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::retry::{Fault, faulty};
use crate::rig::{Answer, Rig, config};
use crate::upstream::Upstream;

/// Ejections that no test sees the end of, and these keys.
fn ejecting(upstreams: &[&Upstream], keys: &str) -> String {
    format!(
        "{}[pools.main.outlier]\nejection_seconds_max = 3600\nejection_seconds = {keys}\n",
        config(upstreams)
    )
}

fn ejections(upstream: &Upstream, reason: &str) -> String {
    let endpoint = upstream.address;
    format!("marquee_balancer_ejections_total{{endpoint=\"{endpoint}\",pool=\"main\",reason=\"{reason}\"}}")
}

/// Asks until `a` is ejected, and says what came back.
async fn asked_until_ejected(rig: &Rig, a: &Upstream, path: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    let wanted = format!("\"address\":\"{}\",\"weight\":1,\"state\":\"ejected\"", a.address);
    while !rig.admin("/status").await.body.contains(&wanted) {
        assert!(statuses.len() < 2_000, "never ejected: {statuses:?}\n{}", rig.stderr());
        statuses.push(rig.get(path).await.status);
    }
    statuses
}

/// As an instance does that cannot reach its database, though its double can.
#[tokio::test]
async fn who_answers_503_while_its_double_answers_is_ejected_and_no_client_sees_it() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&ejecting(&[&a, &b], "3600")).await;
    let statuses = asked_until_ejected(&rig, &a, "/unable-a").await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let (asked, probes) = (a.seen().len(), a.probes());
    assert_eq!(asked, 5);
    // Its checks go on and pass, and change nothing.
    rig.until("it was checked again", || async { a.probes() > probes + 3 }).await;
    for _ in 0..40 {
        let unkeyed = Answer::of(rig.client.post(rig.url("/unable-a")).body("once")).await;
        assert_eq!(unkeyed.status, 200);
    }
    assert_eq!(a.seen().len(), asked, "an ejected endpoint was asked");
    assert_eq!(rig.metric(&ejections(&a, "consecutive_failures")).await, 1);
    let state = |state| {
        format!(
            "marquee_balancer_endpoint_state{{endpoint=\"{}\",pool=\"main\",state=\"{state}\"}}",
            a.address
        )
    };
    assert_eq!((rig.metric(&state("ejected")).await, rig.metric(&state("healthy")).await), (1, 0));
    assert_eq!(rig.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn who_breaks_off_is_ejected_and_no_client_sees_it() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&ejecting(&[&a, &b], "3600")).await;
    let statuses = asked_until_ejected(&rig, &a, "/broken-a").await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

#[tokio::test]
async fn who_is_silent_is_ejected_and_no_client_sees_it() {
    let b = Upstream::start("b").await;
    let met = Arc::new(AtomicUsize::new(0));
    let silent = faulty(Fault::Silence, met.clone()).await;
    let config = ejecting(&[&b], "3600\nconsecutive_failures = 2");
    let config = config.replace("endpoints = [", &format!("endpoints = [\"{silent}\", "));
    let rig = Rig::start(&config.replace("first_byte_ms = 2000", "first_byte_ms = 100")).await;
    let wanted = format!("\"address\":\"{silent}\",\"weight\":1,\"state\":\"ejected\"");
    rig.until("it is ejected", || async {
        // Another one is not asked what was not answered in time, unless that is safe.
        rig.get("/x").await.status == 200 && rig.admin("/status").await.body.contains(&wanted)
    })
    .await;
    assert_eq!(met.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn of_an_endpoint_that_is_gone_no_metric_is_left() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&ejecting(&[&a, &b], "3600")).await;
    asked_until_ejected(&rig, &a, "/unable-a").await;
    assert_eq!(rig.metric(&ejections(&a, "consecutive_failures")).await, 1);
    rig.write_config(&ejecting(&[&b], "3600"));
    rig.signal("HUP");
    let label = format!("endpoint=\"{}\"", a.address);
    rig.until("none is left", || async { !rig.admin("/metrics").await.body.contains(&label) }).await;
}

/// One request's own fault shows on whatever endpoint it meets, so a 500 counts only as a part of many requests.
#[tokio::test]
async fn who_answers_500_where_its_double_does_not_is_ejected_by_its_share() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&ejecting(&[&a, &b], "3600\nwindow_seconds = 3600")).await;
    asked_until_ejected(&rig, &a, "/failing-a").await;
    assert_eq!(a.seen().len(), 20, "the least that a share is taken of");
    assert_eq!(rig.metric(&ejections(&a, "failure_share")).await, 1);
    for _ in 0..20 {
        assert_eq!(rig.get("/failing-a").await.status, 200);
    }
}

/// As when a payment provider is away: the endpoint says that it is not its own fault, and another one would get no further.
#[tokio::test]
async fn what_lies_behind_an_endpoint_is_neither_held_against_it_nor_asked_of_another() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&ejecting(&[&a, &b], "3600")).await;
    for _ in 0..100 {
        let keyed = rig.client.post(rig.url("/unpaid-a")).body("once").header("idempotency-key", "k");
        let answer = Answer::of(keyed).await;
        assert!(answer.status == 200 || answer.header("proxy-status").contains("bank"), "{answer:?}");
    }
    let asked = a.seen().len();
    assert!(asked > 30, "{asked} of 100");
    assert_eq!(asked + b.seen().len(), 100, "some were asked of both");
    assert!(!rig.admin("/status").await.body.contains("ejected"));
}

/// As when the database of all of them is away: whoever is left would have to bear the load of all, for nothing.
#[tokio::test]
async fn when_all_fail_nobody_is_ejected_and_their_own_answers_are_passed_on() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&ejecting(&[&a, &b], "3600")).await;
    for _ in 0..100 {
        let answer = rig.get("/unable").await;
        assert_eq!((answer.status, answer.body.ends_with(" is unable")), (503, true), "{}", answer.body);
    }
    let asked = a.seen().len();
    assert!(asked > 50 && b.seen().len() > 50);
    let status = rig.admin("/status").await.body;
    assert_eq!(status.matches("\"state\":\"healthy\"").count(), 2, "{status}");
    rig.until("both serve", || async { rig.get("/x").await.body.starts_with('a') }).await;
}

#[tokio::test]
async fn an_ejection_ends_by_time_and_the_next_one_is_longer() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&ejecting(&[&a, &b], "1")).await;
    asked_until_ejected(&rig, &a, "/unable-a").await;
    rig.until_state(a.address, "healthy").await;
    asked_until_ejected(&rig, &a, "/unable-a").await;
    rig.until_state(a.address, "healthy").await;
    rig.until("it is picked", || async { rig.get("/x").await.body.starts_with('a') }).await;
    let log = rig.stderr();
    let lengths: Vec<&str> = log.lines().filter(|line| line.contains("endpoint ejected")).collect();
    assert_eq!(lengths.len(), 2);
    assert!(lengths[0].contains("\"seconds\":1") && lengths[1].contains("\"seconds\":2"), "{lengths:?}");
}

/// Its checks have seen it go and come back, so what failed before says nothing about it.
#[tokio::test]
async fn who_was_ejected_and_is_restarted_comes_back_by_its_checks() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&ejecting(&[&a, &b], "3600")).await;
    asked_until_ejected(&rig, &a, "/broken-a").await;
    let address = a.kill().await;
    rig.until_state(address, "out").await;
    let a = Upstream::start_on("a", address).await;
    rig.until_state(address, "healthy").await;
    rig.until("it is picked", || async { rig.get("/x").await.body.starts_with('a') }).await;
    assert!(!a.seen().is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_is_nobody_s_failure() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&ejecting(&[&a, &b], "3600\nconsecutive_failures = 1\nrequests_min = 1")).await;
    for number in 1..=20 {
        let waiting = tokio::spawn(Answer::try_of(rig.client.get(rig.url("/silent"))));
        rig.until("it arrived", || async { a.seen().len() + b.seen().len() == number }).await;
        waiting.abort();
    }
    let gone = "marquee_balancer_requests_total{class=\"none\",pool=\"main\",route=\"/**\"}";
    rig.until_metric(gone, 20).await;
    let status = rig.admin("/status").await.body;
    assert_eq!(status.matches("\"state\":\"healthy\"").count(), 2, "{status}");
}

/// The only endpoint that is left is asked, whatever is known of it.
#[tokio::test]
async fn an_ejected_endpoint_is_asked_when_the_other_is_gone() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&ejecting(&[&a, &b], "3600")).await;
    asked_until_ejected(&rig, &a, "/unable-a").await;
    assert!(rig.admin("/status").await.body.contains("\"serving\":1,\"panic\":false"));
    let address = b.kill().await;
    rig.until_state(address, "out").await;
    assert!(rig.admin("/status").await.body.contains("\"serving\":0,\"panic\":true"));
    assert_eq!(rig.metric("marquee_balancer_pool_panic{pool=\"main\"}").await, 1);
    for _ in 0..20 {
        assert!(rig.get("/x").await.body.starts_with('a'));
    }
}
