//! When buyers come. The times are drawn before the first one comes and never wait for an answer, so that a slow server meets
//! the same crowd as a fast one.
//!
//! Arrivals are a Poisson process, given how many there are: their times are as many independent draws from the curve, in
//! order.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::plan::{Curve, Plan};

/// The rate when the doors open, as a multiple of the mean; it falls by half every twelfth of the run.
const DOORS_OPEN_PEAK: f64 = 8.0;

/// The times of a plan's arrivals since its beginning, in order.
pub(super) fn times(plan: &Plan) -> Vec<Duration> {
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(plan.seed);
    let arriving = plan.arriving().as_secs_f64();
    let mut parts: Vec<f64> =
        (0..plan.arrivals()).map(|_| part_by(plan.curve, chance.random::<f64>())).collect();
    parts.sort_by(f64::total_cmp);
    parts.into_iter().map(|part| Duration::from_secs_f64(part * arriving)).collect()
}

/// The part of the run by which a `share` of all have come: the inverse of the curve's distribution function.
fn part_by(curve: Curve, share: f64) -> f64 {
    match curve {
        Curve::Steady => share,
        Curve::Ramp => share.sqrt(),
        Curve::DoorsOpen => -(1.0 - share * (1.0 - (-DOORS_OPEN_PEAK).exp())).ln() / DOORS_OPEN_PEAK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(curve: Curve, seed: u64) -> Plan {
        Plan { curve, seed, rate: 1000.0, duration: Duration::from_secs(10), ..Plan::default() }
    }

    /// How many come in each tenth of the run.
    fn tenths(curve: Curve) -> [usize; 10] {
        let mut tenths = [0; 10];
        for time in times(&plan(curve, 7)) {
            tenths[time.as_secs() as usize] += 1;
        }
        tenths
    }

    #[test]
    fn a_seed_has_its_times_and_another_has_others() {
        assert_eq!(times(&plan(Curve::Ramp, 7)), times(&plan(Curve::Ramp, 7)));
        assert_ne!(times(&plan(Curve::Ramp, 7)), times(&plan(Curve::Ramp, 8)));
    }

    #[test]
    fn all_come_in_order_and_before_the_end() {
        for curve in [Curve::Steady, Curve::Ramp, Curve::DoorsOpen] {
            let times = times(&plan(curve, 7));
            assert_eq!(times.len(), 10_000);
            assert!(times.is_sorted() && times.iter().all(|time| *time < Duration::from_secs(10)));
        }
    }

    #[test]
    fn each_curve_has_its_form() {
        let steady = tenths(Curve::Steady);
        assert!(steady.iter().all(|count| (900..1100).contains(count)), "{steady:?}");
        let ramp = tenths(Curve::Ramp);
        assert!(ramp.is_sorted() && (50..150).contains(&ramp[0]) && ramp[9] > 1700, "{ramp:?}");
        let spike = tenths(Curve::DoorsOpen);
        assert!((5200..5800).contains(&spike[0]) && spike[0] > 2 * spike[1], "{spike:?}");
    }

    #[test]
    fn gaps_are_those_of_a_poisson_process() {
        let times = times(&plan(Curve::Steady, 7));
        let gaps: Vec<f64> =
            times.windows(2).map(|pair| pair[1].as_secs_f64() - pair[0].as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let above = gaps.iter().filter(|gap| **gap > mean).count() as f64 / gaps.len() as f64;
        // Of exponential gaps 1/e are above the mean; of even ones half, or none.
        assert!((above - (-1.0_f64).exp()).abs() < 0.02, "{above}");
    }
}
