//! One JSON line per request, written by a thread of its own: a blocked pipe or a full disk costs lines,
//! which are counted, and never a request.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use serde::Serialize;

use super::metrics::Metrics;
use crate::config;

/// How long the end of the process waits for lines still in the queue.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// What is said about one request.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// When the request's header had arrived, RFC 3339.
    pub time: String,
    /// Given to the client and every upstream.
    pub request_id: &'a str,
    /// W3C trace id.
    pub trace_id: &'a str,
    /// The client's address.
    pub client: String,
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

/// Where requests leave their lines.
pub struct AccessLog {
    queue: Option<SyncSender<Message>>,
    metrics: Arc<Metrics>,
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl AccessLog {
    /// Opens the log and starts its writer; `None` is a log that is off.
    pub fn start(settings: Option<&config::AccessLog>, metrics: Arc<Metrics>) -> io::Result<Self> {
        let Some(settings) = settings else { return Ok(Self { queue: None, metrics }) };
        let output: Box<dyn Write + Send> = match &settings.path {
            Some(path) => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
            None => Box::new(io::stdout()),
        };
        let (queue, lines) = sync_channel(settings.queue_lines_max);
        std::thread::Builder::new().name("access-log".into()).spawn(move || write_all(&lines, output))?;
        Ok(Self { queue: Some(queue), metrics })
    }

    /// Whether a line would be written.
    pub fn enabled(&self) -> bool {
        self.queue.is_some()
    }

    /// Leaves a line, or counts it as dropped.
    pub fn write(&self, line: &Line<'_>) {
        let Some(queue) = &self.queue else { return };
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        if queue.try_send(Message::Line(text)).is_err() {
            self.metrics.access_log_dropped.inc();
        }
    }

    /// Waits a moment until the lines left so far are written.
    pub fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        let (done, written) = sync_channel(1);
        if queue.try_send(Message::Flush(done)).is_ok() {
            // Whether it was written in time or not, the process ends now.
            let _: Result<(), RecvTimeoutError> = written.recv_timeout(FLUSH_WAIT);
        }
    }
}

/// Writes what comes, and flushes whenever nothing more is waiting.
fn write_all(lines: &Receiver<Message>, output: Box<dyn Write + Send>) {
    let mut output = BufWriter::new(output);
    let mut next = lines.recv().ok();
    while let Some(message) = next {
        if let Err(error) = write_one(message, &mut output) {
            tracing::warn!(%error, "access log line lost");
        }
        next = match lines.try_recv() {
            Ok(message) => Some(message),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                if let Err(error) = output.flush() {
                    tracing::warn!(%error, "access log lines lost");
                }
                lines.recv().ok()
            }
        };
    }
}

fn write_one(message: Message, output: &mut impl Write) -> io::Result<()> {
    match message {
        Message::Line(line) => output.write_all(&line),
        Message::Flush(done) => {
            let flushed = output.flush();
            // Nobody waits any more when this fails.
            let _ = done.send(());
            flushed
        }
    }
}
