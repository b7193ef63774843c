//! Which endpoints are drained by hand, as one process tells the next: a line for each. What a new process finds out for itself, such
//! as who passes checks, is not told.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::time::Instant;

use super::Fleet;
use crate::operate::metrics::Metrics;

/// How a line begins.
const DRAINED: &str = "drained";

/// Endpoints that are left alone, by address and pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeSet<(String, String)>);

impl Marks {
    /// Those in this text. Lines that say something else are for somebody else.
    pub fn read(text: &str) -> Self {
        let mark = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let (DRAINED, address, pool) = (words.next()?, words.next()?, words.next()?) else { return None };
            Some((address.to_owned(), pool.to_owned()))
        };
        Self(text.lines().filter_map(mark).collect())
    }

    /// Those of this fleet.
    pub fn of(fleet: &Fleet) -> Self {
        let snapshot = fleet.snapshot();
        let marks = snapshot.pools.iter().flat_map(|pool| {
            let drained = pool.endpoints.iter().filter(|endpoint| endpoint.state().draining);
            drained.map(|endpoint| (endpoint.name.clone(), pool.settings.name.clone()))
        });
        Self(marks.collect())
    }

    /// Makes these marks where those in `before` are made already.
    pub fn follow(&self, before: &Self, fleet: &Fleet, metrics: &Metrics) {
        self.0.difference(&before.0).for_each(|mark| set(mark, true, fleet, metrics));
        before.0.difference(&self.0).for_each(|mark| set(mark, false, fleet, metrics));
    }
}

impl Display for Marks {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(address, pool)| writeln!(formatter, "{DRAINED} {address} {pool}"))
    }
}

fn set((address, name): &(String, String), draining: bool, fleet: &Fleet, metrics: &Metrics) {
    let snapshot = fleet.snapshot();
    let Some(endpoint) = snapshot.pool(name).and_then(|pool| pool.endpoint(address)) else { return };
    if let Some(state) = endpoint.set_draining(draining, Instant::now()) {
        metrics.endpoint_changed(name, address, state);
        tracing::info!(
            pool = name,
            endpoint = address,
            state = state.name(),
            "endpoint as it was left by hand"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_other_lines_are_left_alone() {
        let text = "drained 127.0.0.1:7101 a pool\ndrained [::1]:7102 other\n";
        let marks = Marks::read(text);
        assert_eq!(marks.0.len(), 2);
        assert_eq!(marks.to_string(), text);
        assert_eq!(Marks::read(&format!("\nwarm 127.0.0.1:1 x\ndrained\n{text}")), marks);
    }
}
