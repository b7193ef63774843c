//! What the faults came to: how often each kind, and how long the fleet took to be whole after it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::plan::Kind;

/// Recovery times by kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(BTreeMap<Kind, Vec<Duration>>);

impl Tally {
    /// Counts one fault.
    pub(super) fn count(&mut self, kind: Kind, recovery: Duration) {
        let times = self.0.entry(kind).or_default();
        let at = times.partition_point(|time| *time <= recovery);
        times.insert(at, recovery);
    }

    /// All faults so far.
    pub(super) fn faults(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {:20}{:>6}   {:^26}", "fault", "count", "whole again after, s")?;
        writeln!(f, "  {:20}{:>6}{:>10}{:>10}{:>10}", "", "", "min", "median", "max")?;
        let mut all: Vec<Duration> = self.0.values().flatten().copied().collect();
        all.sort_unstable();
        for (kind, times) in &self.0 {
            row(f, &kind.name(), times)?;
        }
        row(f, "all", &all)
    }
}

/// One line; `times` are sorted.
fn row(f: &mut fmt::Formatter<'_>, name: &str, times: &[Duration]) -> fmt::Result {
    let seconds = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64);
    let (min, max) = (seconds(times.first()), seconds(times.last()));
    let median = seconds(times.get(times.len().saturating_sub(1) / 2));
    writeln!(f, "  {name:20}{:>6}{min:>10.2}{median:>10.2}{max:>10.2}", times.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_count_and_the_extremes_and_the_median() {
        let mut tally = Tally::default();
        for ms in [300, 100, 200, 90, 4_000] {
            tally.count(Kind::RedisFlush, Duration::from_millis(ms));
        }
        tally.count(Kind::Kill, Duration::from_millis(700));
        assert_eq!(tally.faults(), 6);
        let table = tally.to_string();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<_> = table.lines().map(words).collect();
        assert_eq!(lines[2], ["kill", "1", "0.70", "0.70", "0.70"]);
        assert_eq!(lines[3], ["redis_flush", "5", "0.09", "0.20", "4.00"]);
        assert_eq!(lines[4], ["all", "6", "0.09", "0.20", "4.00"]);
    }
}
