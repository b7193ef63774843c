//! What is kept and what has to go: S3-FIFO (Yang et al., SOSP 2023) in shards, bounded in bytes and in entries. Pure.
//!
//! A new entry waits in a small queue; asked for again, it moves to the main one, and what nobody asked for leaves after one turn,
//! so that a scan of things asked for once never pushes out what is asked for often. Queues are touched by writers alone: to
//! be asked for is to find the entry in a map that is read without a lock, and to count up one atomic.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;

/// A hash that whoever asks can neither know nor choose, so it needs no hashing again.
pub type Key = u128;

/// More are not needed: only writers wait for each other.
const SHARDS_MAX: usize = 16;
/// A shard holds at least so many entries, and so many of the largest.
const SHARD_ENTRIES_MIN: usize = 64;
const SHARD_LARGEST_MIN: usize = 4;
/// The share of a shard that is for newcomers: one part in this many.
const SMALL_SHARE: usize = 10;
/// Uses are counted up to this.
const USES_MAX: u8 = 3;
/// Whoever was asked for more often than this moves on to the main queue.
const USES_TO_STAY: u8 = 1;
/// Removed entries leave the queues when they are more than the others, and at least so many.
const GONE_MIN: usize = 64;

/// Values by key.
pub struct Memory<V> {
    slots: papaya::HashMap<Key, Arc<Slot<V>>, BuildHasherDefault<Identity>>,
    shards: Box<[Shard<V>]>,
}

struct Shard<V> {
    queues: Mutex<Queues<V>>,
    /// Copies of what the queues know, to be read without a lock.
    bytes: AtomicUsize,
    entries: AtomicUsize,
    evictions: AtomicU64,
}

/// One entry, in the map and in one of the queues. Its value can be changed, and is let go with the entry at once.
struct Slot<V> {
    key: Key,
    uses: AtomicU8,
    bytes: AtomicUsize,
    in_main: AtomicBool,
    value: ArcSwapOption<V>,
}

struct Queues<V> {
    bytes_max: usize,
    entries_max: usize,
    small: Queue<V>,
    main: Queue<V>,
    ghosts: Ghosts,
    /// Removed entries that are still in a queue.
    gone: usize,
}

struct Queue<V> {
    slots: VecDeque<Arc<Slot<V>>>,
    bytes: usize,
}

impl<V> Memory<V> {
    /// Nothing yet. No entry is ever larger than `entry_bytes_max`.
    pub fn new(bytes_max: usize, entries_max: usize, entry_bytes_max: usize) -> Self {
        let by_bytes = bytes_max / (SHARD_LARGEST_MIN * entry_bytes_max).max(1);
        let shards = SHARDS_MAX.min(by_bytes).min(entries_max / SHARD_ENTRIES_MIN).max(1);
        let shard = |_| Shard::new(bytes_max / shards, entries_max / shards);
        Self { slots: papaya::HashMap::default(), shards: (0..shards).map(shard).collect() }
    }

    /// The value, which counts as used. Takes no lock.
    pub fn get(&self, key: Key) -> Option<Arc<V>> {
        let slots = self.slots.pin();
        let slot = slots.get(&key)?;
        let uses = slot.uses.load(Ordering::Relaxed);
        if uses < USES_MAX {
            // Two at the same time may count as one.
            slot.uses.store(uses + 1, Ordering::Relaxed);
        }
        slot.value.load_full()
    }

    /// Keeps a value, in place of the one before it; false when it is larger than all that may be kept.
    pub fn insert(&self, key: Key, bytes: usize, value: V) -> bool {
        let shard = self.shard(key);
        let mut queues = shard.lock();
        let fits = bytes <= queues.bytes_max;
        if fits {
            self.put(shard, &mut queues, key, bytes, value);
        } else {
            self.take_out(&mut queues, key);
        }
        shard.publish(&queues);
        fits
    }

    /// Changes a value when it is there, without counting it as used; false when it is not, or `change` makes none.
    pub fn update(&self, key: Key, bytes: usize, change: impl FnOnce(&V) -> Option<V>) -> bool {
        let shard = self.shard(key);
        let mut queues = shard.lock();
        let old = self.slots.pin().get(&key).and_then(|slot| slot.value.load_full());
        let changed = old.and_then(|old| change(&old)).filter(|_| bytes <= queues.bytes_max);
        let found = changed.is_some();
        if let Some(value) = changed {
            self.put(shard, &mut queues, key, bytes, value);
        }
        shard.publish(&queues);
        found
    }

    /// Forgets a value; false when there was none.
    pub fn remove(&self, key: Key) -> bool {
        let shard = self.shard(key);
        let mut queues = shard.lock();
        let found = self.take_out(&mut queues, key);
        shard.publish(&queues);
        found
    }

    /// Bytes kept.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.bytes.load(Ordering::Relaxed)).sum()
    }

    /// Values kept.
    pub fn entries(&self) -> usize {
        self.shards.iter().map(|shard| shard.entries.load(Ordering::Relaxed)).sum()
    }

    /// Values that had to go to make room, since the start.
    pub fn evictions(&self) -> u64 {
        self.shards.iter().map(|shard| shard.evictions.load(Ordering::Relaxed)).sum()
    }

    fn shard(&self, key: Key) -> &Shard<V> {
        // The map uses the lower half of the key.
        &self.shards[(key >> 64) as usize % self.shards.len()]
    }

    fn put(&self, shard: &Shard<V>, queues: &mut Queues<V>, key: Key, bytes: usize, value: V) {
        if let Some(slot) = self.slots.pin().get(&key) {
            queues.resize(slot, bytes);
            slot.value.store(Some(Arc::new(value)));
            // It is in the way of nobody but, perhaps, itself; then it is large, and goes like any other.
            self.make_room(shard, queues, 0, 0);
            return;
        }
        self.make_room(shard, queues, bytes, 1);
        let slot = Arc::new(Slot::new(key, bytes, value));
        if queues.ghosts.forget(key) {
            queues.push_main(slot.clone());
        } else {
            queues.small.push(slot.clone());
        }
        self.slots.pin().insert(key, slot);
    }

    fn make_room(&self, shard: &Shard<V>, queues: &mut Queues<V>, bytes: usize, entries: usize) {
        while queues.bytes() + bytes > queues.bytes_max || queues.entries() + entries > queues.entries_max {
            let Some(slot) = queues.evict() else { return };
            self.slots.pin().remove(&slot.key);
            slot.value.store(None);
            shard.evictions.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn take_out(&self, queues: &mut Queues<V>, key: Key) -> bool {
        let slots = self.slots.pin();
        let Some(slot) = slots.remove(&key) else { return false };
        queues.resize(slot, 0);
        slot.value.store(None);
        queues.gone += 1;
        queues.sweep();
        true
    }
}

impl<V> Shard<V> {
    fn new(bytes_max: usize, entries_max: usize) -> Self {
        Self {
            queues: Mutex::new(Queues::new(bytes_max, entries_max.max(1))),
            bytes: AtomicUsize::new(0),
            entries: AtomicUsize::new(0),
            evictions: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues<V>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, queues: &Queues<V>) {
        self.bytes.store(queues.bytes(), Ordering::Relaxed);
        self.entries.store(queues.entries(), Ordering::Relaxed);
    }
}

impl<V> Slot<V> {
    fn new(key: Key, bytes: usize, value: V) -> Self {
        Self {
            key,
            uses: AtomicU8::new(0),
            bytes: AtomicUsize::new(bytes),
            in_main: AtomicBool::new(false),
            value: ArcSwapOption::from_pointee(value),
        }
    }

    fn gone(&self) -> bool {
        self.value.load().is_none()
    }

    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Its uses since it came to its queue.
    fn take_uses(&self) -> u8 {
        self.uses.swap(0, Ordering::Relaxed)
    }
}

impl<V> Queues<V> {
    fn new(bytes_max: usize, entries_max: usize) -> Self {
        let ghosts = Ghosts::new(entries_max);
        Self { bytes_max, entries_max, small: Queue::new(), main: Queue::new(), ghosts, gone: 0 }
    }

    fn bytes(&self) -> usize {
        self.small.bytes + self.main.bytes
    }

    fn entries(&self) -> usize {
        self.small.slots.len() + self.main.slots.len() - self.gone
    }

    fn push_main(&mut self, slot: Arc<Slot<V>>) {
        slot.in_main.store(true, Ordering::Relaxed);
        self.main.push(slot);
    }

    /// Whichever entry has to go first; none when there is none.
    fn evict(&mut self) -> Option<Arc<Slot<V>>> {
        // Readers go on counting meanwhile, so there is an end to how often a used entry is spared.
        let mut spared = self.main.slots.len() * usize::from(USES_MAX + 1) + self.small.slots.len();
        loop {
            let newcomers = self.small.bytes > self.bytes_max / SMALL_SHARE
                || self.small.slots.len() > self.entries_max / SMALL_SHARE;
            let from_small = (newcomers && !self.small.slots.is_empty()) || self.main.slots.is_empty();
            let slot = if from_small { self.small.pop() } else { self.main.pop() }?;
            if slot.gone() {
                self.gone -= 1;
            } else if let Some(evicted) = self.judge(slot, from_small, spared > 0) {
                return Some(evicted);
            }
            spared = spared.saturating_sub(1);
        }
    }

    /// An entry at the end of its queue stays in the main one while it is used.
    fn judge(&mut self, slot: Arc<Slot<V>>, newcomer: bool, may_spare: bool) -> Option<Arc<Slot<V>>> {
        let uses = slot.take_uses();
        if may_spare && newcomer && uses > USES_TO_STAY {
            self.push_main(slot);
        } else if may_spare && !newcomer && uses > 0 {
            slot.uses.store(uses - 1, Ordering::Relaxed);
            self.push_main(slot);
        } else {
            if newcomer {
                self.ghosts.remember(slot.key);
            }
            return Some(slot);
        }
        None
    }

    fn resize(&mut self, slot: &Arc<Slot<V>>, bytes: usize) {
        let before = slot.bytes.swap(bytes, Ordering::Relaxed);
        let in_main = slot.in_main.load(Ordering::Relaxed);
        let queue = if in_main { &mut self.main } else { &mut self.small };
        queue.bytes = queue.bytes - before + bytes;
    }

    fn sweep(&mut self) {
        if self.gone > GONE_MIN.max(self.entries()) {
            self.small.slots.retain(|slot| !slot.gone());
            self.main.slots.retain(|slot| !slot.gone());
            self.gone = 0;
        }
    }
}

impl<V> Queue<V> {
    fn new() -> Self {
        Self { slots: VecDeque::new(), bytes: 0 }
    }

    fn push(&mut self, slot: Arc<Slot<V>>) {
        self.bytes += slot.bytes();
        self.slots.push_back(slot);
    }

    fn pop(&mut self) -> Option<Arc<Slot<V>>> {
        let slot = self.slots.pop_front()?;
        self.bytes -= slot.bytes();
        Some(slot)
    }
}

/// Keys of entries that left without being used: who comes back soon was let go too early.
struct Ghosts {
    max: usize,
    order: VecDeque<Key>,
    keys: HashSet<Key, BuildHasherDefault<Identity>>,
}

impl Ghosts {
    fn new(max: usize) -> Self {
        Self { max, order: VecDeque::new(), keys: HashSet::default() }
    }

    fn remember(&mut self, key: Key) {
        if self.keys.insert(key) {
            self.order.push_back(key);
        }
        // Some in the order may have been forgotten since; they take a place for a while, nothing else.
        while self.order.len() > self.max {
            let oldest = self.order.pop_front();
            oldest.map(|oldest| self.keys.remove(&oldest));
        }
    }

    fn forget(&mut self, key: Key) -> bool {
        self.keys.remove(&key)
    }
}

/// Takes the key for its hash.
#[derive(Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::hash_map::DefaultHasher;
    use std::hash::Hash as _;

    use proptest::prelude::*;

    use super::*;

    /// As keys are in earnest: spread over all their bits.
    fn key(number: u64) -> Key {
        let half = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            (number, salt).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(1)
    }

    fn scan(memory: &Memory<u64>, numbers: std::ops::Range<u64>, bytes: usize) {
        for number in numbers {
            memory.insert(key(number), bytes, number);
        }
    }

    #[test]
    fn bytes_are_bounded() {
        let memory = Memory::new(1_000_000, 10_000, 10_000);
        for number in 0..1_000 {
            memory.insert(key(number), 10_000, number);
            assert!(memory.bytes() <= 1_000_000, "{} bytes", memory.bytes());
        }
        assert!(memory.entries() > 50, "{} entries", memory.entries());
        assert_eq!(memory.evictions(), 1_000 - memory.entries() as u64);
    }

    #[test]
    fn entries_are_bounded_however_small() {
        let memory = Memory::new(1_000_000_000, 1_000, 1_000);
        for number in 0..10_000 {
            memory.insert(key(number), 1, number);
            assert!(memory.entries() <= 1_000, "{} entries", memory.entries());
        }
        assert!(memory.entries() > 500, "{} entries", memory.entries());
    }

    #[test]
    fn a_scan_does_not_push_out_what_is_asked_for_often() {
        let memory = Memory::new(1_000_000, 1_000, 1_000);
        scan(&memory, 0..100, 1_000);
        for _ in 0..3 {
            (0..100).for_each(|number| assert!(memory.get(key(number)).is_some()));
        }
        for round in 1..100 {
            scan(&memory, round * 1_000..(round + 1) * 1_000, 1_000);
            // Asked for now and then, far less often than the scan asks.
            (0..100).for_each(|number| drop(memory.get(key(number))));
        }
        let kept = (0..100).filter(|number| memory.get(key(*number)).is_some()).count();
        assert!(kept >= 95, "{kept} of 100 are left");
    }

    #[test]
    fn who_comes_back_soon_after_it_had_to_go_stays_longer() {
        let memory = Memory::new(10_000, 10, 1_000);
        scan(&memory, 0..11, 1_000);
        let gone = (0..11).find(|number| memory.get(key(*number)).is_none()).expect("one had to go");
        memory.insert(key(gone), 1_000, gone);
        scan(&memory, 100..140, 1_000);
        assert!(memory.get(key(gone)).is_some());
    }

    #[test]
    fn what_is_too_large_is_not_kept_nor_what_it_would_replace() {
        let memory = Memory::new(1_000, 10, 1_000);
        assert!(memory.insert(key(1), 10, 1));
        assert!(!memory.insert(key(1), 1_001, 2));
        assert!(memory.get(key(1)).is_none());
        assert_eq!((memory.bytes(), memory.entries()), (0, 0));
    }

    #[test]
    fn what_is_removed_again_and_again_leaves_nothing_behind() {
        let memory = Memory::new(1_000_000, 100, 1_000);
        for number in 0..10_000 {
            assert!(memory.insert(key(number), 100, number) && memory.remove(key(number)));
        }
        assert_eq!((memory.bytes(), memory.entries()), (0, 0));
        let queued = |shard: &Shard<u64>| {
            let queues = shard.lock();
            queues.small.slots.len() + queues.main.slots.len()
        };
        assert!(memory.shards.iter().map(queued).sum::<usize>() <= 2 * (GONE_MIN + 1));
    }

    proptest! {
        /// What is found is what was put there last, and the counts are those of what is found.
        #[test]
        fn it_never_lies(steps in prop::collection::vec((0..4u8, 0..40u64, 1..400usize), 1..400)) {
            let memory = Memory::new(4_000, 12, 400);
            let mut last = std::collections::HashMap::new();
            for (step, (kind, number, bytes)) in steps.into_iter().enumerate() {
                match kind {
                    0 => { memory.insert(key(number), bytes, (number, step)); last.insert(number, (step, bytes)); }
                    1 => { memory.remove(key(number)); last.remove(&number); }
                    2 => if memory.update(key(number), bytes, |_| Some((number, step))) {
                        prop_assert!(last.insert(number, (step, bytes)).is_some());
                    },
                    _ => if let Some(found) = memory.get(key(number)) {
                        prop_assert_eq!(Some(found.1), last.get(&number).map(|(step, _)| *step));
                    },
                }
                let kept = (0..40).filter(|number| memory.get(key(*number)).is_some());
                let bytes: Vec<usize> = kept.map(|number| last[&number].1).collect();
                prop_assert_eq!((memory.entries(), memory.bytes()), (bytes.len(), bytes.iter().sum()));
                prop_assert!(memory.bytes() <= 4_000 && memory.entries() <= 12);
            }
        }
    }
}
