//! Which new releases are popular: what people did about a film, weighted by what they did and by how long ago.
//!
//! Interest decays exponentially, and is kept by *forward decay* (Cormode, Shkapenyuk, Srivastava and Xu, "Forward Decay: A
//! Practical Time Decay Model for Streaming Systems", ICDE 2009): what happened at `t` is summed as `2^((t - landmark) / half-life)`,
//! which never changes again, and what the sum is worth now is a division by the same power for now. All sums shrink together, so
//! their order needs no recount. A landmark that is far behind is renewed by whole half-lives, which only changes exponents:
//! no digit of any sum is lost.

use jiff::{SignedDuration, Timestamp};

/// Half-lives after which a landmark is renewed. A double has room for about a thousand.
const HALF_LIVES_MAX: i64 = 64;
/// Half-lives after which nothing that was summed is worth keeping.
const HALF_LIVES_FORGOTTEN: i64 = 500;
/// Half-lives before the landmark at which the past ends: what is older counts as if it were of then, which is nothing.
pub const HALF_LIVES_BEHIND: i32 = 300;

/// What people do about a film, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Interest {
    /// Seats sold, those of cancelled bookings taken off.
    pub booked: f64,
    /// Seats held, whatever became of the hold.
    pub held: f64,
    /// Seats waited for, whether or not they were got.
    pub joined: f64,
}

impl Interest {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            booked: self.booked + other.booked,
            held: self.held + other.held,
            joined: self.joined + other.joined,
        }
    }

    /// So many times as much of each.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { booked: self.booked * factor, held: self.held * factor, joined: self.joined * factor }
    }

    /// All kinds together, by what a seat of each counts. Less than nothing, as rounding may leave of what was taken back, is nothing.
    pub fn points(self, weights: &Interest) -> f64 {
        let parts = self.weighted(weights);
        parts.booked + parts.held + parts.joined
    }

    /// What each kind adds to the points.
    #[must_use]
    pub fn weighted(self, weights: &Interest) -> Self {
        Self {
            booked: self.booked.max(0.0) * weights.booked,
            held: self.held.max(0.0) * weights.held,
            joined: self.joined.max(0.0) * weights.joined,
        }
    }
}

/// How fast interest is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decay {
    /// After this many seconds a seat counts half.
    pub half_life_seconds: i64,
}

/// What is to be done about a landmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// It is near enough.
    Keep,
    /// All sums are halved so many times, and count from the later landmark.
    Halve {
        /// How often.
        times: i32,
        /// From when on.
        landmark: Timestamp,
    },
    /// It is so far behind that the sums say nothing any more.
    Forget,
}

impl Decay {
    /// What one seat of `at` is summed as. What is later than `now`, by a clock that jumped, counts as of now.
    pub fn forward(self, at: Timestamp, landmark: Timestamp, now: Timestamp) -> f64 {
        self.half_lives(at.min(now), landmark).max(f64::from(-HALF_LIVES_BEHIND)).exp2()
    }

    /// By what a sum is multiplied to be what it is worth now.
    pub fn backward(self, landmark: Timestamp, now: Timestamp) -> f64 {
        (-self.half_lives(now, landmark)).exp2()
    }

    /// Whether a landmark is to be renewed.
    pub fn renewal(self, landmark: Timestamp, now: Timestamp) -> Renewal {
        let behind = now.duration_since(landmark).as_secs() / self.half_life_seconds;
        if behind <= HALF_LIVES_MAX {
            return Renewal::Keep;
        }
        let whole = behind.checked_mul(self.half_life_seconds).filter(|_| behind <= HALF_LIVES_FORGOTTEN);
        let renewed = whole.and_then(|seconds| landmark.checked_add(SignedDuration::from_secs(seconds)).ok());
        match (renewed, i32::try_from(behind)) {
            (Some(landmark), Ok(times)) => Renewal::Halve { times, landmark },
            _ => Renewal::Forget,
        }
    }

    fn half_lives(self, at: Timestamp, landmark: Timestamp) -> f64 {
        at.duration_since(landmark).as_secs_f64() / self.half_life_seconds as f64
    }
}

/// How much of what a chain sells counts, so that a giant one does not drown the others: all of it up to its fair share (what
/// each would have if all had the same), and less and less beyond. With an exponent of 0 all counts; with 1 no chain has more
/// than a fair share. Small ones are never blown up: a single seat of a house that sells nothing else stays a single seat.
pub fn dampening(points: f64, fair_share: f64, exponent: f64) -> f64 {
    if points > fair_share && fair_share > 0.0 { (fair_share / points).powf(exponent) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400;
    const DECAY: Decay = Decay { half_life_seconds: 2 * DAY };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-9)
    }

    #[test]
    fn a_seat_counts_half_after_each_half_life() {
        let worth = |age: i64| {
            DECAY.forward(at(40 * DAY - age), at(0), at(40 * DAY)) * DECAY.backward(at(0), at(40 * DAY))
        };
        for (age, expected) in [(0, 1.0), (2 * DAY, 0.5), (4 * DAY, 0.25), (-5 * DAY, 1.0)] {
            assert!(close(worth(age), expected), "{age}: {}", worth(age));
        }
    }

    #[test]
    fn a_landmark_is_renewed_long_before_a_double_overflows_and_not_all_the_time() {
        assert_eq!(DECAY.renewal(at(0), at(128 * DAY)), Renewal::Keep);
        assert_eq!(DECAY.renewal(at(0), at(-DAY)), Renewal::Keep);
        let renewed = Renewal::Halve { times: 65, landmark: at(130 * DAY) };
        assert_eq!(DECAY.renewal(at(0), at(131 * DAY)), renewed);
        assert_eq!(DECAY.renewal(at(0), at(2_000 * DAY)), Renewal::Forget);
        assert!(DECAY.forward(at(128 * DAY), at(0), at(128 * DAY)) < 1e20);
    }

    #[test]
    fn what_is_older_than_all_counts_nothing_and_is_still_a_number() {
        let ancient = DECAY.forward(Timestamp::MIN, at(0), at(0));
        assert!(ancient > 0.0 && ancient < 1e-80);
        assert!(close(DECAY.forward(Timestamp::MAX, at(0), at(2 * DAY)), 2.0));
    }

    #[test]
    fn a_giant_counts_less_and_nobody_counts_more() {
        assert!(close(dampening(900.0, 100.0, 0.0), 1.0));
        assert!(close(dampening(900.0, 100.0, 0.5), 1.0 / 3.0));
        assert!(close(900.0 * dampening(900.0, 100.0, 1.0), 100.0));
        for points in [0.0, 1.0, 100.0] {
            assert!(close(dampening(points, 100.0, 1.0), 1.0), "{points}");
        }
        assert!(close(dampening(0.0, 0.0, 1.0), 1.0));
    }

    proptest! {
        #[test]
        fn renewing_the_landmark_changes_no_sum(
            events in prop::collection::vec((0..400 * DAY, 1..10_u32), 1..50),
            halvings in 1..60_i32,
        ) {
            let now = at(400 * DAY);
            let sum = |landmark| {
                let seat = |&(second, seats): &(i64, u32)| f64::from(seats) * DECAY.forward(at(second), landmark, now);
                events.iter().map(seat).sum::<f64>()
            };
            let later = at(i64::from(halvings) * DECAY.half_life_seconds);
            let renewed = sum(at(0)) * f64::from(-halvings).exp2();
            prop_assert!(close(renewed, sum(later)), "{renewed} {}", sum(later));
            prop_assert!(close(renewed * DECAY.backward(later, now), sum(at(0)) * DECAY.backward(at(0), now)));
        }

        #[test]
        fn points_are_the_sum_of_their_parts_and_never_negative(
            (booked, held, joined) in (-1e-9..1e6_f64, -1e-9..1e6_f64, -1e-9..1e6_f64),
        ) {
            let weights = Interest { booked: 1.0, held: 0.25, joined: 0.1 };
            let interest = Interest { booked, held, joined };
            let parts = interest.weighted(&weights);
            prop_assert!(close(interest.points(&weights), parts.booked + parts.held + parts.joined));
            prop_assert!(parts.booked >= 0.0 && parts.held >= 0.0 && parts.joined >= 0.0);
        }
    }
}
