//! Which pool a path goes to, and what the upstream is told about the client.

use crate::rig::{Answer, Rig, config, pool};
use crate::upstream::Upstream;

#[tokio::test]
async fn the_most_specific_pattern_wins() {
    let (a, b) = (Upstream::start("a").await, Upstream::start("b").await);
    let routes = "[[routes]]\nmatch = \"/**\"\npool = \"a\"\n[[routes]]\nmatch = \"/shows/{id}/holds\"\npool = \"b\"\n";
    let rig = Rig::start(&format!("{routes}{}{}", pool("a", &[&a]), pool("b", &[&b]))).await;
    for (path, name) in [("/", "a"), ("/shows/7", "a"), ("/shows/7/holds", "b"), ("/shows/7/holds/8", "a")] {
        let answer = rig.get(path).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.starts_with(name), "{path} went to {}", answer.body);
    }
    assert_eq!(a.seen().len() + b.seen().len(), 4);
    assert_eq!(a.name, "a");
}

#[tokio::test]
async fn forwarding_headers_from_outside_are_overwritten() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    let request = rig.client.get(rig.url("/x?q=1"));
    let request = request
        .header("x-forwarded-for", "9.9.9.9")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "evil")
        .header("forwarded", "for=9.9.9.9")
        .header("x-real-ip", "9.9.9.9")
        .header("x-request-id", "chosen-outside")
        .header("te", "trailers")
        .header("x-hop", "1")
        .header("connection", "x-hop")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let answer = Answer::of(request).await;
    let seen = up.seen().pop().expect("asked");
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/x?q=1"));
    assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "http");
    assert_eq!(seen.header("x-forwarded-host"), rig.public.to_string());
    assert_eq!(seen.header("host"), rig.public.to_string());
    for gone in ["forwarded", "x-real-ip", "te", "x-hop"] {
        assert_eq!(seen.header(gone), "", "{gone}");
    }
    assert_eq!(seen.header("x-request-id").len(), 32);
    assert_eq!(seen.header("x-request-id"), answer.header("x-request-id"));
    assert!(seen.header("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert!(!seen.header("traceparent").contains("00f067aa0ba902b7"));
    assert!(seen.header("traceparent").ends_with("-00"), "anybody could have everything recorded");
}

#[tokio::test]
async fn a_trusted_sender_is_believed() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("[edge]", "[edge]\ntrusted = [\"127.0.0.0/8\"]")).await;
    let request = rig.client.get(rig.url("/x")).header("x-forwarded-for", "9.9.9.9, 127.0.0.5");
    let request = request.header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let answer =
        Answer::of(request.header("x-request-id", "chosen-by-proxy").header("x-forwarded-proto", "https"))
            .await;
    assert_eq!(answer.header("x-request-id"), "chosen-by-proxy");
    let seen = up.seen().pop().expect("asked");
    assert!(seen.header("traceparent").ends_with("-01"), "whether it is recorded was decided before");
    assert_eq!(seen.header("x-forwarded-for"), "9.9.9.9, 127.0.0.5, 127.0.0.1");
    assert_eq!(seen.header("x-forwarded-proto"), "https");
    rig.until("the access log names the client", || async {
        rig.access_log()
            .iter()
            .any(|line| line["client"] == "9.9.9.9" && line["request_id"] == "chosen-by-proxy")
    })
    .await;
}

/// One of our own proxies added a line of its own instead of appending to the one that the client sent.
#[tokio::test]
async fn every_line_of_the_chain_is_read() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("[edge]", "[edge]\ntrusted = [\"127.0.0.0/8\"]")).await;
    let request = rig.client.get(rig.url("/x"));
    let request =
        request.header("x-forwarded-for", "6.6.6.6").header("x-forwarded-for", "9.9.9.9, 127.0.0.5");
    assert_eq!(Answer::of(request).await.status, 200);
    let seen = up.seen().pop().expect("asked");
    assert_eq!(seen.header("x-forwarded-for"), "6.6.6.6, 9.9.9.9, 127.0.0.5, 127.0.0.1");
    rig.until("the access log names the last stranger", || async {
        rig.access_log().iter().any(|line| line["client"] == "9.9.9.9")
    })
    .await;
}

#[tokio::test]
async fn of_two_values_where_one_belongs_none_is_believed() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up]).replace("[edge]", "[edge]\ntrusted = [\"127.0.0.0/8\"]")).await;
    let twice = |name: &str, values: [&str; 2]| {
        Answer::of(rig.client.get(rig.url("/x")).header(name, values[0]).header(name, values[1]))
    };
    twice("x-forwarded-proto", ["https", "http"]).await;
    assert_eq!(up.seen().pop().expect("asked").header("x-forwarded-proto"), "http");
    rig.get_with("/x", "x-forwarded-proto", "https, http").await;
    assert_eq!(up.seen().pop().expect("asked").header("x-forwarded-proto"), "http");
    twice("x-forwarded-host", ["evil", "good"]).await;
    assert_eq!(up.seen().pop().expect("asked").header("x-forwarded-host"), rig.public.to_string());
    twice("x-request-id", ["chosen-outside", "chosen-by-proxy"]).await;
    assert_eq!(up.seen().pop().expect("asked").header("x-request-id").len(), 32);
}

#[tokio::test]
async fn a_request_leaves_one_line() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    let answer = rig.get("/x?token=secret").await;
    rig.until("the line is written", || async { rig.access_log().len() == 1 }).await;
    let line = rig.access_log().remove(0);
    assert_eq!(line["path"], "/x", "a query may carry secrets");
    assert_eq!(line["request_id"], answer.header("x-request-id"));
    assert_eq!(line["status"], 200);
    assert_eq!(line["pool"], "main");
    assert_eq!(line["route"], "/**");
    assert_eq!(line["endpoint"], up.address.to_string());
    assert_eq!(line["bytes"], answer.body.len());
    assert_eq!(line["retries"], 0);
    assert_eq!(line["trace_id"].as_str().map(str::len), Some(32));
    assert_eq!((&line["level"], &line["program"]), (&"INFO".into(), &"balancer".into()));
    assert_eq!((&line["target"], &line["message"]), (&"access".into(), &"request".into()));
}

#[tokio::test]
async fn lines_of_its_own_log_have_the_shape_of_everybodys() {
    let up = Upstream::start("a").await;
    let rig = Rig::start(&config(&[&up])).await;
    rig.until("something is said", || async { rig.stderr().ends_with('\n') }).await;
    for line in rig.stderr().lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("one JSON object");
        assert!(line["time"].as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()), "{line}");
        assert_eq!(line["program"], "balancer");
        for member in ["level", "target", "message"] {
            assert!(line[member].as_str().is_some_and(|text| !text.is_empty()), "no {member} in {line}");
        }
    }
}
