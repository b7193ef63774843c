//! What a process says of itself. Logs: one JSON object per line on stderr, filtered by `RUST_LOG` (default `info`). Traces: see
//! [`crate::traces`].

mod line;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::traces::{self, Exporting, TracesConfig};

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT_FILTER: &str = "info,tokio_postgres=warn,refinery_core=warn";

/// What goes on in the background.
#[derive(Debug)]
#[must_use = "what is left is sent by `finish`"]
pub struct Telemetry {
    exporting: Option<Exporting>,
}

impl Telemetry {
    /// Sends what is left.
    pub async fn finish(self) {
        if let Some(exporting) = self.exporting {
            exporting.finish().await;
        }
    }
}

/// Starts for the whole process, on the runtime it runs on. A second call changes nothing.
pub fn start(program: &'static str, config: &TracesConfig) -> anyhow::Result<Telemetry> {
    let started = traces::start(program, config)?;
    let registry = tracing_subscriber::registry().with(lines(program));
    // A layer that is not there costs less than one that is and does nothing.
    let (initialised, exporting) = match started {
        None => (registry.try_init(), None),
        Some((tracer, exporting)) => {
            let layer =
                tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
            let layer = layer.with_tracked_inactivity(false).with_level(false).with_target(false);
            let ours = Targets::new().with_target(traces::TARGET, LevelFilter::DEBUG);
            (registry.with(layer.with_filter(ours)).try_init(), Some(exporting))
        }
    };
    if initialised.is_err() {
        tracing::debug!("telemetry was already started");
    }
    tell_panics();
    Ok(Telemetry { exporting })
}

/// The log.
fn lines<S>(program: &'static str) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let no_traces = format!("{}=off", traces::TARGET).parse().expect("it has the form of a directive");
    tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(line::Line { program })
        .with_writer(std::io::stderr)
        .with_filter(filter.add_directive(no_traces))
}

fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let (location, what) = (panic.location().map(ToString::to_string), panic.payload_as_str());
        tracing::error!(location, "panicked: {}", what.unwrap_or_default());
    }));
}
