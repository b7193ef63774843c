//! Metrics: a registry per process, the request metrics every service has, and the text Prometheus reads.

pub mod loops;
pub mod stores;

use std::time::Duration;

use http::StatusCode;
use prometheus::{
    Encoder, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder, histogram_opts,
};

/// Seconds: chosen around the promise that 99% of holds are answered within 100 ms.
pub const LATENCY_BUCKETS_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Registers a collector.
///
/// # Panics
/// When two metrics of one process have the same name: a mistake that its first start shows.
pub fn register<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<M>,
) -> M {
    let metric = metric.expect("metric names and labels are constants of the right form");
    registry.register(Box::new(metric.clone())).expect("each metric is registered once");
    metric
}

/// A fresh registry that already holds the process's own metrics and `marquee_build_info`.
pub fn registry(program: &str, version: &str) -> Registry {
    let registry = Registry::new();
    let process = prometheus::process_collector::ProcessCollector::for_self();
    registry.register(Box::new(process)).expect("a fresh registry has no metrics yet");
    crate::traces::Counts::register(&registry);
    let info = register(
        &registry,
        IntGaugeVec::new(
            Opts::new("marquee_build_info", "What is running, as labels of a constant 1."),
            &["program", "version"],
        ),
    );
    info.with_label_values(&[program, version]).set(1);
    registry
}

/// Everything in `registry` in Prometheus' text format.
pub fn text(registry: &Registry) -> Result<Vec<u8>, prometheus::Error> {
    let mut buffer = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut buffer)?;
    Ok(buffer)
}

/// Rate, errors and duration of requests by route.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGauge,
}

impl HttpMetrics {
    /// Registers the three.
    pub fn new(registry: &Registry) -> Self {
        Self {
            requests: register(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "marquee_http_requests_total",
                        "Requests answered, by route, method and status.",
                    ),
                    &["route", "method", "status"],
                ),
            ),
            duration: register(
                registry,
                HistogramVec::new(
                    histogram_opts!(
                        "marquee_http_request_duration_seconds",
                        "Time from the request's head to the answer's head, by route.",
                        LATENCY_BUCKETS_SECONDS.to_vec()
                    ),
                    &["route"],
                ),
            ),
            in_flight: register(
                registry,
                IntGauge::new("marquee_http_requests_in_flight", "Requests being answered now."),
            ),
        }
    }

    /// Counts one more in flight until the guard is dropped.
    pub fn enter(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Records one answered request. Unknown methods share one label, so that nobody can grow the series.
    pub fn observe(&self, route: &str, method: &str, status: StatusCode, took: Duration) {
        let method = match method {
            "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "PATCH" | "OPTIONS" => method,
            _ => "other",
        };
        self.requests.with_label_values(&[route, method, status.as_str()]).inc();
        self.duration.with_label_values(&[route]).observe(took.as_secs_f64());
    }
}

/// One request in flight.
#[derive(Debug)]
pub struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
