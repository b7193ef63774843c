//! Endpoints go out and come in; `/healthz` says what is left.

use crate::rig::{Rig, config, free_address, pool};
use crate::upstream::Upstream;

#[tokio::test]
async fn an_unready_endpoint_gets_nothing_until_it_is_ready_again() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    a.set_ready(false);
    let rig = Rig::start(&config(&[&a, &b])).await;
    // The listener opened after the first round of checks, so nothing was ever sent to `a`.
    for _ in 0..20 {
        assert!(rig.get("/x").await.body.starts_with('b'));
    }
    assert!(a.seen().is_empty());
    a.set_ready(true);
    rig.until("a is picked again", || async { rig.get("/x").await.body.starts_with('a') }).await;
    assert!(a.probes() >= 3, "two successes after a failure");
}

#[tokio::test]
async fn an_endpoint_comes_back_on_its_old_address() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&config(&[&a, &b])).await;
    let address = a.kill().await;
    rig.until_state(address, "out").await;
    let a = Upstream::start_on("a", address).await;
    rig.until_state(address, "healthy").await;
    rig.until("it is picked", || async { rig.get("/x").await.body.starts_with('a') }).await;
    assert!(!a.seen().is_empty());
}

#[tokio::test]
async fn healthz_names_the_pools_in_which_nobody_can_serve() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let routes =
        "[[routes]]\nmatch = \"/a\"\npool = \"alpha\"\n[[routes]]\nmatch = \"/b\"\npool = \"beta\"\n";
    let rig = Rig::start(&format!("{routes}{}{}", pool("alpha", &[&a]), pool("beta", &[&b]))).await;
    let answer = rig.get("/healthz").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"ok"}"#));
    b.set_ready(false);
    rig.until_state(b.address, "out").await;
    let answer = rig.get("/healthz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "1");
    let problem = answer.problem();
    assert_eq!(problem["code"], "pool_unavailable");
    assert_eq!(problem["pools"], serde_json::json!(["beta"]));
    // Better a try than a refusal: the only endpoint is asked although its checks fail.
    assert_eq!(rig.get("/b").await.status, 200);
}

#[tokio::test]
async fn nobody_there_is_503_with_a_hint_when_to_come_back() {
    let up = Upstream::start("a").await;
    let nobody = format!("\"{}\"", free_address());
    let config = config(&[&up]).replace(&format!("\"{}\"", up.address), &nobody);
    let rig = Rig::start(&config).await;
    let answer = rig.get("/x").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.problem()["code"], "upstream_unavailable");
}

/// These lines go into the table of the pool's check.
fn checked(upstreams: &[&Upstream], lines: &str) -> String {
    config(upstreams).replace("[pools.main.health]\n", &format!("[pools.main.health]\n{lines}\n"))
}

#[tokio::test]
async fn a_check_may_want_no_more_than_a_connection() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    a.set_ready(false);
    let rig = Rig::start(&checked(&[&a, &b], "kind = \"tcp\"")).await;
    rig.until_state(a.address, "healthy").await;
    let address = b.kill().await;
    rig.until_state(address, "out").await;
    assert_eq!(a.probes(), 0);
    let _b = Upstream::start_on("b", address).await;
    rig.until_state(address, "healthy").await;
}

#[tokio::test]
async fn a_check_passes_by_the_statuses_that_are_expected() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    b.set_ready(false);
    let rig = Rig::start(&checked(&[&a, &b], "expect_status = [418, \"500-503\"]")).await;
    rig.until_state(a.address, "out").await;
    rig.until_state(b.address, "healthy").await;
}

#[tokio::test]
async fn a_check_passes_by_the_text_that_is_expected() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&checked(&[&a, &b], "path = \"/whoami\"\nexpect_body = \"b /who\"")).await;
    rig.until_state(a.address, "out").await;
    rig.until_state(b.address, "healthy").await;
    // An answer is not read without end.
    let rig = Rig::start(&checked(&[&a, &b], "path = \"/long\"\nexpect_body = \"end\"")).await;
    rig.until_state(a.address, "out").await;
}
