//! One JSON line per request.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::lines::Lines;
use super::metrics::Metrics;
use crate::config;

thread_local! {
    /// The line that is being written; no longer than a header may be.
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is said about one request.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// When the request's header had arrived, RFC 3339.
    pub time: jiff::Timestamp,
    /// Given to the client and every upstream.
    pub request_id: &'a str,
    /// W3C trace id.
    pub trace_id: &'a str,
    /// The client's address.
    pub client: IpAddr,
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
    /// Body bytes sent to the client.
    pub bytes: usize,
    /// From header to end of answer.
    pub duration_ms: f64,
    /// From choosing the last endpoint to its first byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_ms: Option<f64>,
    /// Tries after the first.
    pub retries: usize,
    /// What the cache did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<&'a str>,
    /// Why it went wrong, when it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Line<'_> {
    /// The line of a request whose end is not yet known.
    pub fn open(&self) -> Option<OpenLine> {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => Some(OpenLine(fields)),
            _ => None,
        }
    }
}

/// A line that is to be ended.
#[derive(Debug)]
pub struct OpenLine(Map<String, Value>);

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

    /// Ends a line and leaves it.
    pub fn end(&self, mut line: OpenLine, bytes: usize, duration: Duration) {
        line.0.insert("bytes".to_owned(), bytes.into());
        line.0.insert("duration_ms".to_owned(), milliseconds(duration).into());
        self.write(&line.0);
    }

    /// Leaves a line, or counts it as dropped.
    pub fn write(&self, line: &impl Serialize) {
        let Some(lines) = &self.lines else { return };
        TEXT.with_borrow_mut(|text| {
            text.clear();
            if serde_json::to_writer(&mut *text, line).is_ok() {
                text.push(b'\n');
                lines.leave(text);
            }
        });
    }

    /// Waits a moment until the lines left so far are written.
    pub fn flush(&self) {
        if let Some(lines) = &self.lines {
            lines.flush();
        }
    }
}
