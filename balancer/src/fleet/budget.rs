//! The retry budget of a pool: second sends, as a share of all requests and a burst, so that a failing pool is not
//! asked twice for everything (as in Finagle's `RetryBudget`).

use std::sync::atomic::{AtomicI64, Ordering};

use crate::config;

/// The budget counts in thousandths of a request.
const ONE_REQUEST: i64 = 1_000;

/// Second sends, as a share of all requests and a burst.
#[derive(Debug)]
pub struct Budget {
    settings: config::Retry,
    saved: AtomicI64,
    deposit: i64,
    most: i64,
}

impl Budget {
    /// A full budget.
    pub fn new(settings: config::Retry) -> Self {
        let most = i64::from(settings.budget_burst) * ONE_REQUEST;
        Self {
            settings,
            saved: AtomicI64::new(most),
            deposit: i64::from(settings.budget_percent) * ONE_REQUEST / 100,
            most,
        }
    }

    /// What it was made from.
    pub fn settings(&self) -> config::Retry {
        self.settings
    }

    /// Every request puts a little in.
    pub fn deposit(&self) {
        // A full budget stays untouched, so requests do not fight over the counter while all is well.
        if self.saved.load(Ordering::Relaxed) < self.most {
            self.saved.fetch_add(self.deposit, Ordering::Relaxed);
        }
    }

    /// Every second send takes one out; false when there is none left.
    pub fn withdraw(&self) -> bool {
        let take = |saved: i64| (saved >= ONE_REQUEST).then_some(saved - ONE_REQUEST);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_a_burst_and_then_a_share() {
        let budget = Budget::new(config::Retry { attempts_max: 2, budget_percent: 10, budget_burst: 3 });
        let spent = (0..100).filter(|_| budget.withdraw()).count();
        assert_eq!(spent, 3);
        (0..20).for_each(|_| budget.deposit());
        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 2);
    }
}
