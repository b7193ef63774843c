//! Consistent hashing in a table: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer" (NSDI
//! 2016, section 3.4); weights as in Envoy: in each round the heaviest endpoint takes a slot, and one of half that weight
//! in every second.
//!
//! A key's slot is one access, and shares follow weights to within a slot or two in the thousands each has. When an
//! endpoint is not eligible or full, the slots that follow decide for its keys alone (see [`super::bounded_load`]), no
//! other key moves, and they return. The price is paid when the pool itself changes: the table is filled anew, and a few
//! keys of those who stay move too, where a ring moves none. Measured (`removed_from_the_pool_…`), with one of so many
//! removed: of 2 none, of 5 at most 0.2% of all keys, of 20 at most 0.5%, of 64 at most 1%.

use super::bounded_load::BoundedLoad;
use super::{Candidates, Policy, hash};

/// Slots: a prime, so that every step visits them all. The paper's small table; a hundred times as many as the largest
/// pool has endpoints keeps shares even, and 64 KiB stay in a core's cache.
pub const SLOTS: u64 = 65_537;

/// Which endpoint owns each slot.
pub struct Maglev {
    slots: Box<[u8]>,
    load: BoundedLoad,
}

/// An endpoint while the table is filled.
struct Filler {
    owner: u8,
    weight: u32,
    /// What it has saved up: a slot costs the weight of the heaviest.
    credit: u32,
    /// The next slot of its own permutation of all slots.
    next: u64,
    step: u64,
}

impl Filler {
    fn new(owner: u8, name: &str, weight: u32) -> Self {
        let next = hash::hash(name.as_bytes()) % SLOTS;
        let step = hash::hash(format!("{name}#step").as_bytes()) % (SLOTS - 1) + 1;
        Self { owner, weight, credit: 0, next, step }
    }

    /// Takes the first slot of its permutation that is free; there must be one.
    fn take(&mut self, slots: &mut [Option<u8>]) {
        while slots[self.next as usize].is_some() {
            self.next = (self.next + self.step) % SLOTS;
        }
        slots[self.next as usize] = Some(self.owner);
    }
}

impl Maglev {
    /// The table of these names and weights; the names decide who prefers which slots.
    pub fn new(endpoints: &[(&str, u32)], load_factor: Option<f64>) -> Self {
        Self {
            slots: fill(endpoints),
            load: BoundedLoad::new(load_factor, endpoints.iter().map(|(_, weight)| *weight)),
        }
    }
}

fn fill(endpoints: &[(&str, u32)]) -> Box<[u8]> {
    let mut fillers: Vec<Filler> =
        (0_u8..).zip(endpoints).map(|(owner, (name, weight))| Filler::new(owner, name, *weight)).collect();
    // By name: in what order a pool lists them, or DNS answers, must not decide anything.
    fillers.sort_by_key(|filler| endpoints[usize::from(filler.owner)].0);
    let heaviest = fillers.iter().map(|filler| filler.weight).max().unwrap_or_default();
    let mut slots = vec![None; if fillers.is_empty() { 0 } else { SLOTS as usize }];
    let mut free = slots.len();
    while free > 0 {
        for filler in &mut fillers {
            filler.credit += filler.weight;
            if filler.credit >= heaviest && free > 0 {
                filler.credit -= heaviest;
                filler.take(&mut slots);
                free -= 1;
            }
        }
    }
    slots.into_iter().flatten().collect()
}

impl Policy for Maglev {
    fn pick(&self, key: u64, candidates: &dyn Candidates) -> Option<usize> {
        let start = (key % SLOTS) as usize;
        let (before, after) = self.slots.split_at_checked(start)?;
        let around = after.iter().chain(before);
        self.load.first(key, around.map(|owner| usize::from(*owner)), candidates)
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{Trial, assert_shares, endpoints, moves, owners, skewed_maximum};
    use super::*;

    fn table(weights: &[u32], load_factor: Option<f64>) -> Maglev {
        Maglev::new(&endpoints(weights), load_factor)
    }

    #[test]
    fn slots_follow_weights_to_a_slot_or_two() {
        for weights in [vec![1, 1, 1], vec![1, 2, 5], vec![16, 1, 7, 3], vec![1; 64]] {
            let table = table(&weights, None);
            let all = f64::from(weights.iter().sum::<u32>());
            for (endpoint, weight) in weights.iter().enumerate() {
                let slots =
                    table.slots.iter().filter(|owner| usize::from(**owner) == endpoint).count() as f64;
                let due = SLOTS as f64 * f64::from(*weight) / all;
                assert!((slots - due).abs() <= 2.0, "{weights:?}: {endpoint} has {slots}, due are {due}");
            }
        }
    }

    #[test]
    fn shares_follow_weights() {
        assert_shares(&owners(&table(&[1, 1, 2], None), &Trial::of(3)), &[0.25, 0.25, 0.5], 0.02);
    }

    #[test]
    fn when_one_is_out_only_its_keys_move_and_all_others_take_some() {
        let table = table(&[1; 5], Some(1.25));
        let before = owners(&table, &Trial::of(5));
        let moves = moves(&before, &owners(&table, Trial::of(5).out(2)), 2);
        assert_eq!(moves.others, 0, "keys moved that did not have to");
        assert!((0.19..0.21).contains(&moves.own_share()), "{moves:?}");
        for endpoint in [0, 1, 3, 4] {
            let taken = moves.taken[endpoint] as f64 / moves.own as f64;
            assert!((0.2..0.3).contains(&taken), "endpoint {endpoint} took {taken}");
        }
        assert_eq!(owners(&table, &Trial::of(5)), before, "they come back");
    }

    /// The disruption of the paper's section 5.3: each endpoint is removed in turn, and the slots that change hands among
    /// those who stay are counted.
    #[test]
    fn removed_from_the_pool_it_disturbs_few_keys_of_others() {
        for (weights, most) in [
            (vec![1; 2], 0.0),
            (vec![1; 5], 0.002),
            (vec![1; 20], 0.005),
            (vec![1; 64], 0.01),
            (vec![1, 2, 3, 2], 0.0025),
        ] {
            let worst = (0..weights.len()).map(|gone| disturbed_without(gone, &weights)).fold(0.0, f64::max);
            assert!(worst <= most, "{weights:?}: {:.2}% of other keys move", worst * 100.0);
        }
    }

    /// The share of all slots that pass from one who stays to another.
    fn disturbed_without(gone: usize, weights: &[u32]) -> f64 {
        let mut rest = endpoints(weights);
        let before = Maglev::new(&rest, None);
        rest.remove(gone);
        let after = Maglev::new(&rest, None);
        let pairs =
            before.slots.iter().zip(&after.slots).map(|(old, new)| (usize::from(*old), usize::from(*new)));
        let disturbed = pairs.filter(|(old, new)| *old != gone && *old != new + usize::from(*new >= gone));
        disturbed.count() as f64 / SLOTS as f64
    }

    #[test]
    fn the_order_of_the_pool_decides_nothing() {
        let all = endpoints(&[1, 2, 1, 3]);
        let reversed: Vec<_> = all.iter().rev().copied().collect();
        let (one, other) = (Maglev::new(&all, None), Maglev::new(&reversed, None));
        assert!(one.slots.iter().zip(&other.slots).all(|(one, other)| one + other == 3));
    }

    #[test]
    fn under_skewed_keys_no_load_passes_the_bound() {
        let most = skewed_maximum(&table(&[1, 1, 2], Some(1.25)), &[1, 1, 2]);
        assert!(most <= 1.26, "{most} × its share");
    }

    #[test]
    fn after_the_last_slot_comes_the_first() {
        let table = table(&[1, 1], None);
        let last = usize::from(table.slots[SLOTS as usize - 1]);
        assert_eq!(table.pick(SLOTS - 1, Trial::of(2).out(last)), Some(1 - last));
    }

    #[test]
    fn nobody_is_nobody_picked() {
        assert_eq!(table(&[1, 1], None).pick(7, Trial::of(2).out(0).out(1)), None);
        assert_eq!(table(&[], None).pick(7, &Trial::of(0)), None);
    }
}
