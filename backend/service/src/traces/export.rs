//! Spans on their way to the collector: a bounded queue, and one task that sends what is in it. A collector that is slow or away costs
//! spans, which are counted, and nothing else. The balancer has the same (`balancer/src/operate/traces`).

use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor,
};
use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::sampler::Following;
use super::{ON, TracesConfig};

/// Spans in one message to the collector.
const BATCH_SPANS_MAX: usize = 512;
/// How long spans are gathered for it.
const GATHER: Duration = Duration::from_millis(500);
/// How long the collector may take for one.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long the end of the process waits for what is left.
const FINISH_MAX: Duration = Duration::from_secs(2);

/// What became of spans, for every registry of this process.
pub(crate) struct Counts {
    exported: IntCounter,
    dropped: IntCounterVec,
}

static COUNTS: LazyLock<Counts> = LazyLock::new(|| {
    let dropped = Opts::new("marquee_trace_spans_dropped_total", "Spans that nobody will see, by reason.");
    let counts = Counts {
        exported: IntCounter::new("marquee_trace_spans_exported_total", "Spans the collector has taken.")
            .expect("the name has the right form"),
        dropped: IntCounterVec::new(dropped, &["reason"]).expect("the names have the right form"),
    };
    for reason in ["queue", "collector"] {
        counts.dropped.with_label_values(&[reason]);
    }
    counts
});

impl Counts {
    /// Shows them in a registry.
    pub(crate) fn register(registry: &Registry) {
        let counters: [Box<dyn Collector>; 2] =
            [Box::new(COUNTS.exported.clone()), Box::new(COUNTS.dropped.clone())];
        for counter in counters {
            registry.register(counter).expect("each metric is registered once");
        }
    }

    fn drop(reason: &str, spans: usize) {
        COUNTS.dropped.with_label_values(&[reason]).inc_by(spans as u64);
    }
}

/// The task that sends.
#[derive(Debug)]
pub struct Exporting {
    task: JoinHandle<()>,
    ending: CancellationToken,
}

impl Exporting {
    /// Sends what is left, as far as the collector takes it in time.
    pub async fn finish(self) {
        self.ending.cancel();
        if tokio::time::timeout(FINISH_MAX, self.task).await.is_err() {
            tracing::warn!("the collector did not take the last spans in time");
        }
    }
}

/// Starts to send; nothing where no collector is named. Must be called on a runtime.
pub(crate) fn start(
    program: &'static str,
    config: &TracesConfig,
) -> anyhow::Result<Option<(SdkTracer, Exporting)>> {
    if config.endpoint.is_empty() {
        return Ok(None);
    }
    let resource = Resource::builder().with_service_name(program).with_attributes(attributes()).build();
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", config.endpoint.trim_end_matches('/')))
        .with_timeout(TIMEOUT)
        .build()
        .map_err(|error| anyhow::anyhow!("`traces.endpoint` cannot be used: {error}"))?;
    exporter.set_resource(&resource);
    let (sender, receiver) = mpsc::channel(config.queue_spans_max);
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Following { undecided: Sampler::TraceIdRatioBased(config.sample_ratio) })
        .with_span_processor(Queue(sender))
        .build();
    let ending = CancellationToken::new();
    let task = tokio::spawn(send_all(exporter, receiver, ending.clone()));
    ON.store(true, Ordering::Relaxed);
    Ok(Some((provider.tracer("marquee"), Exporting { task, ending })))
}

/// Which of several instances it is.
fn attributes() -> [KeyValue; 2] {
    [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ]
}

/// Where spans end.
#[derive(Debug)]
struct Queue(Sender<SpanData>);

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.0.try_send(span).is_err() {
            Counts::drop("queue", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Until the end, and then what is left.
async fn send_all(exporter: SpanExporter, mut spans: Receiver<SpanData>, ending: CancellationToken) {
    let mut failing = false;
    while !ending.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = ending.cancelled() => {}
        }
        while let Some(batch) = waiting(&mut spans) {
            failing = send(&exporter, batch, failing).await;
        }
    }
}

/// Some of what waits.
fn waiting(spans: &mut Receiver<SpanData>) -> Option<Vec<SpanData>> {
    let batch: Vec<_> = std::iter::from_fn(|| spans.try_recv().ok()).take(BATCH_SPANS_MAX).collect();
    (!batch.is_empty()).then_some(batch)
}

/// Says whether it failed. That is told once, until it succeeds again.
async fn send(exporter: &SpanExporter, batch: Vec<SpanData>, failing: bool) -> bool {
    let spans = batch.len();
    match exporter.export(batch).await {
        Ok(()) => {
            COUNTS.exported.inc_by(spans as u64);
            if failing {
                tracing::info!("the collector takes spans again");
            }
            false
        }
        Err(error) => {
            Counts::drop("collector", spans);
            if !failing {
                tracing::warn!(%error, "the collector takes no spans: they are dropped and counted");
            }
            true
        }
    }
}
