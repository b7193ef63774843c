//! A line of the log, as every process writes it: `time`, `level`, `program`, `target`, `message`, then what the message is about.
//! The services have the same (`backend/service/src/telemetry/line.rs`).

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes lines.
pub(super) struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut members = Members::new(event.metadata().target());
        event.record(&mut members);
        let (time, level) = (Timestamp::now(), event.metadata().level());
        write!(writer, r#"{{"time":"{time:.6}","level":"{level}","program":"balancer","#)?;
        writeln!(writer, r#""target":{},"message":{}{}}}"#, members.target, members.message, members.others)
    }
}

/// What an event says, as JSON.
struct Members {
    target: Value,
    message: Value,
    /// All but those, each after a comma.
    others: String,
}

impl Members {
    fn new(target: &str) -> Self {
        Self { target: target.into(), message: Value::String(String::new()), others: String::new() }
    }

    fn add(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = value,
            // Of a line by the crate `log`, which has more of this kind.
            "log.target" => self.target = value,
            name if name.starts_with("log.") => {}
            name => {
                // Nothing can go wrong when a text is written into memory.
                let _ = write!(self.others, r#","{name}":{value}"#);
            }
        }
    }
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }
}
