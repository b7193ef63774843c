//! Marks of the faults for dashboards: which is being done to what, and since when.
//!
//! Where the fleet has a Prometheus (`scripts/run --observe`), it is told by a file beside its configuration where we listen. The file
//! is gone when this is dropped; a fleet without one costs nothing.

use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::Timestamp;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::plan::Fault;
use crate::fleet::Fleet;
use crate::page;

/// What has been done to a fleet.
#[derive(Debug)]
pub(super) struct Marks {
    registry: Registry,
    active: IntGaugeVec,
    injected_at: IntGaugeVec,
    shown: Option<Shown>,
}

/// A fault that is not over yet.
#[derive(Debug)]
pub(super) struct Active(IntGauge);

/// Where Prometheus asks for them.
#[derive(Debug)]
struct Shown {
    file: PathBuf,
    serving: AbortHandle,
}

impl Marks {
    /// Nothing has been done yet.
    pub(super) fn new() -> Result<Self> {
        let active = Opts::new(
            "marquee_drill_fault_active",
            "1 from the moment a fault is injected until the fleet is whole again, by kind and part.",
        );
        let injected_at = Opts::new(
            "marquee_drill_fault_injected_timestamp_seconds",
            "When a fault was last injected, in seconds since 1970, by kind and part.",
        );
        let marks = Self {
            registry: page::registry("drill")?,
            active: IntGaugeVec::new(active, &["kind", "part"])?,
            injected_at: IntGaugeVec::new(injected_at, &["kind", "part"])?,
            shown: None,
        };
        marks.registry.register(Box::new(marks.active.clone()))?;
        marks.registry.register(Box::new(marks.injected_at.clone()))?;
        Ok(marks)
    }

    /// The same, shown to the Prometheus of this fleet where it has one.
    pub(super) async fn shown_to(mut self, fleet: &Fleet) -> Result<Self> {
        if fleet.variable("MARQUEE_PROMETHEUS_URL").is_ok() {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let targets = json!([{ "targets": [listener.local_addr()?], "labels": { "job": "drill", "instance": "drill" } }]);
            let serving = tokio::spawn(page::serve(listener, self.registry.clone())).abort_handle();
            let shown = Shown { file: fleet.directory().join("prometheus/drill.json"), serving };
            std::fs::write(&shown.file, targets.to_string())
                .with_context(|| format!("{} cannot be written", shown.file.display()))?;
            self.shown = Some(shown);
        }
        Ok(self)
    }

    /// A fault begins; it is over when the result is dropped.
    pub(super) fn injected(&self, fault: &Fault) -> Active {
        let (kind, part) = (fault.kind.name(), fault.part.as_str());
        self.injected_at.with_label_values(&[kind.as_str(), part]).set(Timestamp::now().as_second());
        let active = self.active.with_label_values(&[kind.as_str(), part]);
        active.set(1);
        Active(active)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.set(0);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.serving.abort();
        // What cannot be removed was removed already.
        drop(std::fs::remove_file(&self.file));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use crate::faults::plan::{Harm, Kind};

    #[test]
    fn a_fault_is_marked_until_it_is_over_and_when_it_was_stays() {
        let marks = Marks::new().unwrap();
        let fault = Fault {
            calm: Duration::ZERO,
            kind: Kind::LinkCut,
            part: "waitlist-1>redis".to_owned(),
            harm: Harm::Spell { lasts: Duration::ZERO },
        };
        let told = || page::answer(&marks.registry, "GET /metrics HTTP/1.1");
        let labels = r#"{kind="link_cut",part="waitlist-1>redis"}"#;
        let active = marks.injected(&fault);
        assert!(told().contains(&format!("marquee_drill_fault_active{labels} 1\n")), "{}", told());
        drop(active);
        assert!(told().contains(&format!("marquee_drill_fault_active{labels} 0\n")), "{}", told());
        assert!(
            told().contains(&format!("marquee_drill_fault_injected_timestamp_seconds{labels} 1")),
            "{}",
            told()
        );
    }
}
