//! How long somebody may have to wait, as far as that can be said honestly: by the rate at which seats that they would take came
//! free in their show a moment ago.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// Fewer freed seats than this are no base.
pub const FREED_MIN: usize = 3;
/// A rate is never taken over less than this.
const OVER_MIN: SignedDuration = SignedDuration::from_mins(1);
const SECONDS_PER_HOUR: f64 = 3_600.0;
const MINUTES_PER_HOUR: f64 = 60.0;

/// What can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Estimate {
    /// Until it is their turn, about.
    pub minutes: u64,
    /// What it is worked out from: seats that came free, in an hour.
    pub seats_per_hour: u64,
}

/// Why nothing can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoEstimate {
    /// Hardly any seat that they would take came free lately.
    TooFewSeatsFreed,
    /// At this rate it will not be their turn before the show begins.
    NotBeforeTheShow,
}

/// What came free lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lately {
    /// Seats that the one who asks would take.
    pub freed: usize,
    /// Within this time.
    pub over: SignedDuration,
}

/// For somebody who needs `seats`, those of all ahead of them and their own.
pub fn estimate(lately: Lately, seats: u64, begins_in: SignedDuration) -> Result<Estimate, NoEstimate> {
    if lately.freed < FREED_MIN {
        return Err(NoEstimate::TooFewSeatsFreed);
    }
    let hours = lately.over.max(OVER_MIN).as_secs_f64() / SECONDS_PER_HOUR;
    let per_hour = lately.freed as f64 / hours;
    let minutes = (seats as f64 / per_hour * MINUTES_PER_HOUR).round().max(1.0);
    if minutes * MINUTES_PER_HOUR > begins_in.as_secs_f64() {
        return Err(NoEstimate::NotBeforeTheShow);
    }
    Ok(Estimate { minutes: minutes as u64, seats_per_hour: per_hour.round() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    #[test]
    fn the_rate_says_when_it_is_ones_turn() {
        let lately = Lately { freed: 30, over: HOUR };
        assert_eq!(estimate(lately, 6, 24 * HOUR), Ok(Estimate { minutes: 12, seats_per_hour: 30 }));
        assert_eq!(estimate(lately, 1, 24 * HOUR), Ok(Estimate { minutes: 2, seats_per_hour: 30 }));
        let burst = Lately { freed: 3, over: SignedDuration::from_secs(1) };
        assert_eq!(estimate(burst, 2, HOUR), Ok(Estimate { minutes: 1, seats_per_hour: 180 }));
    }

    #[test]
    fn without_a_base_nothing_is_said() {
        let little = Lately { freed: FREED_MIN - 1, over: HOUR };
        assert_eq!(estimate(little, 1, HOUR), Err(NoEstimate::TooFewSeatsFreed));
        let lately = Lately { freed: 30, over: HOUR };
        assert_eq!(estimate(lately, 31, HOUR), Err(NoEstimate::NotBeforeTheShow));
        assert!(estimate(lately, 30, HOUR).is_ok());
    }
}
