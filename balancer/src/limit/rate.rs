//! How often a client may ask: a token bucket per key, each kept as one timestamp.
//!
//! GCRA, the generic cell rate algorithm (ITU-T I.371; for requests: Leach, "Rate Limiting, Cells, and GCRA", 2015). All there is
//! to know of a bucket is when it is full again: taking a token moves that time on, and there is none to take when it
//! would be further away than all tokens together take to come back.
//!
//! Memory is bounded. Where there is no room for another key, the bucket that is full the soonest makes place: to forget
//! a full one changes nothing, and whoever owes the most is remembered the longest.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys of one table; 16 bytes each.
pub const KEYS_MAX: usize = 64 * 1_024;
/// Tokens a second that a bucket can be given: shared buckets count in microseconds.
pub const PER_SECOND_MAX: u32 = 100_000;
/// Keys that share a lock and compete for room.
const KEYS_PER_SET: usize = 8;

/// How fast tokens come, and how many a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// One more token every so often.
    pub interval: Duration,
    /// From empty to full.
    pub refill: Duration,
}

impl Quota {
    /// So many requests a second, and so many at once.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, refill: interval * burst.max(1) }
    }

    /// When a bucket that is full at `full_at` is full after a token is taken `now`; how long to wait when it is empty.
    fn take(self, full_at: u64, now: u64) -> Result<u64, Duration> {
        let after = full_at.max(now) + nanoseconds(self.interval);
        match after.saturating_sub(now + nanoseconds(self.refill)) {
            0 => Ok(after),
            wait => Err(Duration::from_nanos(wait)),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

/// One bucket for each of a bounded number of keys.
pub struct Buckets {
    sets: Box<[Mutex<[Bucket; KEYS_PER_SET]>]>,
    /// Seeded anew in each process, so that nobody can aim at the set of another key.
    hasher: RandomState,
    started: Instant,
}

/// A key's hash, and when its bucket is full, in nanoseconds since the table was made. All zeros is room.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    key: u64,
    full_at: u64,
}

impl Buckets {
    /// For about so many keys.
    pub fn new(keys: usize, now: Instant) -> Self {
        let sets = keys.div_ceil(KEYS_PER_SET).max(1);
        Self { sets: (0..sets).map(|_| Mutex::default()).collect(), hasher: RandomState::new(), started: now }
    }

    /// Takes a token of this key; how long to wait when it has none.
    pub fn take(&self, key: impl Hash, quota: Quota, now: Instant) -> Result<(), Duration> {
        let key = self.hasher.hash_one(key);
        let now = nanoseconds(now.saturating_duration_since(self.started));
        let set = &self.sets[key as usize % self.sets.len()];
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = place(&mut set, key);
        bucket.full_at = quota.take(bucket.full_at, now)?;
        Ok(())
    }
}

/// The key's own bucket, or a full one in the place of the one that is full the soonest.
fn place(set: &mut [Bucket; KEYS_PER_SET], key: u64) -> &mut Bucket {
    let known = set.iter().position(|bucket| bucket.key == key);
    let index = known.unwrap_or_else(|| {
        let soonest = (0..KEYS_PER_SET).min_by_key(|index| set[*index].full_at).unwrap_or_default();
        set[soonest] = Bucket { key, full_at: 0 };
        soonest
    });
    &mut set[index]
}

/// Who counts as one client: an IPv4 address, or the /64 that one IPv6 subscriber has all of (RFC 6177).
pub fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many of so many tries at the same time are let in.
    fn let_in(buckets: &Buckets, key: u32, quota: Quota, now: Instant, tries: usize) -> usize {
        (0..tries).filter(|_| buckets.take(key, quota, now).is_ok()).count()
    }

    #[test]
    fn a_burst_at_once_and_then_the_rate() {
        let (start, quota) = (Instant::now(), Quota::new(10, 25));
        let buckets = Buckets::new(8, start);
        assert_eq!(let_in(&buckets, 1, quota, start, 100), 25);
        for second in 1..=5 {
            assert_eq!(let_in(&buckets, 1, quota, start + SECOND * second, 100), 10);
        }
        assert_eq!(let_in(&buckets, 1, quota, start + SECOND * 1_000, 100), 25, "no more than a full bucket");
    }

    #[test]
    fn the_wait_that_is_told_is_the_one_that_helps() {
        let (start, quota) = (Instant::now(), Quota::new(4, 1));
        let buckets = Buckets::new(8, start);
        assert_eq!(buckets.take(1, quota, start), Ok(()));
        let wait = buckets.take(1, quota, start).expect_err("empty");
        assert_eq!(wait, Duration::from_millis(250));
        assert!(buckets.take(1, quota, start + Duration::from_nanos(249_999_999)).is_err());
        assert_eq!(buckets.take(1, quota, start + wait), Ok(()));
    }

    #[test]
    fn keys_are_independent() {
        let (start, quota) = (Instant::now(), Quota::new(1, 5));
        let buckets = Buckets::new(1_024, start);
        assert!((0..50).all(|key| let_in(&buckets, key, quota, start, 10) == 5));
    }

    #[test]
    fn a_crowd_of_keys_needs_no_more_memory_and_frees_nobody_who_owes() {
        let (start, quota) = (Instant::now(), Quota::new(1, 10));
        let buckets = Buckets::new(8, start);
        assert_eq!(let_in(&buckets, 0, quota, start, 20), 10);
        for stranger in 1..100_000 {
            assert_eq!(buckets.take(stranger, quota, start), Ok(()));
        }
        assert_eq!(buckets.sets.len() * KEYS_PER_SET, 8);
        assert!(buckets.take(0, quota, start).is_err(), "the crowd hid the one who owes");
    }

    #[test]
    fn an_ipv6_subscriber_is_one_client() {
        let of = |text: &str| client(text.parse().expect("test address"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
