//! The admin listener, and that the public one does not show it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{Answer, Rig, config};
use crate::upstream::Upstream;

#[tokio::test]
async fn the_admin_listener_tells_how_it_goes() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    assert_eq!(rig.get("/x").await.status, 200);
    assert_eq!(rig.get("/internal/x").await.status, 404);
    assert_eq!(rig.admin("/livez").await.status, 200);
    assert_eq!(rig.admin("/readyz").await.status, 200);
    assert_eq!(rig.admin("/elsewhere").await.status, 404);

    let status: serde_json::Value = serde_json::from_str(&rig.admin("/status").await.body).expect("JSON");
    assert_eq!(status["draining"], false);
    assert_eq!(status["pools"][0]["name"], "main");
    assert_eq!(status["pools"][0]["endpoints"][0]["address"], up.address.to_string());
    assert_eq!(status["pools"][0]["endpoints"][0]["state"], "healthy");

    rig.until_metric("marquee_balancer_requests_total{class=\"2xx\",pool=\"main\",route=\"/**\"}", 1).await;
    rig.until_metric("marquee_balancer_requests_total{class=\"4xx\",pool=\"none\",route=\"none\"}", 1).await;
    rig.until_metric("marquee_balancer_request_duration_seconds_count{route=\"/**\"}", 1).await;
    let up_line = format!("marquee_balancer_endpoint_up{{endpoint=\"{}\",pool=\"main\"}}", up.address);
    assert_eq!(rig.metric(&up_line).await, 1);
    assert_eq!(rig.metric("marquee_balancer_access_log_dropped_total").await, 0);
    let page = rig.admin("/metrics").await;
    assert!(page.body.contains("marquee_build_info{program=\"balancer\",version="));
    assert!(page.body.contains("process_open_fds"));
    assert_eq!(rig.get("/metrics").await.status, 404);
}

/// Else the first failure would be no increase to whoever watches.
#[tokio::test]
async fn what_has_not_happened_yet_is_shown_at_0() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    let endpoint = format!("endpoint=\"{}\",pool=\"main\"", up.address);
    for (name, labels) in [
        ("requests_total", "class=\"5xx\",pool=\"main\",route=\"/**\""),
        ("shed_total", "pool=\"main\",reason=\"queue_full\""),
        ("retries_total", "pool=\"main\",reason=\"connect\""),
        ("retries_refused_total", "pool=\"main\""),
        ("ejections_total", &format!("{endpoint},reason=\"consecutive_failures\"")),
        ("cache_requests_total", "result=\"hit\""),
        ("queue_wait_seconds_count", "pool=\"main\""),
        ("upstream_duration_seconds_count", "pool=\"main\""),
        ("endpoint_in_flight", &endpoint),
    ] {
        let page = rig.admin("/metrics").await.body;
        let line = format!("marquee_balancer_{name}{{{labels}}} 0\n");
        assert!(page.contains(&line), "{line} in {page}");
    }
    assert_eq!(rig.metric("marquee_balancer_draining").await, 0);
    assert_eq!(rig.get("/x").await.status, 200);
    rig.until_metric("marquee_balancer_upstream_duration_seconds_count{pool=\"main\"}", 1).await;
}

/// A browser gets a page that may load nothing but its own parts; programs get what it is drawn from.
#[tokio::test]
async fn the_status_page_is_whole_and_its_figures_are_true() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    assert_eq!(rig.get("/x").await.status, 200);
    assert_eq!(rig.get("/failing").await.status, 500);
    let url = |path: &str| format!("http://{}{path}", rig.admin);
    let page = Answer::of(rig.client.get(url("/status")).header("accept", "text/html,*/*;q=0.8")).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    for part in ["page.js", "drawing.js", "picture.js", "figures.js", "page.css"] {
        let answer = rig.admin(&format!("/status/{part}")).await;
        assert_eq!((answer.status, answer.header("x-content-type-options")), (200, "nosniff"), "{part}");
    }
    let class = "marquee_balancer_requests_total{class=\"5xx\",pool=\"main\",route=\"/**\"}";
    rig.until_metric(class, 1).await;
    let status: serde_json::Value =
        serde_json::from_str(&rig.admin("/status.json").await.body).expect("JSON");
    let pool = &status["pools"][0];
    assert_eq!(pool["policy"], "ring_hash");
    assert_eq!(pool["requests"], serde_json::json!({ "2xx": 1, "5xx": 1 }));
    let endpoint = &pool["endpoints"][0];
    assert_eq!((&endpoint["answers"], &endpoint["failures"]), (&2.into(), &1.into()));
    let times = endpoint["latency"]["counts"].as_array().expect("counts").iter();
    assert_eq!(times.map(|count| count.as_u64().expect("a count")).sum::<u64>(), 2);
}

/// More lines than the pipe, the writer and the queue hold.
const REQUESTS: usize = 600;

#[tokio::test]
async fn a_blocked_access_log_costs_lines_and_no_request() {
    let up = Upstream::start("a").await;
    let config = config(&[&up]);
    let mut rig = Rig::start_with_log(&config, "path = \"-\"\nqueue_lines_max = 16").await;
    for _ in 0..REQUESTS {
        assert_eq!(rig.get("/x").await.status, 200);
    }
    assert!(rig.metric("marquee_balancer_access_log_dropped_total").await > 0);
    rig.signal("TERM");
    assert_eq!(rig.exit_code().await, Some(0), "{}", rig.stderr());
}

#[tokio::test]
async fn a_blocked_stderr_costs_lines_and_no_request() {
    let up = Upstream::start("a").await;
    let mut rig = Rig::start_unheard(&config(&[&up])).await;
    for _ in 0..REQUESTS {
        assert_eq!(rig.get("/x").await.status, 200);
    }
    assert!(rig.metric("marquee_balancer_log_dropped_total").await > 0);
    rig.signal("TERM");
    assert_eq!(rig.exit_code().await, Some(0));
}

/// Strangers can send any number of headers that break off, and a query may carry secrets.
#[tokio::test]
async fn no_request_is_in_the_process_s_own_log() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let mut rig = Rig::start_with_log(&config(&[&a, &b]), "enabled = false").await;
    let mut stream = TcpStream::connect(rig.public).await.expect("connect");
    stream.write_all(b"GET /x?token=secret HTTP/1.1\r\nhost:").await.expect("sent");
    stream.shutdown().await.expect("no more");
    // Until the balancer has given up on it.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    assert_eq!(rig.get("/broken?token=secret").await.status, 503);
    rig.signal("TERM");
    assert_eq!(rig.exit_code().await, Some(0));
    let log = rig.stderr();
    assert!(!log.contains("secret") && !log.contains("Fail to proxy") && log.contains("stopping"), "{log}");
}

#[tokio::test]
async fn lines_that_a_full_disk_refuses_are_counted_and_told_of_once() {
    let up = Upstream::start("a").await;
    let rig = Rig::start_with_log(&config(&[&up]), "path = \"/dev/full\"").await;
    rig.until("lines were lost", || async {
        assert_eq!(rig.get("/x").await.status, 200);
        rig.metric("marquee_balancer_access_log_dropped_total").await > 3
    })
    .await;
    let told = || rig.stderr().matches("the access log cannot be written").count();
    rig.until("it was told", || async { told() > 0 }).await;
    assert_eq!(told(), 1, "{}", rig.stderr());
}
