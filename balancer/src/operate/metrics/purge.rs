//! What was purged, and how well purges are heard.

use prometheus::{IntCounterVec, IntGauge, Registry};

use super::{counters, gauge};
use crate::cache::tags::{Doubt, Mode};

/// What was purged, and how well purges are heard.
#[derive(Clone)]
pub struct PurgeMetrics {
    /// What was purged, by kind, mode and source.
    pub purges: IntCounterVec,
    /// Stored answers that were found and not used unasked, by reason.
    pub unused: IntCounterVec,
    /// Whether purges are heard (1) or not (0).
    pub subscribed: IntGauge,
}

impl PurgeMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            purges: counters(
                registry,
                "cache_purges_total",
                "Tags and URLs that were purged.",
                &["kind", "mode", "source"],
            )?,
            unused: counters(
                registry,
                "cache_unused_total",
                "Stored answers that were found and not used without asking.",
                &["reason"],
            )?,
            subscribed: gauge(registry, "cache_purge_subscribed", "Whether purges are heard.")?,
        })
    }

    /// So many tags, URLs or everythings were purged.
    pub fn count(&self, kind: &str, mode: Mode, source: &str, count: usize) {
        let mode = match mode {
            Mode::Hard => "hard",
            Mode::Soft => "soft",
        };
        if count > 0 {
            self.purges.with_label_values(&[kind, mode, source]).inc_by(count as u64);
        }
    }

    /// A stored answer was found and not used unasked: doubted, or purged when there is no doubt.
    pub fn not_used(&self, doubt: Option<Doubt>) {
        self.unused.with_label_values(&[doubt.map_or("purged", Doubt::name)]).inc();
    }
}
