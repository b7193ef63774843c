//! What decides whether an endpoint is picked: what its checks found, what traffic found, and whether somebody wants it to be
//! left alone. Pure; the endpoint only keeps it.

/// What the active checks have found so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Not checked yet.
    Unproven,
    /// The checks pass.
    Healthy {
        /// Failed checks since the last good one.
        failures: u32,
    },
    /// They do not.
    Out {
        /// Good checks since the last failed one.
        successes: u32,
    },
}

/// How many checks in a row change a state.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    /// Successes to come in.
    pub rise: u32,
    /// Failures to go out.
    pub fall: u32,
}

/// All that is known of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// By its checks.
    pub checked: Checked,
    /// Requests failed though its checks pass, and its time is not over.
    pub ejected: bool,
    /// Somebody wants it to be left alone.
    pub draining: bool,
}

/// How good a choice an endpoint is, from worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// To be left alone: picked when nobody else is left.
    Draining,
    /// Its checks do not pass, or nobody knows: picked when too few others are left.
    Out,
    /// Its checks pass and requests failed: picked when too few serve.
    Ejected,
    /// Nothing speaks against it.
    Serving,
}

impl Checked {
    /// After one check. The first check decides at once.
    #[must_use]
    pub fn after_check(self, passed: bool, thresholds: Thresholds) -> Self {
        match (self, passed) {
            (Self::Unproven | Self::Healthy { .. }, true) => Self::Healthy { failures: 0 },
            (Self::Unproven | Self::Out { .. }, false) => Self::Out { successes: 0 },
            (Self::Healthy { failures }, false) if failures + 1 >= thresholds.fall => {
                Self::Out { successes: 0 }
            }
            (Self::Healthy { failures }, false) => Self::Healthy { failures: failures + 1 },
            (Self::Out { successes }, true) if successes + 1 >= thresholds.rise => {
                Self::Healthy { failures: 0 }
            }
            (Self::Out { successes }, true) => Self::Out { successes: successes + 1 },
        }
    }
}

impl State {
    /// Nobody has checked it.
    pub const UNPROVEN: Self = Self { checked: Checked::Unproven, ejected: false, draining: false };

    /// With this found by its checks. One whose checks fail needs no ejection, and when they pass again whatever failed
    /// has been seen to end: a process that died comes back at once.
    #[must_use]
    pub fn with_checked(self, checked: Checked) -> Self {
        let out = matches!(checked, Checked::Out { .. });
        Self { checked, ejected: self.ejected && !out, ..self }
    }

    /// How good a choice it is.
    pub fn standing(self) -> Standing {
        match self {
            Self { draining: true, .. } => Standing::Draining,
            Self { checked: Checked::Unproven | Checked::Out { .. }, .. } => Standing::Out,
            Self { ejected: true, .. } => Standing::Ejected,
            _ => Standing::Serving,
        }
    }

    /// Whether it may be picked while others can be too.
    pub fn serves(self) -> bool {
        self.standing() == Standing::Serving
    }

    /// One word for logs, metrics and the status page.
    pub fn name(self) -> &'static str {
        match (self.standing(), self.checked) {
            (Standing::Draining, _) => "draining",
            (Standing::Out, Checked::Unproven) => "unproven",
            (Standing::Out, _) => "out",
            (Standing::Ejected, _) => "ejected",
            (Standing::Serving, _) => "healthy",
        }
    }

    /// Every such word.
    pub const NAMES: [&'static str; 5] = ["healthy", "unproven", "out", "ejected", "draining"];
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_THREE: Thresholds = Thresholds { rise: 2, fall: 3 };

    fn after(checks: &[bool]) -> State {
        let check = |checked: Checked, passed: &bool| checked.after_check(*passed, TWO_THREE);
        State::UNPROVEN.with_checked(checks.iter().fold(Checked::Unproven, check))
    }

    #[test]
    fn the_first_check_decides() {
        assert!(after(&[true]).serves());
        assert_eq!(after(&[false]).checked, Checked::Out { successes: 0 });
    }

    #[test]
    fn only_failures_in_a_row_take_an_endpoint_out() {
        assert!(after(&[true, false, false, true, false, false]).serves());
        assert!(!after(&[true, false, false, false]).serves());
    }

    #[test]
    fn only_successes_in_a_row_bring_it_back() {
        assert!(!after(&[false, true, false, true]).serves());
        assert!(after(&[false, true, true]).serves());
    }

    #[test]
    fn the_worst_that_is_known_is_said() {
        let healthy = after(&[true]);
        let ejected = State { ejected: true, ..healthy };
        let out = after(&[false]);
        let worse = [State { draining: true, ..ejected }, State::UNPROVEN, out, ejected, healthy];
        assert_eq!(worse.map(State::name), ["draining", "unproven", "out", "ejected", "healthy"]);
        assert!(worse.is_sorted_by_key(|state| state.standing()));
        assert!(worse.iter().all(|state| State::NAMES.contains(&state.name())));
    }

    #[test]
    fn an_ejection_is_over_when_the_checks_have_failed_too() {
        let ejected = State { ejected: true, ..after(&[true]) };
        assert_eq!(ejected.with_checked(Checked::Healthy { failures: 2 }).name(), "ejected");
        let out = ejected.with_checked(Checked::Out { successes: 0 });
        assert_eq!(out.name(), "out");
        assert!(out.with_checked(Checked::Healthy { failures: 0 }).serves());
    }
}
