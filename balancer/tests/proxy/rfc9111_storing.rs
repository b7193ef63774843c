//! What is stored, what never is, and for how long: RFC 9111, 3 and 5, clause by clause, and RFC 9213.

use std::time::{Duration, SystemTime};

use crate::origin::{Origin, Reply, hit, start, start_with};
use crate::rig::{Answer, Rig};

/// Asks twice: whether the second answer is the first one, from the store.
async fn stored(origin: &Origin, rig: &Rig, path: &str, reply: Reply) -> bool {
    origin.put(path, reply);
    let (first, second) = (rig.get(path).await, rig.get(path).await);
    assert!(!hit(&first), "{path}: {first:?}");
    hit(&second)
}

async fn stored_by(control: &str) -> bool {
    let (origin, rig) = start().await;
    stored(&origin, &rig, "/cached/a", Reply::cached("a", control)).await
}

fn ago(seconds: u64) -> String {
    httpdate::fmt_http_date(SystemTime::now() - Duration::from_secs(seconds))
}

fn ttl(answer: &Answer) -> i64 {
    let status = answer.header("cache-status");
    let ttl = status.split("ttl=").nth(1).and_then(|rest| rest.split(';').next());
    ttl.unwrap_or_else(|| panic!("no ttl in {status:?}")).parse().expect("a number")
}

/// Seconds that are left of what was just stored, to the nearest ten.
async fn tens(origin: &Origin, rig: &Rig, path: &str, reply: Reply) -> i64 {
    origin.put(path, reply);
    (ttl(&rig.get(path).await) + 5) / 10 * 10
}

#[tokio::test]
async fn rfc9111_5_2_2_5_no_store() {
    assert!(stored_by("max-age=60").await);
    assert!(!stored_by("max-age=60, no-store").await);
    assert!(!stored_by("public, max-age=60, NO-STORE=\"x\"").await);
}

#[tokio::test]
async fn rfc9111_5_2_2_7_private() {
    assert!(!stored_by("private, max-age=60").await);
    assert!(!stored_by("public, private, max-age=60").await);
}

#[tokio::test]
async fn rfc9111_5_2_2_7_private_with_fields_keeps_these_from_others() {
    let (origin, rig) = start().await;
    let control = "max-age=60, private=\"x-user, Set-Cookie\"";
    let reply =
        Reply::cached("a", control).with("x-user", "ann").with("set-cookie", "a=b").with("x-all", "1");
    origin.put("/cached/a", reply);
    let (first, second) = (rig.get("/cached/a").await, rig.get("/cached/a").await);
    assert_eq!((first.header("x-user"), first.header("x-all")), ("ann", "1"));
    assert!(first.headers.get_all("set-cookie").iter().any(|cookie| cookie == "a=b"), "{first:?}");
    assert!(hit(&second));
    assert_eq!((second.header("x-user"), second.header("x-all")), ("", "1"));
    assert!(second.headers.get_all("set-cookie").iter().all(|cookie| cookie != "a=b"), "{second:?}");
}

#[tokio::test]
async fn rfc9111_5_2_2_4_no_cache_is_never_used_without_asking() {
    assert!(!stored_by("no-cache, max-age=60").await);
    assert!(!stored_by("no-cache=\"\", max-age=60").await);
}

#[tokio::test]
async fn rfc9111_5_2_2_4_no_cache_with_fields_keeps_these_from_others() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("a", "max-age=60, no-cache=x-user").with("x-user", "ann"));
    let (first, second) = (rig.get("/cached/a").await, rig.get("/cached/a").await);
    assert_eq!((first.header("x-user"), second.header("x-user")), ("ann", ""));
    assert!(hit(&second));
}

#[tokio::test]
async fn rfc9111_5_2_2_3_must_understand() {
    assert!(stored_by("must-understand, no-store, max-age=60").await);
    let (origin, rig) = start().await;
    let strange = Reply::cached("a", "must-understand, no-store, max-age=60").status(299);
    assert!(!stored(&origin, &rig, "/cached/strange", strange).await);
}

#[tokio::test]
async fn rfc9111_4_2_1_s_maxage_wins() {
    let (origin, rig) = start().await;
    assert_eq!(tens(&origin, &rig, "/cached/a", Reply::cached("a", "max-age=10, s-maxage=500")).await, 500);
    assert!(!stored(&origin, &rig, "/cached/b", Reply::cached("a", "max-age=500, s-maxage=0")).await);
}

#[tokio::test]
async fn rfc9111_5_3_expires_is_read_when_there_is_no_max_age() {
    let (origin, rig) = start().await;
    let expires = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(500));
    assert_eq!(tens(&origin, &rig, "/cached/a", Reply::new("a").with("expires", &expires)).await, 500);
    let both = Reply::cached("a", "max-age=100").with("expires", &expires);
    assert_eq!(tens(&origin, &rig, "/cached/b", both).await, 100);
    let past = Reply::new("a").with("expires", "0").with("last-modified", &ago(1_000));
    assert!(!stored(&origin, &rig, "/cached/c", past).await);
}

#[tokio::test]
async fn rfc9111_4_2_2_heuristic_within_its_bound() {
    let (origin, rig) = start_with("[cache]\nheuristic_seconds_max = 200\n").await;
    let reply = |seconds| Reply::new("a").with("last-modified", &ago(seconds));
    assert_eq!(tens(&origin, &rig, "/cached/a", reply(1_000)).await, 100);
    assert_eq!(tens(&origin, &rig, "/cached/b", reply(100_000)).await, 200);
    assert!(!stored(&origin, &rig, "/cached/c", reply(1_000).status(302)).await);
}

#[tokio::test]
async fn rfc9111_4_2_3_age_and_date_count() {
    let (origin, rig) = start().await;
    let aged = Reply::cached("a", "max-age=500").with("age", "100");
    assert_eq!(tens(&origin, &rig, "/cached/a", aged).await, 400);
    let dated = Reply::cached("a", "max-age=500").with("date", &ago(200));
    assert_eq!(tens(&origin, &rig, "/cached/b", dated).await, 300);
    let second = rig.get("/cached/a").await;
    assert!(hit(&second) && second.header("age").parse::<u64>().is_ok_and(|age| (100..110).contains(&age)));
    let old = Reply::cached("a", "max-age=60").with("age", "60");
    assert!(!stored(&origin, &rig, "/cached/c", old).await);
}

#[tokio::test]
async fn rfc9111_5_2_malformed_directives_are_read_the_safe_way() {
    for control in ["max-age=abc", "max-age", "max-age=-1", "max-age=60; public", "max-age=60, x=\"private"] {
        assert!(!stored_by(control).await, "{control}");
    }
    assert!(stored_by("max-age=\"60\"").await);
}

#[tokio::test]
async fn rfc9213_2_2_cdn_cache_control_comes_first() {
    let (origin, rig) = start().await;
    let both = |cdn: &str, control: &str| Reply::cached("a", control).with("cdn-cache-control", cdn);
    assert_eq!(tens(&origin, &rig, "/cached/a", both("max-age=300", "no-store")).await, 300);
    assert!(!stored(&origin, &rig, "/cached/b", both("no-store", "max-age=60")).await);
    // One that is no structured field is not there.
    assert_eq!(tens(&origin, &rig, "/cached/c", both("max-age=", "max-age=60")).await, 60);
}

#[tokio::test]
async fn rfc9111_3_5_authorization() {
    let (origin, rig) = start().await;
    for (number, control) in
        ["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60"].iter().enumerate()
    {
        let path = format!("/cached/shared-{number}");
        origin.put(&path, Reply::cached("a", control));
        rig.get_with(&path, "authorization", "Bearer x").await;
        assert!(hit(&rig.get_with(&path, "authorization", "Bearer y").await), "{control}");
        assert!(hit(&rig.get(&path).await), "{control}");
    }
    origin.put("/cached/own", Reply::cached("ann's", "max-age=60"));
    rig.get_with("/cached/own", "authorization", "Bearer ann").await;
    origin.put("/cached/own", Reply::cached("nobody's", "max-age=60"));
    assert_eq!(rig.get("/cached/own").await.body, "nobody's");
    // And what is stored for nobody in particular is not given to one who is somebody.
    origin.put("/cached/own", Reply::cached("bob's", "max-age=60"));
    assert_eq!(rig.get_with("/cached/own", "authorization", "Bearer bob").await.body, "bob's");
    assert_eq!(rig.get("/cached/own").await.body, "nobody's");
}

#[tokio::test]
async fn rfc9111_7_3_one_clients_cookies_and_what_is_answered_to_them_stay_with_it() {
    let (origin, rig) = start().await;
    let cookie = Reply::cached("a", "public, max-age=60").with("set-cookie", "session=secret");
    assert!(!stored(&origin, &rig, "/cached/sets", cookie).await);
    origin.put("/cached/own", Reply::cached("ann's", "max-age=60"));
    rig.get_with("/cached/own", "cookie", "session=ann").await;
    assert!(!hit(&rig.get("/cached/own").await));
    origin.put("/cached/shared", Reply::cached("all's", "public, max-age=60"));
    rig.get_with("/cached/shared", "cookie", "session=ann").await;
    assert!(hit(&rig.get("/cached/shared").await));
}

#[tokio::test]
async fn rfc9111_5_2_1_5_a_request_may_ask_not_to_be_stored() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("a", "max-age=60"));
    rig.get_with("/cached/a", "cache-control", "no-store").await;
    assert!(!hit(&rig.get("/cached/a").await));
    assert!(hit(&rig.get("/cached/a").await));
}

#[tokio::test]
async fn rfc9110_15_1_statuses_that_are_stored_and_that_are_not() {
    let (origin, rig) = start().await;
    for status in [203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        let path = format!("/cached/{status}");
        let reply = Reply::cached(if status == 204 { "" } else { "a" }, "max-age=60").status(status);
        origin.put(&path, reply);
        let get = || async {
            let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
            Answer::of(client.expect("client").get(rig.url(&path))).await
        };
        let (first, second) = (get().await, get().await);
        assert_eq!((first.status, second.status, hit(&second)), (status, status, true), "{second:?}");
    }
    for status in [401, 403, 429, 500, 503] {
        let reply = Reply::cached("a", "public, max-age=60").status(status);
        assert!(!stored(&origin, &rig, &format!("/cached/{status}"), reply).await, "{status}");
    }
}

#[tokio::test]
async fn rfc9111_7_1_what_the_key_does_not_hold_cannot_poison_it() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("a", "max-age=60"));
    let evil = [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "1"),
        ("forwarded", "host=evil.example"),
        ("x-original-url", "/evil"),
        ("x-rewrite-url", "/evil"),
        ("x-host", "evil.example"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-scheme", "http"),
        ("x-http-method-override", "POST"),
        ("x-method-override", "POST"),
        ("accept-encoding", "evil, gzip"),
    ];
    let request = rig.client.get(rig.url("/cached/a"));
    Answer::of(evil.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await;
    let seen = origin.seen().pop().expect("asked");
    for (name, value) in evil {
        assert_ne!(seen.header(name), value, "{name}");
    }
    assert_eq!(seen.header("accept-encoding"), "gzip");
    // A body belongs to no key.
    let fat = Answer::of(rig.client.get(rig.url("/cached/fat")).body("evil")).await;
    assert_eq!(fat.header("cache-status"), "marquee; fwd=bypass");
}

#[tokio::test]
async fn rfc9111_2_the_key_is_scheme_host_path_and_query() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("a", "max-age=60"));
    rig.get("/cached/a?x=1").await;
    assert!(hit(&rig.get("/cached/a?x=1").await));
    for other in ["/cached/a?x=2", "/cached/a", "/cached/a?x=1&"] {
        assert!(!hit(&rig.get(other).await), "{other}");
    }
    assert!(!hit(&rig.get_with("/cached/a?x=1", "host", "other.example").await));
}
