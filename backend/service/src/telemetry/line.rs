//! A line of the log, as every process here writes it: `time`, `level`, `program`, `target`, `message`, then what the request or the
//! event is known by (`request_id`, `trace_id`), then what the message is about. The balancer has the same
//! (`balancer/src/operate/telemetry/line.rs`).

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes lines of a program.
pub(super) struct Line {
    /// Its name.
    pub(super) program: &'static str,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut members = Members::new(event.metadata().target());
        event.record(&mut members);
        let (time, level) = (Timestamp::now(), event.metadata().level());
        write!(writer, r#"{{"time":"{time:.6}","level":"{level}","program":"{}","#, self.program)?;
        write!(writer, r#""target":{},"message":{}"#, members.target, members.message)?;
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map_or("{}", |fields| fields.fields.as_str());
            inside(&mut writer, fields)?;
        }
        writeln!(writer, "{}}}", members.others)
    }
}

/// The members of an object, after others.
fn inside(writer: &mut Writer<'_>, object: &str) -> fmt::Result {
    match object.strip_prefix('{').and_then(|object| object.strip_suffix('}')) {
        None | Some("") => Ok(()),
        Some(members) => write!(writer, ",{members}"),
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;

    /// Where lines of a test end.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panics").write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(log: impl FnOnce()) -> Vec<Value> {
        let paper = Paper::default();
        let writer = paper.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(Line { program: "shop" })
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let text =
            String::from_utf8(paper.0.lock().expect("no writer panics").clone()).expect("lines are text");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is one JSON object")).collect()
    }

    #[test]
    fn a_line_says_when_how_bad_who_what_and_for_which_request() {
        let lines = written(|| {
            let span = tracing::info_span!("request", request_id = "r-1", trace_id = "t-1");
            span.in_scope(|| {
                tracing::warn!(target: "till", cents = 7, paid = false, note = "a \"quoted\" word", "the {} is empty", "till");
            });
            tracing::info!("open");
        });
        let (time, mut first) = (lines[0]["time"].clone(), lines[0].clone());
        first.as_object_mut().expect("an object").remove("time");
        let whole = serde_json::json!({
            "level": "WARN", "program": "shop", "target": "till", "message": "the till is empty",
            "request_id": "r-1", "trace_id": "t-1", "cents": 7, "paid": false, "note": "a \"quoted\" word",
        });
        assert_eq!(first, whole);
        assert!(time.as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok()), "{time}");
        assert_eq!((&lines[1]["message"], lines[1].get("request_id")), (&Value::from("open"), None));
    }
}
