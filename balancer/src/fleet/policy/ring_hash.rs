//! Consistent hashing on a ring: Karger et al., "Consistent Hashing and Random Trees" (STOC 1997), with the
//! weighted points of ketama (last.fm, 2007): 160 points for each unit of weight.
//!
//! Of a key that its endpoint does not take, the next points decide, and so such keys spread over all the others; no
//! other key moves. The same holds when an endpoint is added to the pool or removed. Shares follow weights to within
//! some 8%, the luck of 160 points. When an endpoint takes a key is said in [`super::bounded_load`].
//! A pick is a binary search and allocates nothing.

use super::bounded_load::BoundedLoad;
use super::{Candidates, Policy, hash};

/// Points on the ring for one unit of weight; more even out the shares, at 16 bytes each.
pub const POINTS_PER_WEIGHT: u32 = 160;

/// Points in order of their hash, each owned by an endpoint.
#[derive(Debug)]
pub struct RingHash {
    points: Vec<(u64, usize)>,
    load: BoundedLoad,
}

impl RingHash {
    /// The ring of these names and weights; the names decide where the points lie.
    pub fn new(endpoints: &[(&str, u32)], load_factor: Option<f64>) -> Self {
        let mut points = Vec::new();
        for (index, (name, weight)) in endpoints.iter().enumerate() {
            for replica in 0..weight * POINTS_PER_WEIGHT {
                points.push((hash::hash(format!("{name}#{replica}").as_bytes()), index));
            }
        }
        points.sort_unstable();
        Self { points, load: BoundedLoad::new(load_factor, endpoints.iter().map(|(_, weight)| *weight)) }
    }
}

impl Policy for RingHash {
    fn pick(&self, key: u64, candidates: &dyn Candidates) -> Option<usize> {
        let start = self.points.partition_point(|(point, _)| *point < key);
        let around = self.points[start..].iter().chain(&self.points[..start]);
        self.load.first(key, around.map(|(_, endpoint)| *endpoint), candidates)
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{Trial, assert_shares, endpoints, keys, moves, owners, skewed_maximum};
    use super::*;

    fn ring(weights: &[u32], load_factor: Option<f64>) -> RingHash {
        RingHash::new(&endpoints(weights), load_factor)
    }

    #[test]
    fn shares_follow_weights() {
        let shares = owners(&ring(&[1, 1, 2], None), &Trial::of(3));
        assert_shares(&shares, &[0.25, 0.25, 0.5], 0.05);
    }

    #[test]
    fn when_one_leaves_only_its_keys_move_and_all_others_take_some() {
        let ring = ring(&[1; 5], Some(1.25));
        let before = owners(&ring, &Trial::of(5));
        let after = owners(&ring, Trial::of(5).out(2));
        let moves = moves(&before, &after, 2);
        assert_eq!(moves.others, 0, "keys moved that did not have to");
        assert!((0.15..0.25).contains(&moves.own_share()), "{moves:?}");
        for endpoint in [0, 1, 3, 4] {
            let taken = moves.taken[endpoint] as f64 / moves.own as f64;
            assert!((0.15..0.35).contains(&taken), "endpoint {endpoint} took {taken}");
        }
        assert_eq!(owners(&ring, &Trial::of(5)), before, "they come back");
    }

    #[test]
    fn removed_from_the_pool_it_takes_only_its_own_keys_along() {
        let all = endpoints(&[1; 5]);
        let before = owners(&RingHash::new(&all, None), &Trial::of(5));
        let after = owners(&RingHash::new(&all[..4], None), &Trial::of(4));
        assert_eq!(moves(&before, &after, 4).others, 0);
    }

    #[test]
    fn coming_back_slowly_every_key_moves_once() {
        let ring = ring(&[1; 4], Some(1.25));
        let home = owners(&ring, &Trial::of(4));
        let mut trial = Trial::of(4);
        let mut now = owners(&ring, trial.out(1));
        let (away, mut moved) = (now.clone(), 0);
        trial = Trial::of(4);
        for step in 1..=10 {
            trial.warmth[1] = f64::from(step) / 10.0;
            let next = owners(&ring, &trial);
            for (key, (old, new)) in now.iter().zip(&next).enumerate().filter(|(_, (old, new))| old != new) {
                assert_eq!((*old, *new), (away[key], 1), "a key went anywhere but home");
                moved += 1;
            }
            let share = next.iter().filter(|owner| **owner == 1).count() as f64
                / home.iter().filter(|owner| **owner == 1).count() as f64;
            assert!((share - trial.warmth[1]).abs() < 0.03, "warmth {} has {share}", trial.warmth[1]);
            now = next;
        }
        assert_eq!(now, home);
        assert_eq!(moved, home.iter().filter(|owner| **owner == 1).count());
    }

    #[test]
    fn under_skewed_keys_no_load_passes_the_bound() {
        let (bounded, free) = (ring(&[1, 1, 2], Some(1.25)), ring(&[1, 1, 2], None));
        let (most_bounded, most_free) =
            (skewed_maximum(&bounded, &[1, 1, 2]), skewed_maximum(&free, &[1, 1, 2]));
        assert!(most_bounded <= 1.26, "{most_bounded} × its share");
        assert!(most_free > 1.5, "the keys are not skewed: {most_free}");
    }

    #[test]
    fn nobody_eligible_is_nobody_picked() {
        assert_eq!(ring(&[1, 1], Some(1.25)).pick(7, Trial::of(2).out(0).out(1)), None);
    }

    #[test]
    fn a_few_requests_at_a_time_never_move_a_client() {
        let ring = ring(&[1, 1], Some(1.25));
        for key in keys().take(1_000) {
            let mut trial = Trial::of(2);
            let home = ring.pick(key, &trial);
            for _ in 0..8 {
                assert_eq!(ring.pick(key, &trial), home);
                trial.in_flight[home.expect("picked")] += 1;
            }
        }
    }
}
