//! Least request among two: the power of two choices, Mitzenmacher (1996; IEEE TPDS 2001), as in Envoy's `least_request`.
//!
//! Two endpoints are drawn, each as likely as its weight says, and the one with fewer requests in flight for its weight
//! takes the request; when they are even, the first. So an idle pool is shared by weight, a slow or stalled endpoint is
//! given less the more it holds, and no crowd runs to the one that looks best, as it would if all were compared.
//! An endpoint in slow start is drawn as rarely as its warmth says, and its load counts as if it were that much lighter.
//! A pick looks at two endpoints; it does not use the key.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Candidates, Policy, hash, lots};

/// Draws until the endpoints are looked at one by one. With half of a pool out, one pick in 65,536 comes to that.
const DRAWS_MAX: usize = 16;

/// Random numbers are a counter in steps of the golden ratio, mixed (`SplitMix64`: Steele, Lea, Flood 2014).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// An endpoint for each unit of weight, and a generator to draw with.
#[derive(Debug)]
pub struct LeastRequest {
    lots: Box<[u8]>,
    weights: Vec<f64>,
    picks: AtomicU64,
}

impl LeastRequest {
    /// For endpoints of these weights; balancers should differ in `seed`.
    pub fn new(weights: &[u32], seed: u64) -> Self {
        Self {
            lots: lots::one_for_each_weight(weights),
            weights: weights.iter().copied().map(f64::from).collect(),
            picks: AtomicU64::new(seed),
        }
    }

    /// One that may be picked, and is not `other`.
    fn draw(&self, random: &mut u64, candidates: &dyn Candidates, other: Option<usize>) -> Option<usize> {
        (0..DRAWS_MAX).find_map(|_| {
            *random = hash::mix(random.wrapping_add(STEP));
            let endpoint = usize::from(self.lots[(*random % self.lots.len() as u64) as usize]);
            let fits = Some(endpoint) != other
                && candidates.eligible(endpoint)
                && hash::fraction(*random) < candidates.warmth(endpoint);
            fits.then_some(endpoint)
        })
    }

    /// The one with the least load of all, for when drawing found nobody.
    fn least_of_all(&self, candidates: &dyn Candidates) -> Option<usize> {
        let eligible = (0..self.weights.len()).filter(|endpoint| candidates.eligible(*endpoint));
        eligible.min_by(|a, b| self.load(*a, candidates).total_cmp(&self.load(*b, candidates)))
    }

    fn load(&self, endpoint: usize, candidates: &dyn Candidates) -> f64 {
        candidates.in_flight(endpoint) as f64 / (self.weights[endpoint] * candidates.warmth(endpoint))
    }
}

impl Policy for LeastRequest {
    fn pick(&self, _key: u64, candidates: &dyn Candidates) -> Option<usize> {
        if self.lots.is_empty() {
            return None;
        }
        // Threads share the counter, so it is touched once.
        let mut random = self.picks.fetch_add(STEP, Ordering::Relaxed);
        let Some(first) = self.draw(&mut random, candidates, None) else {
            return self.least_of_all(candidates);
        };
        let Some(second) = self.draw(&mut random, candidates, Some(first)) else { return Some(first) };
        let second_has_less = self.load(second, candidates) < self.load(first, candidates);
        Some(if second_has_less { second } else { first })
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{Trial, assert_shares, moves, owners};
    use super::*;

    #[test]
    fn an_idle_pool_is_shared_by_weight() {
        assert_shares(&owners(&LeastRequest::new(&[1, 1, 2], 1), &Trial::of(3)), &[0.25, 0.25, 0.5], 0.01);
    }

    #[test]
    fn requests_that_stay_are_spread_by_weight() {
        let policy = LeastRequest::new(&[1, 1, 2], 1);
        let mut trial = Trial::of(3);
        for _ in 0..4_000 {
            let endpoint = policy.pick(0, &trial).expect("all are eligible");
            trial.in_flight[endpoint] += 1;
        }
        for (endpoint, due) in [1_000_usize, 1_000, 2_000].into_iter().enumerate() {
            assert!(trial.in_flight[endpoint].abs_diff(due) < 20, "{:?}", trial.in_flight);
        }
    }

    /// The reason for two choices: the largest of many loads stays within a few of the mean.
    #[test]
    fn two_choices_are_far_better_than_one() {
        let policy = LeastRequest::new(&[1; 50], 1);
        let (mut two, mut one) = (Trial::of(50), [0_usize; 50]);
        for number in 0..5_000_u64 {
            let endpoint = policy.pick(0, &two).expect("all are eligible");
            two.in_flight[endpoint] += 1;
            one[(hash::mix(number) % 50) as usize] += 1;
        }
        let (two, one) = (two.in_flight.iter().max().expect("50"), one.iter().max().expect("50"));
        assert!(*two <= 104 && *one >= 120, "mean 100: {two} with two choices, {one} with one");
    }

    #[test]
    fn the_busier_of_two_is_left_alone() {
        let policy = LeastRequest::new(&[1, 1, 1], 1);
        let mut trial = Trial::of(3);
        trial.in_flight = vec![50, 0, 0];
        assert_shares(&owners(&policy, &trial), &[0.0, 0.5, 0.5], 0.01);
    }

    #[test]
    fn one_that_is_out_is_never_picked_and_the_others_share_its_part() {
        let policy = LeastRequest::new(&[1, 1, 2], 1);
        let owners = owners(&policy, Trial::of(3).out(2));
        assert_shares(&owners, &[0.5, 0.5, 0.0], 0.01);
        assert_eq!(moves(&owners, &owners, 2).own, 0);
    }

    #[test]
    fn warmth_is_a_part_of_a_share() {
        let mut trial = Trial::of(2);
        trial.warmth[1] = 0.25;
        assert_shares(&owners(&LeastRequest::new(&[1, 1], 1), &trial), &[0.8, 0.2], 0.01);
        trial.out(0).warmth[1] = 1e-9;
        assert_shares(&owners(&LeastRequest::new(&[1, 1], 1), &trial), &[0.0, 1.0], 0.0);
    }

    #[test]
    fn a_light_one_is_found_when_it_is_the_last() {
        let mut weights = vec![16; 64];
        weights[63] = 1;
        let mut trial = Trial::of(64);
        (0..63).for_each(|endpoint| {
            trial.out(endpoint);
        });
        assert_shares(&owners(&LeastRequest::new(&weights, 1), &trial)[..100], &[0.0, 0.0], 0.0);
        assert_eq!(LeastRequest::new(&weights, 1).pick(0, &trial), Some(63));
        assert_eq!(LeastRequest::new(&weights, 1).pick(0, trial.out(63)), None);
        assert_eq!(LeastRequest::new(&[], 1).pick(0, &trial), None);
    }
}
