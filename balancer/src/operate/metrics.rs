//! Every metric of the balancer; a doc comment is its help text. Labels are routes, pools, endpoints and
//! classes from the configuration, never a path, client or id.

pub mod cache;
pub mod known;
mod purge;
pub mod route;

use std::collections::BTreeMap;

use prometheus::core::Collector as _;
use prometheus::{
    Encoder as _, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use self::cache::CacheMetrics;
pub use self::purge::PurgeMetrics;
use crate::fleet::outlier::Reason;
use crate::fleet::state::State;
use crate::limit::admission::Load;

/// Upper bounds of the latency buckets, in seconds.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The metrics and the registry they are exposed from.
pub struct Metrics {
    registry: Registry,
    /// What is not called after the balancer.
    shared_names: Registry,
    /// Requests answered, by route, pool and status class.
    pub requests: IntCounterVec,
    /// Time from the request's header to the end of the answer, in seconds, by route.
    pub request_seconds: HistogramVec,
    /// Time from a request being passed on to the header of its answer, in seconds, by pool.
    pub upstream_seconds: HistogramVec,
    /// Whether this process is on its way down.
    pub draining: IntGauge,
    /// Requests and sockets that an endpoint works on.
    pub endpoint_in_flight: IntGaugeVec,
    /// Requests being worked on.
    pub requests_in_flight: IntGauge,
    /// Whether the endpoint can serve (1) or not (0).
    pub endpoint_up: GaugeVec,
    /// The state the endpoint is in (1) and those it is not in (0), by pool, endpoint and state.
    pub endpoint_state: GaugeVec,
    /// Endpoints ejected although their checks pass, by pool, endpoint and reason.
    pub ejections: IntCounterVec,
    /// Whether so few endpoints of the pool serve that others are asked too (1) or not (0), by pool.
    pub pool_panic: GaugeVec,
    /// Changes of an endpoint's state, by pool, endpoint and new state.
    pub health_transitions: IntCounterVec,
    /// Requests tried on another endpoint, by pool and reason.
    pub retries: IntCounterVec,
    /// Second tries refused because the pool's budget was spent, by pool.
    pub retries_refused: IntCounterVec,
    /// What pools let in and what they refuse.
    pub limits: LimitMetrics,
    /// Requests on routes with a cache, by result.
    pub cache_requests: IntCounterVec,
    /// What else the cache did.
    pub cache: CacheMetrics,
    /// Bytes the cache holds.
    pub cache_bytes: IntGauge,
    /// Answers the cache holds.
    pub cache_entries: IntGauge,
    /// What was purged, and how well purges are heard.
    pub purge: PurgeMetrics,
    /// Upgraded connections that are open.
    pub upgrades_open: IntGauge,
    /// Access log lines dropped because the writer was behind or could not write.
    pub access_log_dropped: IntCounter,
    /// Lines of the process's own log dropped because the writer was behind or could not write.
    pub log_dropped: IntCounter,
    /// Spans the collector has taken.
    pub spans_exported: IntCounter,
    /// Spans that nobody will see, by reason.
    pub spans_dropped: IntCounterVec,
    /// Look-ups of a pool's endpoints, by pool and result.
    pub discovery_updates: IntCounterVec,
    /// TLS handshakes, by result.
    pub tls_handshakes: IntCounterVec,
    /// Certificates read again, by result.
    pub certificate_reloads: IntCounterVec,
    /// When a certificate ends, by file.
    pub certificate_expires: GaugeVec,
    /// Connections closed because a PROXY protocol header was due and did not come.
    pub proxy_headers_refused: IntCounter,
    /// Connections closed at once because their client has as many open as it may.
    pub connections_refused: IntCounter,
    /// Clients let go because they were too slow, by what was waited for.
    pub slow_clients: IntCounterVec,
    /// Reloads of the configuration, by result.
    pub reloads: IntCounterVec,
    /// When the configuration that runs was taken over, in seconds since 1970.
    pub config_loaded_at: Gauge,
    /// Whether the last attempt to reload went well (1) or the one before still runs (0).
    pub config_reload_successful: IntGauge,
}

/// What pools let in and what they refuse.
pub struct LimitMetrics {
    /// Requests refused so that others are answered, by pool and reason.
    pub shed: IntCounterVec,
    /// Requests that have a place in their pool.
    pub limit_in_flight: IntGaugeVec,
    /// How many may have one, the critical class apart.
    pub limit_current: IntGaugeVec,
    /// Requests that wait for one.
    pub queue_length: IntGaugeVec,
    /// How long requests waited for one, of those that had to, whatever became of them.
    pub queue_wait: HistogramVec,
}

impl LimitMetrics {
    /// Looks at what a pool has let in and what waits.
    pub fn pool_load(&self, pool: &str, load: Load) {
        let signed = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.limit_in_flight.with_label_values(&[pool]).set(signed(load.in_flight));
        self.limit_current.with_label_values(&[pool]).set(signed(load.limit));
        self.queue_length.with_label_values(&[pool]).set(signed(load.waiting));
    }

    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            shed: counters(
                registry,
                "shed_total",
                "Requests refused so that others are answered.",
                &["pool", "reason"],
            )?,
            limit_in_flight: whole_gauges(
                registry,
                "limit_in_flight",
                "Requests that have a place in their pool.",
                &["pool"],
            )?,
            limit_current: whole_gauges(
                registry,
                "limit_current",
                "How many requests may have a place, the critical class apart.",
                &["pool"],
            )?,
            queue_length: whole_gauges(
                registry,
                "queue_length",
                "Requests that wait for a place in their pool.",
                &["pool"],
            )?,
            queue_wait: histograms(
                registry,
                "queue_wait_seconds",
                "Time requests waited for a place in their pool, of those that had to.",
                "pool",
            )?,
        })
    }
}

impl Metrics {
    /// All metrics at zero, in a registry of their own.
    #[expect(clippy::too_many_lines, reason = "a list")]
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("marquee_balancer".into()), None)?;
        let metrics = Self {
            requests: counters(
                &registry,
                "requests_total",
                "Requests answered.",
                &["route", "pool", "class"],
            )?,
            request_seconds: histograms(
                &registry,
                "request_duration_seconds",
                "Time from the request's header to the end of the answer.",
                "route",
            )?,
            upstream_seconds: histograms(
                &registry,
                "upstream_duration_seconds",
                "Time from a request being passed on to the header of its answer.",
                "pool",
            )?,
            draining: gauge(&registry, "draining", "Whether this process is on its way down.")?,
            endpoint_in_flight: whole_gauges(
                &registry,
                "endpoint_in_flight",
                "Requests and sockets that the endpoint works on.",
                &["pool", "endpoint"],
            )?,
            requests_in_flight: gauge(&registry, "requests_in_flight", "Requests being worked on.")?,
            endpoint_up: gauges(
                &registry,
                "endpoint_up",
                "Whether the endpoint can serve.",
                &["pool", "endpoint"],
            )?,
            endpoint_state: gauges(
                &registry,
                "endpoint_state",
                "The state the endpoint is in (1) and those it is not in (0).",
                &["pool", "endpoint", "state"],
            )?,
            ejections: counters(
                &registry,
                "ejections_total",
                "Endpoints ejected although their checks pass.",
                &["pool", "endpoint", "reason"],
            )?,
            pool_panic: gauges(
                &registry,
                "pool_panic",
                "Whether so few endpoints of the pool serve that others are asked too.",
                &["pool"],
            )?,
            health_transitions: counters(
                &registry,
                "health_transitions_total",
                "Changes of an endpoint's state.",
                &["pool", "endpoint", "to"],
            )?,
            retries: counters(
                &registry,
                "retries_total",
                "Requests tried on another endpoint.",
                &["pool", "reason"],
            )?,
            retries_refused: counters(
                &registry,
                "retries_refused_total",
                "Second tries refused because the budget was spent.",
                &["pool"],
            )?,
            limits: LimitMetrics::new(&registry)?,
            cache_requests: counters(
                &registry,
                "cache_requests_total",
                "Requests on routes with a cache.",
                &["result"],
            )?,
            cache: CacheMetrics::new(&registry)?,
            cache_bytes: gauge(&registry, "cache_bytes", "Bytes the cache holds.")?,
            cache_entries: gauge(&registry, "cache_entries", "Answers the cache holds.")?,
            purge: PurgeMetrics::new(&registry)?,
            upgrades_open: gauge(&registry, "upgrades_open", "Upgraded connections that are open.")?,
            access_log_dropped: counter(
                &registry,
                "access_log_dropped_total",
                "Access log lines dropped because the writer was behind or could not write.",
            )?,
            log_dropped: counter(
                &registry,
                "log_dropped_total",
                "Lines of the process's own log dropped because the writer was behind or could not write.",
            )?,
            spans_exported: counter(
                &registry,
                "trace_spans_exported_total",
                "Spans the collector has taken.",
            )?,
            spans_dropped: counters(
                &registry,
                "trace_spans_dropped_total",
                "Spans that nobody will see.",
                &["reason"],
            )?,
            discovery_updates: counters(
                &registry,
                "discovery_updates_total",
                "Look-ups of a pool's endpoints.",
                &["pool", "result"],
            )?,
            tls_handshakes: counters(&registry, "tls_handshakes_total", "TLS handshakes.", &["result"])?,
            certificate_reloads: counters(
                &registry,
                "certificate_reloads_total",
                "Certificates read again.",
                &["result"],
            )?,
            certificate_expires: gauges(
                &registry,
                "certificate_expiry_timestamp_seconds",
                "When a certificate ends.",
                &["certificate"],
            )?,
            proxy_headers_refused: counter(
                &registry,
                "proxy_headers_refused_total",
                "Connections closed because a PROXY protocol header was due and did not come.",
            )?,
            connections_refused: counter(
                &registry,
                "client_connections_refused_total",
                "Connections closed at once because their client has as many open as it may.",
            )?,
            slow_clients: counters(
                &registry,
                "slow_clients_total",
                "Clients let go because they were too slow.",
                &["waited_for"],
            )?,
            reloads: counters(&registry, "reloads_total", "Reloads of the configuration.", &["result"])?,
            config_loaded_at: real_gauge(
                &registry,
                "config_loaded_timestamp_seconds",
                "When the configuration that runs was taken over.",
            )?,
            config_reload_successful: gauge(
                &registry,
                "config_last_reload_successful",
                "Whether the last attempt to reload went well.",
            )?,
            registry,
            shared_names: Registry::new(),
        };
        // It is called the same in every program.
        let build = Opts::new("marquee_build_info", "What is running, as labels of a constant 1.");
        let build =
            build.const_label("program", "balancer").const_label("version", env!("CARGO_PKG_VERSION"));
        let build = Gauge::with_opts(build)?;
        build.set(1.0);
        metrics.shared_names.register(Box::new(build))?;
        for reason in ["queue", "collector"] {
            metrics.spans_dropped.with_label_values(&[reason]);
        }
        Ok(metrics)
    }

    /// Counts an endpoint's new state.
    pub fn endpoint_changed(&self, pool: &str, endpoint: &str, state: State) {
        self.endpoint_up.with_label_values(&[pool, endpoint]).set(f64::from(u8::from(state.serves())));
        for name in State::NAMES {
            let gauge = self.endpoint_state.with_label_values(&[pool, endpoint, name]);
            gauge.set(f64::from(u8::from(name == state.name())));
        }
        self.health_transitions.with_label_values(&[pool, endpoint, state.name()]).inc();
    }

    /// Which pools panic, of all that there are.
    pub fn pools_panic<'a>(&self, pools: impl Iterator<Item = (&'a str, bool)>) {
        self.pool_panic.reset();
        for (pool, panics) in pools {
            self.pool_panic.with_label_values(&[pool]).set(f64::from(u8::from(panics)));
        }
    }

    /// Remembers how the last attempt to take over a configuration went.
    pub fn config_loaded(&self, successful: bool) {
        self.config_reload_successful.set(i64::from(successful));
        if successful {
            self.config_loaded_at.set(jiff::Timestamp::now().as_second() as f64);
        }
    }

    /// Forgets an endpoint that is no longer part of its pool.
    pub fn endpoint_gone(&self, pool: &str, endpoint: &str) {
        // It fails for one that was never counted.
        let _ = self.endpoint_up.remove_label_values(&[pool, endpoint]);
        let _ = self.endpoint_in_flight.remove_label_values(&[pool, endpoint]);
        for name in State::NAMES {
            let _ = self.endpoint_state.remove_label_values(&[pool, endpoint, name]);
            let _ = self.health_transitions.remove_label_values(&[pool, endpoint, name]);
        }
        for reason in Reason::ALL {
            let _ = self.ejections.remove_label_values(&[pool, endpoint, reason.name()]);
        }
    }

    /// Notes when the certificate in this file ends.
    pub fn certificate_expiry(&self, file: &str, expires_at: i64) {
        self.certificate_expires.with_label_values(&[file]).set(expires_at as f64);
    }

    /// Counts clients of whom one of these was waited for too long: a `header`, a `body`, or an `answer` to be taken.
    pub fn slow_client(&self, waited_for: &str) -> IntCounter {
        self.slow_clients.with_label_values(&[waited_for])
    }

    /// The exposition format, ours and the process's own.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        let encoder = TextEncoder::new();
        encoder.encode(&self.registry.gather(), &mut text)?;
        encoder.encode(&self.shared_names.gather(), &mut text)?;
        // The default registry holds the process collector: CPU seconds, memory, open files.
        encoder.encode(&prometheus::gather(), &mut text)?;
        Ok(text)
    }
}

/// The values of counters that have counted something, summed by two of their labels.
pub fn sums(counters: &IntCounterVec, [outer, inner]: [&str; 2]) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut sums: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for family in counters.collect() {
        for metric in family.get_metric() {
            let label = |name: &str| {
                let found = metric.get_label().iter().find(|label| label.name() == name);
                found.map_or("", |label| label.value()).to_owned()
            };
            // Counts of whole things, far below where a float loses one.
            let value = metric.get_counter().get_value() as u64;
            if value == 0 {
                continue;
            }
            *sums.entry(label(outer)).or_default().entry(label(inner)).or_default() += value;
        }
    }
    sums
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    let metric = IntCounter::new(name, help)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<GaugeVec, prometheus::Error> {
    let metric = GaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn whole_gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let metric = IntGauge::new(name, help)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn real_gauge(registry: &Registry, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
    let metric = Gauge::new(name, help)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    label: &str,
) -> Result<HistogramVec, prometheus::Error> {
    let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
    let metric = HistogramVec::new(options, &[label])?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
