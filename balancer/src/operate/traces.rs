//! Spans on their way to the collector, by OTLP over HTTP: a bounded queue, and one task that sends what is in it. A collector that is
//! slow or away costs spans, which are counted, and never holds up who left them. The services have the same
//! (`backend/service/src/traces/export.rs`).

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use prometheus::{IntCounter, IntCounterVec};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::metrics::Metrics;
use crate::config;

/// Spans in one message to the collector.
const BATCH_SPANS_MAX: usize = 512;
/// How long spans are gathered for it.
const GATHER: Duration = Duration::from_millis(500);
/// How long the collector may take for one.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Where requests leave their spans.
pub struct Traces {
    spans: Sender<SpanData>,
    sample_ratio: f64,
    dropped: IntCounter,
}

impl Traces {
    /// Whether to record a request that nobody has decided about.
    pub fn samples(&self) -> bool {
        rand::random::<f64>() < self.sample_ratio
    }

    /// Leaves a span, or counts it as dropped.
    pub fn leave(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.dropped.inc();
        }
    }
}

/// Prepares to send; nothing where nobody collects.
pub fn start(
    settings: Option<&config::Traces>,
    metrics: &Metrics,
) -> Result<Option<(Traces, Exporting)>, ExporterBuildError> {
    let Some(settings) = settings else { return Ok(None) };
    let mut otlp = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(settings.url.clone())
        .with_timeout(TIMEOUT)
        .build()?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let instance = KeyValue::new("service.instance.id", format!("{:032x}", rand::random::<u128>()));
    let resource = Resource::builder().with_service_name("balancer").with_attributes([version, instance]);
    otlp.set_resource(&resource.build());
    let (sender, spans) = mpsc::channel(settings.queue_spans_max);
    let dropped = &metrics.spans_dropped;
    let traces = Traces {
        spans: sender,
        sample_ratio: settings.sample_ratio,
        dropped: dropped.with_label_values(&["queue"]),
    };
    let exporter =
        Exporter { otlp, exported: metrics.spans_exported.clone(), dropped: dropped.clone(), failing: false };
    Ok(Some((traces, Exporting(Mutex::new(Some((exporter, spans)))))))
}

/// Sends what was left, until the process ends.
pub struct Exporting(Mutex<Option<(Exporter, Receiver<SpanData>)>>);

#[async_trait]
impl BackgroundService for Exporting {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let taken = self.0.lock().ok().and_then(|mut parts| parts.take());
        let Some((mut exporter, mut spans)) = taken else { return };
        let mut last = false;
        while !last {
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                _ = shutdown.changed() => last = true,
            }
            while let Some(batch) = waiting(&mut spans) {
                exporter.send(batch).await;
            }
        }
    }
}

/// Some of what waits.
fn waiting(spans: &mut Receiver<SpanData>) -> Option<Vec<SpanData>> {
    let batch: Vec<_> = std::iter::from_fn(|| spans.try_recv().ok()).take(BATCH_SPANS_MAX).collect();
    (!batch.is_empty()).then_some(batch)
}

struct Exporter {
    otlp: SpanExporter,
    exported: IntCounter,
    dropped: IntCounterVec,
    failing: bool,
}

impl Exporter {
    /// That it failed is said once, until it succeeds again.
    async fn send(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len() as u64;
        let outcome = self.otlp.export(batch).await;
        let failed_before = std::mem::replace(&mut self.failing, outcome.is_err());
        match outcome {
            Ok(()) => {
                self.exported.inc_by(spans);
                if failed_before {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(error) => {
                self.dropped.with_label_values(&["collector"]).inc_by(spans);
                if !failed_before {
                    tracing::warn!(%error, "the collector takes no spans: they are dropped and counted");
                }
            }
        }
    }
}
