//! When to do the next round. Pure.

use std::time::Duration;

/// What one round came to.
#[derive(Debug)]
pub(crate) enum Round {
    /// We are the leader, and the list is fresh.
    Refreshed,
    /// Another instance is the leader.
    StoodBy,
    /// We were the leader; by the time we would have written, somebody else was.
    Fenced,
    /// Redis or Postgres is away; the old list stands.
    Failed(anyhow::Error),
}

impl Round {
    /// As a label.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Refreshed => "refreshed",
            Self::StoodBy => "stood_by",
            Self::Fenced => "fenced",
            Self::Failed(_) => "failed",
        }
    }
}

/// How rounds follow each other: every interval, and more slowly while they fail.
#[derive(Debug)]
pub(crate) struct Plan {
    interval: Duration,
    pause_max: Duration,
    failures: u32,
}

impl Plan {
    pub(crate) fn new(interval_ms: u64, pause_ms_max: u64) -> Self {
        Self {
            interval: Duration::from_millis(interval_ms),
            pause_max: Duration::from_millis(pause_ms_max),
            failures: 0,
        }
    }

    /// From one round to the next when all is well.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// How many rounds have failed in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to wait before the next round.
    pub(crate) fn after(&mut self, round: &Round) -> Duration {
        self.failures = match round {
            Round::Refreshed | Round::StoodBy | Round::Fenced => 0,
            Round::Failed(_) => self.failures.saturating_add(1),
        };
        let doublings = self.failures.saturating_sub(1);
        let slower = self.interval.saturating_mul(2_u32.saturating_pow(doublings));
        slower.min(self.pause_max.max(self.interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_slow_it_down_to_a_bound_and_one_success_brings_it_back() {
        let mut plan = Plan::new(2_000, 10_000);
        let failed = || Round::Failed(anyhow::anyhow!("away"));
        let pauses: Vec<u64> = (0..5).map(|_| plan.after(&failed()).as_millis() as u64).collect();
        assert_eq!(pauses, [2_000, 4_000, 8_000, 10_000, 10_000]);
        for _ in 0..100 {
            plan.after(&failed());
        }
        assert_eq!(plan.after(&Round::StoodBy), Duration::from_secs(2));
        assert_eq!(plan.after(&Round::Refreshed), Duration::from_secs(2));
    }
}
