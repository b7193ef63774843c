//! What is stale and may be used all the same: RFC 5861.

use crate::origin::{Reply, hit, start};

#[tokio::test]
async fn rfc5861_3_stale_while_revalidate_answers_at_once_and_fetches_behind_it() {
    let (origin, rig) = start().await;
    origin.put(
        "/cached/a",
        Reply::cached("old", "max-age=0, stale-while-revalidate=60").with("etag", "\"v1\""),
    );
    rig.get("/cached/a").await;
    origin.put("/cached/a", Reply::cached("new", "max-age=60").held());
    for _ in 0..3 {
        let stale = rig.get("/cached/a").await;
        assert!(hit(&stale) && stale.body == "old", "{stale:?}");
        assert!(stale.header("cache-status").ends_with("; detail=stale-while-revalidate"), "{stale:?}");
    }
    rig.until("it is fetched", || async { origin.asked() == 2 }).await;
    assert_eq!(origin.seen()[1].header("if-none-match"), "\"v1\"");
    origin.release(1);
    rig.until("it is new", || async { rig.get("/cached/a").await.body == "new" }).await;
    assert_eq!(origin.asked(), 2);
}

#[tokio::test]
async fn rfc5861_3_for_no_longer_than_it_says() {
    let (origin, rig) = start().await;
    let control = "max-age=1, stale-while-revalidate=1";
    origin.put("/cached/a", Reply::cached("old", control).with("age", "1"));
    rig.get("/cached/a").await;
    origin.put("/cached/a", Reply::cached("new", "max-age=60"));
    // Nobody asks meanwhile, so nothing is fetched behind anybody's back.
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    assert_eq!(rig.get("/cached/a").await.body, "new");
}

#[tokio::test]
async fn rfc5861_4_stale_if_error_stands_in_for_a_failing_origin() {
    let (mut origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("old", "max-age=1, stale-if-error=60"));
    rig.get("/cached/a").await;
    origin.put("/cached/a", Reply::new("broken").status(500));
    rig.until("it is stale", || async {
        let answer = rig.get("/cached/a").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "old"));
        let status = answer.header("cache-status");
        status.starts_with("marquee; fwd=stale; fwd-status=500;") && status.ends_with("detail=stale-if-error")
    })
    .await;
    origin.kill().await;
    assert_eq!(rig.get("/cached/a").await.body, "old");
}

#[tokio::test]
async fn rfc5861_4_an_error_of_the_client_is_no_error() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("old", "max-age=1, stale-if-error=60"));
    rig.get("/cached/a").await;
    origin.put("/cached/a", Reply::new("gone").status(404));
    rig.until("it is gone", || async { rig.get("/cached/a").await.status == 404 }).await;
}

#[tokio::test]
async fn rfc9111_5_2_2_2_must_revalidate_forbids_what_is_stale() {
    let (origin, rig) = start().await;
    for directive in ["must-revalidate", "proxy-revalidate"] {
        let path = format!("/cached/{directive}");
        let control = format!("max-age=1, stale-if-error=60, stale-while-revalidate=60, {directive}");
        origin.put(&path, Reply::cached("old", &control));
        rig.get(&path).await;
        origin.put(&path, Reply::new("broken").status(500));
        rig.until("it is stale", || async { rig.get(&path).await.status == 500 }).await;
    }
}

#[tokio::test]
async fn rfc9111_5_2_2_10_so_does_s_maxage_unless_the_answer_says_how_long() {
    let (origin, rig) = start().await;
    origin.put("/cached/a", Reply::cached("old", "s-maxage=1"));
    origin.put("/cached/b", Reply::cached("old", "s-maxage=1, stale-if-error=60"));
    for path in ["/cached/a", "/cached/b"] {
        rig.get(path).await;
        origin.put(path, Reply::new("broken").status(500));
    }
    rig.until("it is stale", || async { rig.get("/cached/a").await.status == 500 }).await;
    assert_eq!(rig.get("/cached/b").await.body, "old");
}
