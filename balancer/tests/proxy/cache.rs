//! What is stored, what never is, and that nothing of one client reaches another.

use tokio::task::JoinSet;

use crate::origin::hit;
use crate::rig::{Answer, Rig, config};
use crate::upstream::Upstream;

async fn start() -> (Upstream, Rig) {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    (up, rig)
}

#[tokio::test]
async fn a_public_answer_is_fetched_once_and_what_is_stored_gives_nobody_a_place() {
    let (up, rig) = start().await;
    let first = rig.get("/cached/public").await;
    assert_eq!(first.header("cache-status"), "marquee; fwd=uri-miss; stored; ttl=60");
    let second = rig.get("/cached/public").await;
    assert!(hit(&second));
    assert_eq!(second.header("age"), "0");
    assert_eq!(second.body, first.body);
    assert_eq!(up.seen().len(), 1);

    // Only who goes on to an endpoint has a place there.
    assert_eq!(second.affinity_cookie(), None);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    let cookie = first.affinity_cookie().expect("a cookie");
    let known = rig.get_with("/cached/public", "cookie", &cookie).await;
    assert!(hit(&known));
    assert!(known.headers.get("set-cookie").is_none());

    assert!(!hit(&rig.get("/cached/public?page=2").await));
    rig.until_metric("marquee_balancer_cache_requests_total{result=\"hit\"}", 2).await;
    assert_eq!(rig.metric("marquee_balancer_cache_entries").await, 2);
}

/// Whoever has no session yet gets it from the service, and not the answer of somebody who has one.
#[tokio::test]
async fn who_lacks_the_cookie_of_a_route_has_nothing_to_do_with_its_cache() {
    let up = Upstream::start("a").await;
    let cookies = "cache = true\ncache_with_cookies = [\"other\", \"session\"]";
    let rig = Rig::start(&config(&[&up]).replace("cache = true", cookies)).await;
    for cookie in ["x=1; session=s", "session=t"] {
        let stranger = rig.get("/cached/public").await;
        assert_eq!(stranger.header("cache-status"), "marquee; fwd=bypass");
        rig.get_with("/cached/public", "cookie", cookie).await;
        assert!(!hit(&rig.get_with("/cached/public", "cookie", "sessions=1").await));
    }
    assert!(hit(&rig.get_with("/cached/public", "cookie", "session=t").await));
    assert_eq!(up.seen().len(), 5);
}

#[tokio::test]
async fn a_stored_validator_answers_304_and_head() {
    let (up, rig) = start().await;
    let full = rig.get("/cached/public").await;
    let answer = rig.get_with("/cached/public", "if-none-match", "\"v1\"").await;
    assert_eq!((answer.status, answer.body.as_str()), (304, ""));
    assert_eq!(rig.get_with("/cached/public", "if-none-match", "\"v0\"").await.status, 200);
    let head = Answer::of(rig.client.head(rig.url("/cached/public"))).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), full.body.len().to_string());
    assert_eq!(up.seen().len(), 1);
}

#[tokio::test]
async fn what_belongs_to_one_client_is_never_stored() {
    let (up, rig) = start().await;
    for path in ["/cached/private", "/cached/cookie", "/cached/vary", "/cached/plain", "/cached/failing"] {
        let (first, second) = (rig.get(path).await, rig.get(path).await);
        assert!(!hit(&second), "{path}");
        assert_eq!(first.header("age"), "", "{path}");
    }
    let posted = Answer::of(rig.client.post(rig.url("/cached/public")).body("x")).await;
    assert_eq!(posted.status, 200);
    assert_eq!(up.seen().len(), 11);
    assert_eq!(rig.metric("marquee_balancer_cache_entries").await, 0);
    // A route without a cache stores nothing, whatever the answer says.
    let (_, second) = (rig.get("/public").await, rig.get("/public").await);
    assert!(second.headers.get("cache-status").is_none());
    assert_eq!(up.seen().len(), 13);
}

#[tokio::test]
async fn a_crowd_is_one_fetch() {
    let (up, rig) = start().await;
    let mut crowd = JoinSet::new();
    for _ in 0..50 {
        crowd.spawn(Answer::of(rig.client.get(rig.url("/cached/slow-public"))));
    }
    let bodies: Vec<String> = crowd.join_all().await.into_iter().map(|answer| answer.body).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(up.seen().len(), 1);
}

#[tokio::test]
async fn a_stale_answer_is_confirmed_or_stands_in_when_nobody_answers() {
    let (up, rig) = start().await;
    let first = rig.get("/cached/brief").await;
    rig.until("it was asked again", || async { rig.get("/cached/brief").await.body != first.body }).await;
    let revalidation = up.seen().pop().expect("asked again");
    assert_eq!(revalidation.header("if-none-match"), "\"v1\"");

    let last = rig.get("/cached/brief").await;
    up.kill().await;
    rig.until("it is stale", || async {
        let answer = rig.get("/cached/brief").await;
        assert_eq!((answer.status, &answer.body), (200, &last.body));
        answer.header("cache-status").ends_with("; detail=stale-if-error")
    })
    .await;
    assert_eq!(rig.get("/cached/never-seen").await.status, 503);
}
