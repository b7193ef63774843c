//! The process's own log: JSON lines on stderr. Requests have their own log, [`super::access_log`].

mod line;

use std::io;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use super::lines::Lines;
use super::metrics::Metrics;

/// What is logged unless `RUST_LOG` says otherwise. Pingora's lines about requests are not: anybody can cause any
/// number of them, they show the query, which may carry secrets, and requests have a log of their own.
const DEFAULT_FILTER: &str = "info,pingora_core=warn,pingora_proxy=off,pingora_cache=warn";
/// Lines that may wait for the writer; beyond it they are dropped and counted.
const QUEUE_LINES_MAX: usize = 1_024;

/// The log; when it is dropped, what was left in it is written.
pub struct Telemetry {
    lines: Arc<Lines>,
}

/// Starts logging; a second call changes nothing.
pub fn start(metrics: &Metrics) -> io::Result<Telemetry> {
    let lines = Lines::start("log", io::stderr(), QUEUE_LINES_MAX, metrics.log_dropped.clone())?;
    let lines = Arc::new(lines);
    let (filter, writer) = (EnvFilter::try_from_default_env(), Event(lines.clone()));
    // The only failure is a logger that is already there, which then does the work.
    let _ = tracing_subscriber::fmt()
        .fmt_fields(JsonFields::new())
        .event_format(line::Line)
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER)))
        .with_writer(move || writer.clone())
        .try_init();
    Ok(Telemetry { lines })
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.lines.flush();
    }
}

/// Where the subscriber writes one event, as a whole.
#[derive(Clone)]
struct Event(Arc<Lines>);

impl io::Write for Event {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.leave(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
