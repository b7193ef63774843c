//! Who takes a key, when endpoints are asked in an order that the key decides. The bound is that of Mirrokni, Thorup and
//! Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016); the order comes from a ring or a table.
//!
//! What it guarantees, of the endpoints that are eligible:
//! - No request is given to one that has `factor` × (its share of the weights) × (all requests in flight, this one
//!   included), rounded up. The key is given to the next one in its order that has room, and there always is one.
//! - Up to [`LOAD_FLOOR`] requests an endpoint takes all of its own keys, whatever the others have: of three requests in
//!   flight two or three on one endpoint are no crowd, and a client would lose its place for nothing. The floor covers the
//!   handful of requests that a browser has in flight at once, several times.
//! - An endpoint in slow start has the share of its weight × warmth, and takes only keys whose second hash lies below its
//!   warmth. As warmth grows each key comes back once, and stays.
//! - A key whose endpoint is not eligible or has no room asks on by itself: no other key moves, and it returns.

use super::{Candidates, hash};

/// Requests in flight below which an endpoint, once warm, is never too busy for its keys.
pub const LOAD_FLOOR: f64 = 16.0;

/// The rule, for one pool.
#[derive(Debug)]
pub struct BoundedLoad {
    /// Above 1; none when an endpoint may have any load.
    factor: Option<f64>,
    /// By endpoint.
    weights: Vec<f64>,
}

/// What all eligible endpoints have together.
struct Total {
    in_flight: f64,
    weight: f64,
}

/// The first in order that would do, if nobody is right.
#[derive(Default)]
struct Substitutes {
    /// Has room, but the key's turn to come back has not come.
    cold: Option<usize>,
    /// Has no room.
    full: Option<usize>,
}

impl BoundedLoad {
    /// For endpoints of these weights.
    pub fn new(factor: Option<f64>, weights: impl Iterator<Item = u32>) -> Self {
        Self { factor, weights: weights.map(f64::from).collect() }
    }

    /// The first in `order`, which may name an endpoint many times, that is right for the key; else one that would do.
    pub fn first(
        &self,
        key: u64,
        order: impl Iterator<Item = usize>,
        candidates: &dyn Candidates,
    ) -> Option<usize> {
        let turn = hash::fraction(key);
        let mut asked = 0_u64;
        let mut total = None;
        let mut substitutes = Substitutes::default();
        for endpoint in order {
            if asked & (1 << endpoint) != 0 {
                continue;
            }
            asked |= 1 << endpoint;
            if candidates.eligible(endpoint) {
                let warmth = candidates.warmth(endpoint);
                if !self.has_room(endpoint, warmth, candidates, &mut total) {
                    substitutes.full.get_or_insert(endpoint);
                } else if turn < warmth {
                    return Some(endpoint);
                } else {
                    substitutes.cold.get_or_insert(endpoint);
                }
            }
            if asked.count_ones() as usize == self.weights.len() {
                break;
            }
        }
        substitutes.cold.or(substitutes.full)
    }

    /// The total costs a look at every endpoint: it is made once for a pick, and only when somebody is past the floor.
    fn has_room(
        &self,
        endpoint: usize,
        warmth: f64,
        candidates: &dyn Candidates,
        total: &mut Option<Total>,
    ) -> bool {
        let Some(factor) = self.factor else { return true };
        let in_flight = candidates.in_flight(endpoint) as f64;
        if in_flight < LOAD_FLOOR * warmth {
            return true;
        }
        let total = total.get_or_insert_with(|| self.total(candidates));
        let share = self.weights[endpoint] * warmth / total.weight;
        in_flight < (factor * share * (total.in_flight + 1.0)).ceil()
    }

    fn total(&self, candidates: &dyn Candidates) -> Total {
        let eligible = self.weights.iter().enumerate().filter(|(endpoint, _)| candidates.eligible(*endpoint));
        eligible.fold(Total { in_flight: 0.0, weight: 0.0 }, |total, (endpoint, weight)| Total {
            in_flight: total.in_flight + candidates.in_flight(endpoint) as f64,
            weight: total.weight + weight * candidates.warmth(endpoint),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::trial::Trial;
    use super::*;

    const ORDER: [usize; 5] = [0, 0, 1, 0, 2];
    /// Its turn comes at a warmth of about a half.
    const EARLY: u64 = 3;

    fn first(trial: &Trial, factor: f64) -> Option<usize> {
        let factor = (factor > 0.0).then_some(factor);
        BoundedLoad::new(factor, [1, 1, 2].into_iter()).first(EARLY, ORDER.into_iter(), trial)
    }

    #[test]
    fn the_first_eligible_one_with_room_takes_the_key() {
        let mut trial = Trial::of(3);
        assert_eq!(first(&trial, 1.25), Some(0));
        trial.out(0);
        assert_eq!(first(&trial, 1.25), Some(1));
        trial.out(1).out(2);
        assert_eq!(first(&trial, 1.25), None);
    }

    #[test]
    fn the_bound_is_the_factor_times_the_share_of_all() {
        let taken_by = |in_flight: [usize; 3]| {
            let mut trial = Trial::of(3);
            trial.in_flight = in_flight.to_vec();
            first(&trial, 1.25)
        };
        // 1.25 / 4 × (72 + 58 + 100 + 1) = 72.2: the 73rd may come, and with one less of all, 71.9, it may not.
        assert_eq!(taken_by([72, 58, 100]), Some(0));
        assert_eq!(taken_by([72, 57, 100]), Some(1));
        // Of 475 the light ones may have 1.25 / 4, which is 149, and the heavy one twice as many.
        assert_eq!(taken_by([200, 150, 124]), Some(2));
    }

    #[test]
    fn in_slow_start_the_bound_is_lower() {
        let mut trial = Trial::of(3);
        trial.in_flight = vec![70, 60, 100];
        assert_eq!(first(&trial, 1.25), Some(0));
        // 1.25 × 0.9 / 3.9 × (230 + 1) = 66.6
        trial.warmth[0] = 0.9;
        assert_eq!(first(&trial, 1.25), Some(1));
    }

    #[test]
    fn without_a_factor_any_load_is_taken() {
        let mut trial = Trial::of(3);
        trial.in_flight = vec![10_000, 0, 0];
        assert_eq!(first(&trial, 0.0), Some(0));
        assert_eq!(first(&trial, 1.25), Some(1));
    }

    #[test]
    fn a_few_requests_are_no_crowd() {
        let mut trial = Trial::of(3);
        trial.in_flight = vec![15, 0, 0];
        assert_eq!(first(&trial, 1.25), Some(0));
        trial.in_flight = vec![16, 0, 0];
        assert_eq!(first(&trial, 1.25), Some(1));
    }

    #[test]
    fn requests_of_the_absent_do_not_count() {
        let mut trial = Trial::of(3);
        trial.in_flight = vec![40, 5, 1_000];
        assert_eq!(first(&trial, 1.25), Some(0));
        trial.out(2);
        // 1.25 / 2 × (40 + 5 + 1) = 28.75
        assert_eq!(first(&trial, 1.25), Some(1));
    }

    /// Nobody is eligible, and says so to a counter.
    #[derive(Default)]
    struct Refusing(Cell<usize>);

    impl Candidates for Refusing {
        fn eligible(&self, _: usize) -> bool {
            self.0.set(self.0.get() + 1);
            false
        }

        fn in_flight(&self, _: usize) -> usize {
            0
        }

        fn warmth(&self, _: usize) -> f64 {
            1.0
        }
    }

    #[test]
    fn everybody_is_asked_once_and_nobody_further() {
        let (refusing, load) = (Refusing::default(), BoundedLoad::new(None, [1; 3].into_iter()));
        assert_eq!(load.first(EARLY, ORDER.into_iter().cycle(), &refusing), None);
        assert_eq!(refusing.0.get(), 3);
    }

    #[test]
    fn in_slow_start_a_key_comes_back_when_its_turn_has_come() {
        let turn = hash::fraction(EARLY);
        let mut trial = Trial::of(3);
        trial.warmth[0] = turn - 0.01;
        assert_eq!(first(&trial, 1.25), Some(1));
        trial.warmth[0] = turn + 0.01;
        assert_eq!(first(&trial, 1.25), Some(0));
    }

    #[test]
    fn a_cold_endpoint_is_better_than_a_full_one_and_a_full_one_than_none() {
        let mut trial = Trial::of(3);
        trial.out(2).warmth[0] = 0.05;
        trial.in_flight = vec![0, 200, 0];
        // 1.25 × 1/1.05 × 201 is above 200: there is room where the key is now.
        assert_eq!(first(&trial, 1.25), Some(1));
        assert_eq!(first(&trial, 1.01), Some(0));
        trial.out(1);
        assert_eq!(first(&trial, 1.25), Some(0));
        // Counts that change while they are read can make all seem full; here the factor does.
        trial.warmth[0] = 1.0;
        trial.in_flight[0] = 1_000;
        assert_eq!(first(&trial, 0.5), Some(0));
    }
}
