//! Lines of logs.

use serde_json::Value;

use crate::planted::Said;

/// A request that was sent, as its sender knows it.
pub(crate) struct Sent {
    /// The trace it began.
    pub(crate) trace: String,
    /// Its own part of it.
    pub(crate) span: String,
    /// What the balancer called it.
    pub(crate) request: String,
}

/// The lines of a log, each read as JSON.
fn lines(log: &str) -> impl Iterator<Item = Result<Value, String>> {
    log.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{error}: {line}")))
}

/// Each line is a JSON object that says when, how bad, who, what about and what.
pub(crate) fn expect_one_shape(logs: &[Said]) {
    for (place, log) in logs {
        for line in lines(log) {
            let line = line.unwrap_or_else(|wrong| panic!("{place}: {wrong}"));
            let text = |member: &str| {
                line[member].as_str().unwrap_or_else(|| panic!("{place}: no {member} in {line}"))
            };
            assert!(text("time").parse::<jiff::Timestamp>().is_ok(), "{place}: {line}");
            assert!(["ERROR", "WARN", "INFO", "DEBUG"].contains(&text("level")), "{place}: {line}");
            assert!(place.contains(text("program")), "{place}: {line}");
            assert!(!text("target").is_empty() && !text("message").is_empty(), "{place}: {line}");
        }
    }
}

/// The balancer's line about a request and those of the service that answered it name the same request and trace.
pub(crate) fn expect_ids(logs: &[Said], sent: &Sent) {
    let named = |program: &str| {
        logs.iter().filter(|(place, _)| place.contains(program)).any(|(_, log)| {
            lines(log).flatten().any(|line| {
                line["trace_id"] == sent.trace.as_str() && line["request_id"] == sent.request.as_str()
            })
        })
    };
    assert!(named("balancer"), "the balancer has no line of {}", sent.request);
    assert!(named("reservations"), "reservations has no line of {}", sent.request);
    let mut caused =
        logs.iter().filter(|(place, _)| place.contains("waitlist")).flat_map(|(_, log)| lines(log).flatten());
    assert!(
        caused.any(|line| line["trace_id"] == sent.trace.as_str()),
        "waitlist has no line of {}",
        sent.trace
    );
}
