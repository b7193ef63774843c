//! How much may be open at the same time, of a pool or of a client. For clients it is a count per key, there only while it is not zero, so that all counts together
//! are never more than what is open.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts of different shards do not wait for each other.
const SHARDS: usize = 16;

/// How many are open. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<AtomicUsize>);

impl Count {
    /// Counts one more until it is dropped; none when there are as many as may be.
    pub fn enter(&self, most: usize) -> Option<OneMore> {
        let one_more = |count: usize| (count < most).then_some(count + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(OneMore(self.clone()))
    }
}

/// One that is open.
#[derive(Debug)]
pub struct OneMore(Count);

impl Drop for OneMore {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who has how many open. Clones are the same.
#[derive(Clone, Default)]
pub struct Open(Arc<Counts>);

#[derive(Default)]
struct Counts {
    shards: [Mutex<HashMap<IpAddr, usize>>; SHARDS],
    hasher: RandomState,
}

impl Open {
    /// Counts one more for this client until it is dropped; none when it has as many as it may.
    pub fn enter(&self, client: IpAddr, most: usize) -> Option<OneOpen> {
        let mut shard = self.0.shard(client);
        let count = shard.entry(client).or_default();
        if *count >= most {
            if most == 0 {
                shard.remove(&client);
            }
            return None;
        }
        *count += 1;
        Some(OneOpen { open: self.clone(), client })
    }
}

impl Counts {
    fn shard(&self, client: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        let shard = self.hasher.hash_one(client) as usize % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something a client has open.
pub struct OneOpen {
    open: Open,
    client: IpAddr,
}

impl Drop for OneOpen {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.open.0.shard(self.client).entry(self.client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl std::fmt::Debug for OneOpen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("OneOpen")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn a_client_has_as_many_as_it_may_whatever_others_have() {
        let open = Open::default();
        let ours: Vec<OneOpen> = (0..3).filter_map(|_| open.enter(address(1), 3)).collect();
        assert_eq!(ours.len(), 3);
        assert!(open.enter(address(1), 3).is_none());
        assert!(open.enter(address(2), 3).is_some());
        drop(ours.into_iter().next());
        assert!(open.enter(address(1), 3).is_some());
    }

    #[test]
    fn as_many_are_open_as_may_be() {
        let count = Count::default();
        let (one, two) = (count.enter(2), count.enter(2));
        assert!(one.is_some() && two.is_some() && count.enter(2).is_none());
        drop(one);
        assert!(count.enter(2).is_some());
    }

    #[test]
    fn nothing_is_remembered_of_who_has_nothing_open() {
        let open = Open::default();
        for last in 0..=255 {
            drop(open.enter(address(last), 1));
        }
        assert!(open.0.shards.iter().all(|shard| shard.lock().expect("lock").is_empty()));
        assert!(open.enter(address(1), 0).is_none());
        assert!(open.0.shards.iter().all(|shard| shard.lock().expect("lock").is_empty()));
    }
}
