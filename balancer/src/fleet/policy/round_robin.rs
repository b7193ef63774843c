//! Smooth weighted round robin: the order of nginx (`ngx_http_upstream_round_robin.c`, Dounin 2012), in which the heavy
//! take turns with the light: with weights 5, 1, 1 it is A A B A C A A, never A A A A A B C.
//!
//! One period of that order is laid out in advance, and every pick draws the next number of one counter: no lock, and in
//! each period exactly as many turns as the weights say. A turn whose endpoint is not eligible is passed over and the next
//! number drawn, so the others keep their proportions to each other. An endpoint in slow start passes on as many of its
//! turns as its warmth lacks. The key is not used.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Candidates, Policy, hash, lots};

/// One period of turns, and how many were drawn.
#[derive(Debug)]
pub struct RoundRobin {
    turns: Box<[u8]>,
    drawn: AtomicU64,
}

impl RoundRobin {
    /// For endpoints of these weights; balancers should differ in `start`, or all begin with the same endpoint.
    pub fn new(weights: &[u32], start: u64) -> Self {
        Self { turns: smooth(weights), drawn: AtomicU64::new(start) }
    }

    fn turn(&self, number: u64) -> usize {
        usize::from(self.turns[(number % self.turns.len() as u64) as usize])
    }
}

/// One period: whoever has waited for most takes the turn, and pays with the sum of all weights.
fn smooth(weights: &[u32]) -> Box<[u8]> {
    let weights = lots::reduced(weights);
    let period = i64::from(weights.iter().sum::<u32>());
    let mut waited = vec![0_i64; weights.len()];
    let turn = |_| {
        for (waited, weight) in waited.iter_mut().zip(&weights) {
            *waited += i64::from(*weight);
        }
        // The first of equals, as nginx.
        let next = (0..waited.len()).rev().max_by_key(|endpoint| waited[*endpoint]).unwrap_or_default();
        waited[next] -= period;
        next as u8
    };
    (0..period).map(turn).collect()
}

impl Policy for RoundRobin {
    fn pick(&self, _key: u64, candidates: &dyn Candidates) -> Option<usize> {
        let mut last = 0;
        for _ in 0..self.turns.len() {
            last = self.drawn.fetch_add(1, Ordering::Relaxed);
            let endpoint = self.turn(last);
            if candidates.eligible(endpoint) && hash::fraction(last) < candidates.warmth(endpoint) {
                return Some(endpoint);
            }
        }
        // Nobody, or others drew the turns in between, or all are cold.
        let following = (1..=self.turns.len() as u64).map(|ahead| self.turn(last.wrapping_add(ahead)));
        following.into_iter().find(|endpoint| candidates.eligible(*endpoint))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::super::trial::{Trial, assert_shares, owners};
    use super::*;

    #[test]
    fn the_order_is_that_of_nginx() {
        assert_eq!(*smooth(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(*smooth(&[4, 2]), [0, 1, 0]);
        assert_eq!(*smooth(&[1, 1, 1]), [0, 1, 2]);
    }

    #[test]
    fn every_period_is_exact() {
        let policy = RoundRobin::new(&[5, 3, 1], u64::MAX - 100);
        let (mut counts, trial) = ([0; 3], Trial::of(3));
        (0..900).for_each(|_| counts[policy.pick(0, &trial).expect("all are eligible")] += 1);
        // The counter passed its end once, in the middle of a period.
        for (count, due) in counts.into_iter().zip([500_i32, 300, 100]) {
            assert!((count - due).abs() <= 3, "{counts:?}");
        }
    }

    #[test]
    fn when_one_is_out_the_others_keep_their_proportions() {
        let policy = RoundRobin::new(&[1, 1, 2], 0);
        assert_shares(&owners(&policy, Trial::of(3).out(1)), &[1.0 / 3.0, 0.0, 2.0 / 3.0], 0.001);
        assert_shares(&owners(&policy, Trial::of(3).out(2)), &[0.5, 0.5, 0.0], 0.001);
        assert_shares(&owners(&policy, &Trial::of(3)), &[0.25, 0.25, 0.5], 0.001);
    }

    #[test]
    fn warmth_is_a_part_of_a_share() {
        let mut trial = Trial::of(2);
        trial.warmth[1] = 0.25;
        assert_shares(&owners(&RoundRobin::new(&[1, 1], 0), &trial), &[0.8, 0.2], 0.01);
        trial.out(0).warmth[1] = 1e-9;
        assert_eq!(RoundRobin::new(&[1, 1], 0).pick(0, &trial), Some(1));
    }

    #[test]
    fn many_threads_share_one_order() {
        let policy = RoundRobin::new(&[1, 1, 2], 7);
        let (trial, together) = (Trial::of(3), Barrier::new(4));
        let count = || {
            together.wait();
            let mut counts = [0_usize; 3];
            (0..1_000_000).for_each(|_| counts[policy.pick(0, &trial).expect("all are eligible")] += 1);
            counts
        };
        let all: Vec<[usize; 3]> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().expect("ended")).collect()
        });
        let sums = [0, 1, 2].map(|endpoint| all.iter().map(|counts| counts[endpoint]).sum::<usize>());
        assert_eq!(sums, [1_000_000, 1_000_000, 2_000_000]);
    }

    #[test]
    fn nobody_is_nobody_picked() {
        assert_eq!(RoundRobin::new(&[1, 2], 0).pick(0, Trial::of(2).out(0).out(1)), None);
        assert_eq!(RoundRobin::new(&[], 0).pick(0, &Trial::of(0)), None);
    }
}
