//! Conditions, parts and HEAD, answered from what is stored: RFC 9110, 9.3.2, 13 and 14.

use reqwest::RequestBuilder;

use crate::origin::{Origin, Reply, hit, start};
use crate::rig::{Answer, Rig};

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

async fn with_stored() -> (Origin, Rig) {
    let (origin, rig) = start().await;
    let reply = Reply::cached("0123456789", "max-age=60").with("content-type", "text/plain");
    origin.put("/cached/a", reply.with("etag", "\"v1\"").with("last-modified", MODIFIED));
    rig.get("/cached/a").await;
    (origin, rig)
}

async fn get(rig: &Rig, fields: &[(&str, &str)]) -> Answer {
    let add = |request: RequestBuilder, (name, value): &(&str, &str)| request.header(*name, *value);
    let answer = Answer::of(fields.iter().fold(rig.client.get(rig.url("/cached/a")), add)).await;
    assert!(hit(&answer), "{answer:?}");
    answer
}

#[tokio::test]
async fn rfc9110_13_1_2_if_none_match_from_the_store() {
    let (origin, rig) = with_stored().await;
    for tag in ["\"v1\"", "W/\"v1\"", "\"v0\", \"v1\"", "*"] {
        let answer = get(&rig, &[("if-none-match", tag)]).await;
        assert_eq!(
            (answer.status, answer.body.as_str(), answer.header("etag")),
            (304, "", "\"v1\""),
            "{tag}"
        );
        assert!(!answer.header("date").is_empty() && !answer.header("cache-control").is_empty());
    }
    assert_eq!(get(&rig, &[("if-none-match", "\"v0\"")]).await.status, 200);
    assert_eq!(get(&rig, &[("if-none-match", "\"v0\""), ("if-modified-since", MODIFIED)]).await.status, 200);
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn rfc9110_13_1_3_if_modified_since_from_the_store() {
    let (_origin, rig) = with_stored().await;
    assert_eq!(get(&rig, &[("if-modified-since", MODIFIED)]).await.status, 304);
    let before = "Sun, 06 Nov 1994 08:49:36 GMT";
    assert_eq!(get(&rig, &[("if-modified-since", before)]).await.status, 200);
    assert_eq!(get(&rig, &[("if-modified-since", "once")]).await.status, 200);
}

/// The client's condition is answered here; the origin is asked for the whole, which is stored.
#[tokio::test]
async fn rfc9110_13_a_condition_on_a_miss_stores_the_whole() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("0123456789", "max-age=60").with("etag", "\"v1\""));
    let answer = rig.get_with("/cached/a", "if-none-match", "\"v1\"").await;
    assert_eq!((answer.status, answer.body.as_str()), (304, ""));
    assert_eq!(origin.seen()[0].header("if-none-match"), "");
    rig.until("it is stored", || async { rig.metric("marquee_balancer_cache_entries").await == 1 }).await;
    assert_eq!(get(&rig, &[]).await.body, "0123456789");
}

#[tokio::test]
async fn rfc9110_14_2_a_part_of_what_is_stored() {
    let (origin, rig) = with_stored().await;
    for (range, part, says) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
    ] {
        let answer = get(&rig, &[("range", range)]).await;
        assert_eq!((answer.status, answer.body.as_str(), answer.header("content-range")), (206, part, says));
        assert_eq!(answer.header("content-length"), part.len().to_string());
    }
    for ignored in ["lines=0-3", "bytes=a-b", "bytes"] {
        assert_eq!(get(&rig, &[("range", ignored)]).await.status, 200, "{ignored}");
    }
    assert_eq!(get(&rig, &[]).await.header("accept-ranges"), "bytes");
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn rfc9110_14_6_several_parts_at_once() {
    let (_origin, rig) = with_stored().await;
    let answer = get(&rig, &[("range", "bytes=0-1,4-5,-1")]).await;
    assert_eq!(answer.status, 206);
    let kind = answer.header("content-type");
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("a boundary");
    let parts: Vec<&str> = answer.body.split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 5, "{}", answer.body);
    for (part, (range, bytes)) in
        parts[1..4].iter().zip([("0-1/10", "01"), ("4-5/10", "45"), ("9-9/10", "9")])
    {
        assert!(part.contains(&format!("Content-Range: bytes {range}")), "{part}");
        assert!(part.contains("text/plain") && part.trim_end().ends_with(bytes), "{part}");
    }
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
}

/// Parts can be asked for that are larger together than the whole.
#[tokio::test]
async fn rfc9110_14_2_no_more_than_sixteen_parts_at_once() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached(&"x".repeat(100), "max-age=60"));
    rig.get("/cached/a").await;
    for (count, status) in [(16, 206), (17, 200)] {
        let parts: Vec<String> = (0..count).map(|number| format!("{0}-{0}", number * 2)).collect();
        let answer = get(&rig, &[("range", &format!("bytes={}", parts.join(",")))]).await;
        assert_eq!(answer.status, status, "{count}");
    }
}

#[tokio::test]
async fn rfc9110_15_5_17_a_part_that_is_not_there() {
    let (_origin, rig) = with_stored().await;
    for range in ["bytes=10-", "bytes=20-30"] {
        let answer = get(&rig, &[("range", range)]).await;
        assert_eq!((answer.status, answer.header("content-range")), (416, "bytes */10"), "{range}");
    }
}

#[tokio::test]
async fn rfc9110_13_1_5_if_range() {
    let (_origin, rig) = with_stored().await;
    let status =
        async |condition: &str| get(&rig, &[("range", "bytes=0-3"), ("if-range", condition)]).await.status;
    assert_eq!(status("\"v1\"").await, 206);
    assert_eq!(status(MODIFIED).await, 206);
    for other in ["\"v0\"", "W/\"v1\"", "Sun, 06 Nov 1994 08:49:38 GMT", "v1"] {
        assert_eq!(status(other).await, 200, "{other}");
    }
    let unchanged = get(&rig, &[("range", "bytes=0-3"), ("if-none-match", "\"v1\"")]).await;
    assert_eq!(unchanged.status, 304);
}

/// What only a part was asked of is fetched and stored as a whole.
#[tokio::test]
async fn rfc9111_3_3_a_part_on_a_miss_stores_the_whole() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("0123456789", "max-age=60"));
    let part = rig.get_with("/cached/a", "range", "bytes=2-4").await;
    assert_eq!((part.status, part.body.as_str()), (206, "234"));
    assert_eq!(origin.seen()[0].header("range"), "");
    rig.until("it is stored", || async { rig.metric("marquee_balancer_cache_entries").await == 1 }).await;
    assert_eq!(get(&rig, &[]).await.body, "0123456789");
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn rfc9110_9_3_2_head_from_a_stored_get_and_the_other_way_round() {
    let (origin, rig) = with_stored().await;
    let head = Answer::of(rig.client.head(rig.url("/cached/a"))).await;
    assert!(hit(&head));
    assert_eq!((head.status, head.body.as_str(), head.header("content-length")), (200, "", "10"));
    let ranged = Answer::of(rig.client.head(rig.url("/cached/a")).header("range", "bytes=0-3")).await;
    assert_eq!(ranged.status, 200);
    let first = Answer::of(rig.client.head(rig.url("/cached/a?first"))).await;
    assert_eq!((first.status, first.header("content-length")), (200, "10"));
    assert_eq!(origin.seen().pop().expect("asked").method, "GET");
    rig.until("it is stored", || async { hit(&rig.get("/cached/a?first").await) }).await;
}
