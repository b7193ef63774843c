//! How stored answers are used, confirmed, varied and invalidated: RFC 9111, 3.2, 4 and 5.2.1, clause by clause.

use http::Method;

use crate::origin::{Reply, hit, start, start_with};
use crate::rig::Answer;

#[tokio::test]
async fn rfc9111_4_3_1_what_is_stale_is_asked_for_with_its_validators() {
    let (origin, rig) = start().await;
    let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
    let reply = Reply::cached("a", "max-age=1").with("etag", "\"v1\"").with("last-modified", modified);
    origin.put("/cached/a", reply.with("x-kept", "1"));
    rig.get("/cached/a").await;
    rig.until("it was confirmed", || async {
        rig.get("/cached/a").await.header("cache-status").starts_with("marquee; fwd=stale; fwd-status=304")
    })
    .await;
    let seen = origin.seen().pop().expect("asked");
    assert_eq!((seen.header("if-none-match"), seen.header("if-modified-since")), ("\"v1\"", modified));
    let confirmed = rig.get("/cached/a").await;
    assert_eq!((confirmed.status, confirmed.body.as_str(), confirmed.header("x-kept")), (200, "a", "1"));
}

#[tokio::test]
async fn rfc9111_3_2_a_304_updates_the_header_but_for_what_is_about_the_body() {
    let (origin, rig) = start().await;
    let first = Reply::cached("a", "max-age=1").with("etag", "\"v1\"").with("content-type", "text/plain");
    origin.put("/cached/a", first.with("x-seats", "9").with("x-gone", "stays"));
    rig.get("/cached/a").await;
    let next = Reply::cached("a", "max-age=60").with("etag", "\"v1\"").with("content-type", "text/html");
    origin.put("/cached/a", next.with("x-seats", "8").with("x-new", "1").with("content-encoding", "gzip"));
    rig.until("it was confirmed", || async { rig.get("/cached/a").await.header("x-seats") == "8" }).await;
    let hit_after = rig.get("/cached/a").await;
    assert!(hit(&hit_after), "{hit_after:?}");
    let field = |name| hit_after.header(name);
    assert_eq!((field("x-seats"), field("x-new"), field("x-gone")), ("8", "1", "stays"));
    assert_eq!(
        (field("content-type"), field("content-encoding"), field("content-length")),
        ("text/plain", "", "1")
    );
    assert_eq!(field("cache-control"), "max-age=60");
}

#[tokio::test]
async fn rfc9111_4_3_3_another_answer_takes_the_place_of_the_stale_one() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("old", "max-age=1").with("etag", "\"v1\""));
    rig.get("/cached/a").await;
    origin.put("/cached/a", Reply::cached("new", "max-age=60").with("etag", "\"v2\""));
    rig.until("it was replaced", || async { rig.get("/cached/a").await.body == "new" }).await;
    let after = rig.get("/cached/a").await;
    assert!(hit(&after) && after.body == "new" && after.header("etag") == "\"v2\"");
}

#[tokio::test]
async fn rfc9111_4_1_vary_keeps_variants_apart_and_alike_requests_together() {
    let (origin, rig) = start().await;
    let put = |body: &str| {
        origin.put("/cached/a", Reply::cached(body, "max-age=60").with("vary", "Accept-Language"));
    };
    let get = |language: &'static str| rig.get_with("/cached/a", "accept-language", language);
    put("de");
    get("de").await;
    put("en");
    assert_eq!(get("en").await.body, "en");
    for (language, body) in [("de", "de"), ("DE", "de"), ("en", "en")] {
        let answer = get(language).await;
        assert!(hit(&answer), "{language}: {answer:?}");
        assert_eq!(answer.body, body);
    }
    assert!(get("fr").await.header("cache-status").starts_with("marquee; fwd=vary-miss"));
}

#[tokio::test]
async fn rfc9111_4_1_accept_encoding_is_normalized() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("a", "max-age=60").with("vary", "accept-encoding"));
    rig.get_with("/cached/a", "accept-encoding", "gzip, br").await;
    for same in ["br, gzip", "BR;q=0.9,gzip;q=0.1", "gzip, br, unheard-of"] {
        assert!(hit(&rig.get_with("/cached/a", "accept-encoding", same).await), "{same}");
    }
    for other in ["gzip", "br", "identity"] {
        assert!(!hit(&rig.get_with("/cached/a", "accept-encoding", other).await), "{other}");
    }
}

#[tokio::test]
async fn rfc9111_4_1_vary_by_everything_or_by_who_asks_is_not_stored() {
    let (origin, rig) = start().await;
    for vary in ["*", "accept, *", "cookie", "Authorization"] {
        origin.put("/cached/a", Reply::cached("a", "public, max-age=60").with("vary", vary));
        rig.get("/cached/a").await;
        assert!(!hit(&rig.get("/cached/a").await), "{vary}");
    }
}

#[tokio::test]
async fn rfc9111_4_4_an_unsafe_method_invalidates() {
    let (origin, rig) = start().await;
    for (number, method) in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH].into_iter().enumerate()
    {
        let path = format!("/cached/{number}");
        origin.put(&path, Reply::cached("old", "max-age=60"));
        rig.get(&path).await;
        origin.put(&path, Reply::cached("new", "max-age=60"));
        assert_eq!(rig.get(&path).await.body, "old");
        let changed = Answer::of(rig.client.request(method, rig.url(&path)).body("x")).await;
        assert_eq!(changed.header("cache-status"), "marquee; fwd=method");
        assert_eq!(rig.get(&path).await.body, "new", "{path}");
    }
}

#[tokio::test]
async fn rfc9111_4_4_what_failed_invalidates_nothing() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("old", "max-age=60"));
    rig.get("/cached/a").await;
    origin.put("/cached/a", Reply::new("conflict").status(409));
    Answer::of(rig.client.post(rig.url("/cached/a"))).await;
    assert_eq!(rig.get("/cached/a").await.body, "old");
}

#[tokio::test]
async fn rfc9111_4_4_location_and_content_location_of_the_same_host_are_invalidated() {
    let (origin, rig) = start().await;
    for path in ["/cached/list", "/cached/item", "/cached/other"] {
        origin.put(path, Reply::cached("old", "max-age=60"));
        rig.get(path).await;
        origin.put(path, Reply::cached("new", "max-age=60"));
    }
    let other = format!("http://other.example:{}/cached/other", rig.public.port());
    let posted = Reply::new("").status(201).with("location", "/cached/item").with("content-location", &other);
    // Not below the routes with a cache.
    origin.put("/orders", posted);
    Answer::of(rig.client.post(rig.url("/orders"))).await;
    assert_eq!(rig.get("/cached/item").await.body, "new");
    assert_eq!(rig.get("/cached/other").await.body, "old");
    origin.put("/orders", Reply::new("").with("content-location", &rig.url("/cached/list")));
    Answer::of(rig.client.put(rig.url("/orders"))).await;
    assert_eq!(rig.get("/cached/list").await.body, "new");
}

/// A fetch that began before the change must not bring back what was true before it.
#[tokio::test]
async fn rfc9111_4_4_a_late_answer_does_not_undo_it() {
    let (origin, rig) = start().await;
    for reply in [Reply::cached("old", "max-age=60").held(), Reply::cached("old", "max-age=60").held_after(1)]
    {
        origin.put("/cached/a", reply);
        let asked = origin.asked();
        let late = tokio::spawn(Answer::of(rig.client.get(rig.url("/cached/a"))));
        rig.until("it was asked", || async { origin.asked() > asked }).await;
        origin.put("/cached/a", Reply::new("done"));
        Answer::of(rig.client.post(rig.url("/cached/a"))).await;
        origin.release(1);
        assert_eq!(late.await.expect("joined").body, "old");
        origin.put("/cached/a", Reply::cached("new", "max-age=60"));
        assert_eq!(rig.get("/cached/a").await.body, "new");
        Answer::of(rig.client.post(rig.url("/cached/a"))).await;
    }
}

#[tokio::test]
async fn rfc9111_5_2_1_7_only_if_cached() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("a", "max-age=60"));
    let refused = rig.get_with("/cached/a", "cache-control", "only-if-cached").await;
    assert_eq!((refused.status, refused.problem()["code"].as_str()), (504, Some("not_cached")));
    assert_eq!(refused.header("cache-status"), "marquee; fwd=uri-miss");
    assert_eq!(origin.asked(), 0);
    rig.get("/cached/a").await;
    assert!(hit(&rig.get_with("/cached/a", "cache-control", "only-if-cached").await));
}

#[tokio::test]
async fn rfc9111_5_2_1_clients_of_a_public_edge_cannot_make_the_origin_work() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("a", "max-age=60"));
    rig.get("/cached/a").await;
    for control in ["no-cache", "max-age=0", "min-fresh=1000", "max-stale=5"] {
        assert!(hit(&rig.get_with("/cached/a", "cache-control", control).await), "{control}");
    }
    assert!(hit(&rig.get_with("/cached/a", "pragma", "no-cache").await));
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn rfc9111_5_2_1_where_they_may_ask_for_newer_ones_they_get_them() {
    let (origin, rig) = start_with("[cache]\nclient_revalidation = true\n").await;
    origin.put("/cached/a", Reply::cached("a", "max-age=60").with("etag", "\"v1\"").with("age", "10"));
    rig.get("/cached/a").await;
    for control in ["no-cache", "max-age=5", "min-fresh=1000"] {
        let answer = rig.get_with("/cached/a", "cache-control", control).await;
        assert!(
            answer.header("cache-status").starts_with("marquee; fwd=stale; fwd-status=304"),
            "{answer:?}"
        );
    }
    for control in ["max-age=30", "min-fresh=30", "max-stale"] {
        assert!(hit(&rig.get_with("/cached/a", "cache-control", control).await), "{control}");
    }
}

#[tokio::test]
async fn rfc9111_4_a_precondition_for_the_origin_goes_to_the_origin() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("a", "max-age=60").with("etag", "\"v1\""));
    rig.get("/cached/a").await;
    let answer = rig.get_with("/cached/a", "if-match", "\"v0\"").await;
    assert_eq!(answer.header("cache-status"), "marquee; fwd=bypass");
    assert_eq!(origin.seen().pop().expect("asked").header("if-match"), "\"v0\"");
}
