//! How much of a house one visitor may keep from the others: at once, and over time.

/// What a visitor has and had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Holds that are live.
    pub holds_live: u64,
    /// Seats in them.
    pub seats_live: u64,
    /// Holds placed within the last minute, whatever became of them.
    pub holds_last_minute: u64,
    /// Seconds times seats that were kept within the last hour and not sold.
    pub hold_seconds_last_hour: u64,
}

/// What a visitor may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Live holds.
    pub holds_at_once: u32,
    /// Seats in live holds, together.
    pub seats_at_once: u32,
    /// Holds placed within a minute.
    pub holds_per_minute: u32,
    /// Seconds times seats kept within an hour and not sold: who holds again and again and never buys runs into this one.
    pub hold_seconds_per_hour: u64,
}

/// Which limit stands in the way of one more hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitReached {
    /// As many holds as one may have.
    #[error("at most {0} holds at once")]
    HoldsAtOnce(u32),
    /// More seats than one may have.
    #[error("at most {0} seats at once")]
    SeatsAtOnce(u32),
    /// As many holds as one may place in so short a time.
    #[error("at most {0} holds within a minute")]
    HoldsPerMinute(u32),
    /// Too much was kept and not bought.
    #[error("at most {0} seconds times seats kept within an hour and not bought")]
    HoldSecondsPerHour(u64),
}

impl Limits {
    /// Whether a hold of so many seats may be added to what there is.
    pub fn check(&self, usage: &Usage, seats: usize) -> Result<(), LimitReached> {
        if usage.holds_live >= u64::from(self.holds_at_once) {
            return Err(LimitReached::HoldsAtOnce(self.holds_at_once));
        }
        if usage.seats_live.saturating_add(seats as u64) > u64::from(self.seats_at_once) {
            return Err(LimitReached::SeatsAtOnce(self.seats_at_once));
        }
        if usage.holds_last_minute >= u64::from(self.holds_per_minute) {
            return Err(LimitReached::HoldsPerMinute(self.holds_per_minute));
        }
        if usage.hold_seconds_last_hour >= self.hold_seconds_per_hour {
            return Err(LimitReached::HoldSecondsPerHour(self.hold_seconds_per_hour));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { holds_at_once: 2, seats_at_once: 10, holds_per_minute: 5, hold_seconds_per_hour: 1_000 };

    #[test]
    fn up_to_each_limit_one_may_hold() {
        assert_eq!(LIMITS.check(&Usage::default(), 10), Ok(()));
        let busy = Usage { holds_live: 1, seats_live: 4, holds_last_minute: 4, hold_seconds_last_hour: 999 };
        assert_eq!(LIMITS.check(&busy, 6), Ok(()));
    }

    #[test]
    fn each_limit_is_named_where_it_is_reached() {
        let usage = Usage::default();
        let check = |usage: Usage| LIMITS.check(&usage, 1);
        assert_eq!(check(Usage { holds_live: 2, ..usage }), Err(LimitReached::HoldsAtOnce(2)));
        assert_eq!(check(Usage { seats_live: 10, ..usage }), Err(LimitReached::SeatsAtOnce(10)));
        assert_eq!(check(Usage { holds_last_minute: 5, ..usage }), Err(LimitReached::HoldsPerMinute(5)));
        let hoarder = Usage { hold_seconds_last_hour: 1_000, ..usage };
        assert_eq!(check(hoarder), Err(LimitReached::HoldSecondsPerHour(1_000)));
        assert_eq!(LIMITS.check(&usage, 11), Err(LimitReached::SeatsAtOnce(10)));
    }
}
