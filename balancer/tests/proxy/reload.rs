//! Another configuration is taken over while requests go on, all of it or nothing, and endpoints are drained by hand.

use serde_json::{Value, json};

use crate::rig::{Answer, Rig, config};
use crate::upstream::Upstream;

/// Who answers next.
async fn answers(rig: &Rig) -> String {
    rig.get("/x").await.body.split(' ').next().unwrap_or_default().to_owned()
}

/// That they all do now, and nobody else.
async fn assert_only(rig: &Rig, name: &str) {
    for _ in 0..20 {
        assert_eq!(answers(rig).await, name);
    }
}

async fn post(rig: &Rig, path: &str) -> Answer {
    Answer::of(rig.client.post(format!("http://{}{path}", rig.admin))).await
}

#[tokio::test]
async fn the_file_is_taken_over_when_the_admin_says_so() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&config(&[&a])).await;
    assert_only(&rig, "a").await;
    rig.write_config(&config(&[&b]));
    let answer = post(&rig, "/reload").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    rig.until("b answers", || async { answers(&rig).await == "b" }).await;
    assert_only(&rig, "b").await;
    assert_eq!(rig.metric("marquee_balancer_reloads_total{result=\"ok\"}").await, 1);
    let gone = format!("endpoint=\"{}\"", a.address);
    rig.until("a is no longer measured", || async { !rig.admin("/metrics").await.body.contains(&gone) })
        .await;
}

#[tokio::test]
async fn a_hang_up_reloads_and_routes_change() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let first = config(&[&a]);
    let rig = Rig::start(&first).await;
    let other = crate::rig::pool("other", &[&b]);
    rig.write_config(&format!("{first}\n{other}\n[[routes]]\nmatch = \"/other\"\npool = \"other\"\n"));
    rig.signal("HUP");
    rig.until("b answers", || async { rig.get("/other").await.body.starts_with('b') }).await;
    assert_only(&rig, "a").await;
}

#[tokio::test]
async fn a_request_ends_by_the_configuration_it_began_with() {
    let a = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&a])).await;
    let slow = tokio::spawn(rig.client.get(rig.url("/slow")).send());
    rig.until("it is under way", || async { !a.seen().is_empty() }).await;
    rig.write_config(&config(&[&Upstream::start("b").await]));
    assert_eq!(post(&rig, "/reload").await.status, 200);
    assert_eq!(slow.await.expect("joined").expect("answered").status(), 200);
}

#[tokio::test]
async fn a_fault_in_the_file_changes_nothing_and_is_told() {
    let a = Upstream::start("a").await;
    let good = config(&[&a]);
    let rig = Rig::start(&good).await;
    rig.write_config(&good.replace("rise = 2", "rise = 0"));
    let answer = post(&rig, "/reload").await;
    assert_eq!(answer.status, 422);
    let problem: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(problem["code"], "configuration_invalid");
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.contains("balancer.toml:") && detail.contains("pools.main.health.rise"), "{detail}");
    assert_only(&rig, "a").await;
    assert_eq!(rig.metric("marquee_balancer_reloads_total{result=\"error\"}").await, 1);
    assert_eq!(rig.metric("marquee_balancer_config_last_reload_successful").await, 0);
    let status: Value = serde_json::from_str(&rig.admin("/status").await.body).expect("JSON");
    assert_eq!(status["reload"]["error"], json!(detail));
    rig.write_config(&good);
    assert_eq!(post(&rig, "/reload").await.status, 200);
    assert_eq!(rig.metric("marquee_balancer_config_last_reload_successful").await, 1);
}

#[tokio::test]
async fn what_needs_a_restart_is_refused_as_a_whole() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&config(&[&a])).await;
    rig.write_config(&format!("threads = 7\n{}", config(&[&b])));
    let answer = post(&rig, "/reload").await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("key `threads`"), "{answer:?}");
    assert_only(&rig, "a").await;
}

/// What an endpoint has shown stays known: one that is out does not come in by a reload.
#[tokio::test]
async fn endpoints_that_stay_keep_their_state() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    a.set_ready(false);
    let slow_checks = |text: String| text.replace("interval_ms = 50", "interval_ms = 60000");
    let rig = Rig::start(&slow_checks(config(&[&a, &b]))).await;
    a.set_ready(true);
    let c = Upstream::start("c").await;
    rig.write_config(&slow_checks(config(&[&a, &b, &c])));
    assert_eq!(post(&rig, "/reload").await.status, 200);
    rig.until_state(c.address, "healthy").await;
    rig.until_state(a.address, "out").await;
}

#[tokio::test]
async fn a_drained_endpoint_gets_nothing_new_until_it_is_undrained() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let rig = Rig::start(&config(&[&a, &b])).await;
    let answer = post(&rig, &format!("/endpoints/main/{}/drain", a.address)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    rig.until_state(a.address, "draining").await;
    assert_only(&rig, "b").await;
    assert_eq!(post(&rig, &format!("/endpoints/main/{}/undrain", a.address)).await.status, 200);
    rig.until("a answers", || async { answers(&rig).await == "a" }).await;
    for unknown in ["/endpoints/main/127.0.0.1:1/drain", "/endpoints/other/x/drain"] {
        let answer = post(&rig, unknown).await;
        assert_eq!(answer.status, 404);
        assert!(answer.body.contains("endpoint_unknown"), "{answer:?}");
    }
    assert_eq!(post(&rig, "/endpoints/main/drain").await.status, 404);
}

#[tokio::test]
async fn drained_or_not_the_last_one_answers() {
    let a = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&a])).await;
    assert_eq!(post(&rig, &format!("/endpoints/main/{}/drain", a.address)).await.status, 200);
    assert_only(&rig, "a").await;
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let a = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&a])).await;
    let path = format!("http://{}/endpoints/main/{}/drain", rig.admin, a.address);
    let with = |origin: String, host: String| {
        Answer::of(rig.client.post(&path).header("origin", origin).header("host", host))
    };
    let own = rig.admin.to_string();
    assert_eq!(with("https://elsewhere.example".into(), own.clone()).await.status, 403);
    assert_eq!(with("http://elsewhere.example".into(), "elsewhere.example".into()).await.status, 403);
    assert_eq!(with("null".into(), own.clone()).await.status, 403);
    assert_eq!(with(format!("http://{own}"), own).await.status, 200);
}

#[tokio::test]
async fn with_a_token_only_probes_are_open_to_all() {
    let a = Upstream::start("a").await;
    let rig = Rig::start_with_token(&config(&[&a]), "a-token").await;
    assert_eq!(rig.admin("/livez").await.status, 200);
    assert_eq!(rig.admin("/readyz").await.status, 200);
    for path in ["/metrics", "/status", "/elsewhere"] {
        let answer = rig.admin(path).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{path}");
    }
    assert_eq!(post(&rig, "/reload").await.status, 401);
    let shown = |token: &str| {
        let request = rig.client.get(format!("http://{}/status", rig.admin)).bearer_auth(token);
        Answer::of(request)
    };
    assert_eq!(shown("a-token").await.status, 200);
    for wrong in ["a-tokem", "a-toke", "a-token2", ""] {
        assert_eq!(shown(wrong).await.status, 401, "{wrong}");
    }
}
