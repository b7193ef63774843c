//! One JSON line per request.

mod json;

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::time::Duration;

use jiff::fmt::temporal::DateTimePrinter;

use super::lines::Lines;
use super::metrics::Metrics;
use crate::config;

thread_local! {
    /// The line that is being written; no longer than a header may be.
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is said about one request, in the order of the line.
#[derive(Debug)]
pub struct Line<'a> {
    /// When the request's header had arrived, RFC 3339.
    pub time: jiff::Timestamp,
    /// Given to the client and every upstream.
    pub request_id: &'a str,
    /// W3C trace id.
    pub trace_id: &'a str,
    /// The client's address.
    pub client: &'a str,
    /// Method.
    pub method: &'a str,
    /// Path without its query, which may carry secrets.
    pub path: &'a str,
    /// The pattern of the route.
    pub route: &'a str,
    /// The pool of the route.
    pub pool: &'a str,
    /// The endpoint that was tried last.
    pub endpoint: &'a str,
    /// Status sent to the client; 0 when it left before any.
    pub status: u16,
    /// From choosing the last endpoint to its first byte.
    pub upstream_ms: Option<f64>,
    /// Tries after the first.
    pub retries: usize,
    /// What the cache did.
    pub cache: Option<&'a str>,
    /// Why it went wrong, when it did.
    pub error: Option<String>,
    /// Body bytes sent to the client.
    pub bytes: usize,
    /// From header to end of answer.
    pub duration_ms: f64,
}

impl Line<'_> {
    /// The line of a request whose end is not yet known.
    pub fn open(&self) -> OpenLine {
        let mut text = Vec::new();
        self.begin(&mut text);
        OpenLine(text)
    }

    fn begin(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(br#"{"time":""#);
        // Nothing can go wrong when a text is written into memory.
        let _ = DateTimePrinter::new().print_timestamp(&self.time, &mut *text);
        text.extend_from_slice(
            br#"","level":"INFO","program":"balancer","target":"access","message":"request""#,
        );
        json::text(text, r#","request_id":"#, self.request_id);
        json::text(text, r#","trace_id":"#, self.trace_id);
        json::text(text, r#","client":"#, self.client);
        json::text(text, r#","method":"#, self.method);
        json::text(text, r#","path":"#, self.path);
        json::text(text, r#","route":"#, self.route);
        json::text(text, r#","pool":"#, self.pool);
        json::text(text, r#","endpoint":"#, self.endpoint);
        json::value(text, r#","status":"#, &self.status);
        if let Some(upstream_ms) = &self.upstream_ms {
            json::value(text, r#","upstream_ms":"#, upstream_ms);
        }
        json::value(text, r#","retries":"#, &self.retries);
        if let Some(cache) = self.cache {
            json::text(text, r#","cache":"#, cache);
        }
        if let Some(error) = &self.error {
            json::text(text, r#","error":"#, error);
        }
    }
}

fn end(text: &mut Vec<u8>, bytes: usize, duration_ms: f64) {
    json::value(text, r#","bytes":"#, &bytes);
    json::value(text, r#","duration_ms":"#, &duration_ms);
    text.extend_from_slice(b"}\n");
}

/// A line without its end.
#[derive(Debug)]
pub struct OpenLine(Vec<u8>);

/// As lines say how long something took.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Where requests leave their lines.
pub struct AccessLog {
    lines: Option<Lines>,
}

impl AccessLog {
    /// Opens the log and starts its writer; `None` is a log that is off.
    pub fn start(settings: Option<&config::AccessLog>, metrics: &Metrics) -> io::Result<Self> {
        let Some(settings) = settings else { return Ok(Self { lines: None }) };
        let output: Box<dyn Write + Send> = match &settings.path {
            Some(path) => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
            None => Box::new(io::stdout()),
        };
        let lost = metrics.access_log_dropped.clone();
        Ok(Self { lines: Some(Lines::start("access log", output, settings.queue_lines_max, lost)?) })
    }

    /// Whether a line would be written.
    pub fn enabled(&self) -> bool {
        self.lines.is_some()
    }

    /// Ends a line and leaves it, or counts it as dropped.
    pub fn end(&self, mut line: OpenLine, bytes: usize, duration: Duration) {
        let Some(lines) = &self.lines else { return };
        end(&mut line.0, bytes, milliseconds(duration));
        lines.leave(&line.0);
    }

    /// Leaves a line, or counts it as dropped.
    pub fn write(&self, line: &Line<'_>) {
        let Some(lines) = &self.lines else { return };
        TEXT.with_borrow_mut(|text| {
            text.clear();
            line.begin(text);
            end(text, line.bytes, line.duration_ms);
            lines.leave(text);
        });
    }

    /// Waits a moment until the lines left so far are written.
    pub fn flush(&self) {
        if let Some(lines) = &self.lines {
            lines.flush();
        }
    }
}
