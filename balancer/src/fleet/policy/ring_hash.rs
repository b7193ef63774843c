//! Consistent hashing on a ring: Karger et al., "Consistent Hashing and Random Trees" (STOC 1997), with the
//! weighted points of ketama (last.fm, 2007): 160 points for each unit of weight.
//!
//! When an endpoint is not eligible, its keys walk on to the next points and so spread over all the others;
//! no other key moves. A pick allocates nothing.

use super::Policy;

/// Points on the ring for one unit of weight; more even out the shares, at 16 bytes each.
pub const POINTS_PER_WEIGHT: u32 = 160;

/// Points in order of their hash, each owned by an endpoint.
pub struct RingHash {
    points: Vec<(u64, usize)>,
    endpoints: u32,
}

impl RingHash {
    /// The ring of these names and weights; the names decide where the points lie.
    pub fn new<'a>(endpoints: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let mut points = Vec::new();
        let mut count = 0;
        for (index, (name, weight)) in endpoints.enumerate() {
            for replica in 0..weight * POINTS_PER_WEIGHT {
                points.push((hash(format!("{name}#{replica}").as_bytes()), index));
            }
            count += 1;
        }
        points.sort_unstable();
        Self { points, endpoints: count }
    }
}

impl Policy for RingHash {
    fn pick(&self, key: u64, eligible: &dyn Fn(usize) -> bool) -> Option<usize> {
        let start = self.points.partition_point(|(point, _)| *point < key);
        let mut refused: u64 = 0;
        for (_, endpoint) in self.points[start..].iter().chain(&self.points[..start]) {
            let bit = 1_u64 << endpoint;
            if refused & bit != 0 {
                continue;
            }
            if eligible(*endpoint) {
                return Some(*endpoint);
            }
            refused |= bit;
            if refused.count_ones() == self.endpoints {
                return None;
            }
        }
        None
    }
}

/// FNV-1a (Fowler, Noll, Vo), then the 64-bit finalizer of `MurmurHash3` (Appleby), because FNV alone leaves
/// names that differ only at their end close together on the ring. Not for secrets; stable across machines.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut h: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        h = (h ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: usize = 20_000;

    fn ring(weights: &[u32]) -> RingHash {
        let names: Vec<String> = (0..weights.len()).map(|i| format!("10.0.0.{i}:7101")).collect();
        RingHash::new(names.iter().map(String::as_str).zip(weights.iter().copied()))
    }

    fn owners(ring: &RingHash, eligible: &dyn Fn(usize) -> bool) -> Vec<usize> {
        (0..KEYS).map(|i| ring.pick(hash(&i.to_le_bytes()), eligible).expect("one is eligible")).collect()
    }

    fn share(owners: &[usize], endpoint: usize) -> f64 {
        owners.iter().filter(|owner| **owner == endpoint).count() as f64 / owners.len() as f64
    }

    #[test]
    fn shares_follow_weights() {
        let owners = owners(&ring(&[1, 1, 2]), &|_| true);
        for (endpoint, expected) in [(0, 0.25), (1, 0.25), (2, 0.5)] {
            let share = share(&owners, endpoint);
            assert!((share - expected).abs() < 0.05, "endpoint {endpoint} has {share} of the keys");
        }
    }

    #[test]
    fn when_one_leaves_only_its_keys_move_and_all_others_take_some() {
        let ring = ring(&[1; 5]);
        let before = owners(&ring, &|_| true);
        let after = owners(&ring, &|endpoint| endpoint != 2);
        let mut gained = [0_usize; 5];
        for (old, new) in before.iter().zip(&after) {
            if *old == 2 {
                gained[*new] += 1;
            } else {
                assert_eq!(old, new, "a key moved that did not have to");
            }
        }
        let lost: usize = gained.iter().sum();
        assert!(gained.iter().enumerate().all(|(i, count)| (i == 2) == (*count < lost / 10)), "{gained:?}");
    }

    #[test]
    fn nobody_eligible_is_nobody_picked() {
        assert_eq!(ring(&[1, 1]).pick(7, &|_| false), None);
    }
}
