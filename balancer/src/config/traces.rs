//! `[traces]`: which requests are recorded, and who collects that.

use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;

/// Spans that may be made to wait at most.
const QUEUE_SPANS_MAX: usize = 1 << 20;

/// `[traces]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// The collector's base URL, OTLP over HTTP; empty for no traces.
    endpoint: String,
    /// The part of requests that is recorded.
    sample_ratio: f64,
    /// Spans that may wait to be sent; others are dropped and counted.
    queue_spans_max: usize,
}

impl Default for Written {
    fn default() -> Self {
        Self { endpoint: String::new(), sample_ratio: 0.01, queue_spans_max: 8_192 }
    }
}

/// Where traces go.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// Where spans are posted.
    pub url: String,
    /// The part of requests that is recorded, 0 to 1.
    pub sample_ratio: f64,
    /// Spans that may wait.
    pub queue_spans_max: usize,
}

impl Written {
    /// None when nobody collects them.
    pub(super) fn read(self, reader: &Reader<'_>) -> Result<Option<Traces>, ConfigError> {
        let at = |key| ["traces", key];
        if !self.endpoint.is_empty() && !self.endpoint.starts_with("http://") {
            let way_out = "write \"http://127.0.0.1:4318\"; a collector nearby can speak TLS to others";
            return reader.wrong(&at("endpoint"), format!("not http; {way_out}"));
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return reader.wrong(&at("sample_ratio"), "must be 0 to 1");
        }
        let queue_spans_max = reader.size(&at("queue_spans_max"), self.queue_spans_max, QUEUE_SPANS_MAX)?;
        let url = format!("{}/v1/traces", self.endpoint.trim_end_matches('/'));
        let traces = Traces { url, sample_ratio: self.sample_ratio, queue_spans_max };
        Ok((!self.endpoint.is_empty()).then_some(traces))
    }
}
