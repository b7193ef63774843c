//! `Cache-Status` on every answer of a route with a cache: RFC 9211.

use crate::origin::{Reply, start};
use crate::rig::Answer;

#[tokio::test]
async fn rfc9211_2_on_every_answer_of_a_cached_route() {
    let (mut origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("a", "max-age=60"));
    assert_eq!(rig.get("/cached/a").await.header("cache-status"), "marquee; fwd=uri-miss; stored; ttl=60");
    assert!(rig.get("/cached/a").await.header("cache-status").starts_with("marquee; hit; ttl="));
    origin.put("/cached/own", Reply::cached("a", "private"));
    assert_eq!(rig.get("/cached/own").await.header("cache-status"), "marquee; fwd=uri-miss");
    // It is known by now that there is nothing to wait for.
    assert_eq!(rig.get("/cached/own").await.header("cache-status"), "marquee; fwd=bypass");
    let posted = Answer::of(rig.client.post(rig.url("/cached/a"))).await;
    assert_eq!(posted.header("cache-status"), "marquee; fwd=method");
    assert!(rig.get("/other").await.headers.get("cache-status").is_none());
    origin.kill().await;
    let failed = rig.get("/cached/b").await;
    assert_eq!((failed.status, failed.header("cache-status")), (503, "marquee; fwd=uri-miss"));
}

#[tokio::test]
async fn rfc9211_2_after_those_of_caches_nearer_to_the_origin() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("a", "max-age=60").with("cache-status", "inner; hit"));
    let first = rig.get("/cached/a").await;
    let members: Vec<&str> =
        first.headers.get_all("cache-status").iter().filter_map(|v| v.to_str().ok()).collect();
    assert_eq!(members.len(), 2, "{members:?}");
    assert!(members.contains(&"inner; hit"));
    // What they did for another request is not said again.
    let second = rig.get("/cached/a").await;
    assert_eq!(second.headers.get_all("cache-status").iter().count(), 1, "{second:?}");
}
