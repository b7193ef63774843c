//! The store behind Pingora's cache: decoded headers and `Bytes`, shared without copies, bounded in bytes and in entries.
//!
//! An answer is visible from its first byte on, to whoever asks for it while it is fetched ([`fill`]); it is kept when it is
//! complete ([`memory`]), unless its key was invalidated since it was asked for ([`invalidation`]). A hit takes no lock that a
//! writer holds.

pub mod fill;
pub mod hit;
pub mod invalidation;
pub mod memory;
mod miss;

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use http::response::Parts;
use pingora::cache::key::{CacheHashKey, HashBinary};
use pingora::cache::meta::Extensions;
use pingora::cache::storage::streaming_write::U64WriteId;
use pingora::cache::storage::{HitHandler, MissHandler, PurgeOutcome, PurgeTarget, PurgeType, Storage};
use pingora::cache::trace::SpanHandle;
use pingora::cache::{CacheKey, CacheMeta};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};

use self::fill::{Fill, Room};
use self::hit::{Body, Hit};
use self::invalidation::{Invalidations, Stamp};
use self::memory::{Key, Memory};
use self::miss::Miss;
use super::{freshness, validation};

/// What an entry costs besides its body and headers: keys, pointers, the queues.
const ENTRY_OVERHEAD_BYTES: usize = 512;
/// What one field of a header costs besides its name and value.
const FIELD_OVERHEAD_BYTES: usize = 104;
/// What is added to an answer for its client: its age, what the cache did, the request's id, those for security, a cookie.
const FIELDS_ADDED: usize = 8;
/// Answers on their way may take one part in this many of what is kept, besides that.
const FILLING_SHARE: usize = 8;

/// Stored answers by the hash of their key.
pub struct Store {
    memory: Memory<Stored>,
    /// Answers on their way, by key, but for those that are out of date.
    filling: papaya::HashMap<Key, Arc<FillingSlot>>,
    /// All answers on their way, by number, each for the request that fetches it.
    writes: Mutex<HashMap<u64, Arc<Filling>>>,
    writes_next: AtomicU64,
    /// How many are being filled: as long as it is none, nobody has to look.
    filling_count: AtomicUsize,
    room: Arc<Room>,
    invalidations: Invalidations,
}

/// One complete answer.
struct Stored {
    head: Arc<Head>,
    body: Bytes,
}

/// The map lets go of what is removed from it later than of what is in its slots.
type FillingSlot = ArcSwapOption<Filling>;

/// One answer that is being fetched.
struct Filling {
    head: Arc<Head>,
    fill: Arc<Fill>,
}

impl Filling {
    fn hit(&self) -> (CacheMeta, HitHandler) {
        (self.head.meta(), Box::new(Hit::new(Body::Arriving(self.fill.reader()))))
    }
}

/// An answer but for its body.
struct Head {
    fresh_until: SystemTime,
    /// When it was stored first, and since when its age counts.
    created: SystemTime,
    epoch: SystemTime,
    stale_while_revalidate_seconds: u32,
    stale_if_error_seconds: u32,
    variance: Option<HashBinary>,
    extensions: Extensions,
    header: ResponseHeader,
}

impl Head {
    fn new(meta: &CacheMeta) -> Arc<Self> {
        // Without the names as the origin spelled them, a copy for a client is half as much work. It has places for what is added to it.
        let mut header: Parts = meta.response_header_copy().into();
        header.headers.reserve(FIELDS_ADDED);
        let mut extensions = meta.extensions().clone();
        extensions.remove::<Stamp>();
        Arc::new(Self {
            fresh_until: meta.fresh_until(),
            created: meta.provenance(),
            epoch: meta.epoch(),
            stale_while_revalidate_seconds: meta.stale_while_revalidate_sec(),
            stale_if_error_seconds: meta.stale_if_error_sec(),
            variance: meta.variance(),
            // So is one of nothing.
            extensions: if extensions.is_empty() { Extensions::new() } else { extensions },
            header: header.into(),
        })
    }

    fn meta(&self) -> CacheMeta {
        let mut meta = CacheMeta::new(
            self.fresh_until,
            self.created,
            self.stale_while_revalidate_seconds,
            self.stale_if_error_seconds,
            self.header.clone(),
        );
        meta.set_epoch_override(self.epoch);
        *meta.extensions_mut() = self.extensions.clone();
        if let Some(variance) = self.variance {
            meta.set_variance(variance);
        }
        meta
    }

    fn bytes(&self, body: usize) -> usize {
        let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len() + FIELD_OVERHEAD_BYTES
        };
        self.header.headers.iter().map(field).sum::<usize>() + body + ENTRY_OVERHEAD_BYTES
    }
}

impl Store {
    /// An empty store. No body is ever larger than `object_bytes_max`.
    pub fn new(bytes_max: usize, entries_max: usize, object_bytes_max: usize) -> Self {
        Self {
            memory: Memory::new(bytes_max, entries_max, object_bytes_max),
            filling: papaya::HashMap::new(),
            writes: Mutex::default(),
            writes_next: AtomicU64::new(0),
            filling_count: AtomicUsize::new(0),
            room: Room::new((bytes_max / FILLING_SHARE).max(object_bytes_max + ENTRY_OVERHEAD_BYTES * 8)),
            invalidations: Invalidations::default(),
        }
    }

    /// Bytes of everything stored, and of what is on its way.
    pub fn bytes(&self) -> usize {
        self.memory.bytes() + self.room.taken()
    }

    /// Number of stored answers.
    pub fn entries(&self) -> usize {
        self.memory.entries()
    }

    /// How many had to make room for others, since the start.
    pub fn evictions(&self) -> u64 {
        self.memory.evictions()
    }

    /// The present, to be noted before an answer is asked for.
    pub fn now(&self) -> Stamp {
        self.invalidations.now()
    }

    /// Forgets what is stored under a key, with all its variants, and lets nothing in that was asked for before.
    pub fn invalidate(&self, key: HashBinary) {
        let key = Key::from_be_bytes(key);
        self.invalidations.invalidate(key);
        self.filling.pin().remove(&key);
        self.memory.remove(key);
    }

    fn filling(&self, key: Key) -> Option<Arc<Filling>> {
        if self.filling_count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.filling.pin().get(&key)?.load_full()
    }

    fn writes(&self) -> MutexGuard<'_, HashMap<u64, Arc<Filling>>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer comes in; it is there for others unless it is out of date already.
    fn begin(&self, miss: &Miss) {
        self.filling_count.fetch_add(1, Ordering::AcqRel);
        self.writes().insert(miss.id, miss.filling.clone());
        self.filling.pin().insert(miss.key, miss.slot.clone());
        if self.invalidations.since(miss.primary, miss.asked) {
            self.filling.pin().remove(&miss.key);
        }
    }

    fn find(&self, key: Key) -> Option<(CacheMeta, HitHandler)> {
        if let Some(filling) = self.filling(key) {
            return Some(filling.hit());
        }
        let stored = self.memory.get(key)?;
        Some((stored.head.meta(), Box::new(Hit::new(Body::Whole(stored.body.clone())))))
    }
}

/// Where an answer is. A variant lies beside the first one stored for its URL; neither can be aimed at, as the hash of the URL is secret.
fn place(key: &impl CacheHashKey) -> Key {
    let variance = key.variance_bin().map_or(0, Key::from_be_bytes);
    Key::from_be_bytes(key.primary_bin()) ^ variance
}

/// When an answer was asked for, in the order of invalidations.
fn stamp(meta: &CacheMeta) -> Stamp {
    meta.extensions().get::<Stamp>().copied().unwrap_or_default()
}

#[async_trait]
impl Storage for Store {
    async fn lookup(
        &'static self,
        key: &CacheKey,
        _: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        Ok(self.find(place(key)))
    }

    async fn get_miss_handler(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        _: &SpanHandle,
    ) -> Result<MissHandler> {
        let head = Head::new(meta);
        let Some(length) = freshness::body_length(head.header.status, &head.header.headers) else {
            return Error::e_explain(ErrorType::InternalError, "the length of the answer is not known");
        };
        let Some(reserved) = self.room.reserve(head.bytes(length)) else {
            return Error::e_explain(ErrorType::InternalError, "too much is on its way into the cache");
        };
        let filling = Arc::new(Filling { head, fill: Fill::new(reserved) });
        let slot = Arc::new(FillingSlot::new(Some(filling.clone())));
        let id = self.writes_next.fetch_add(1, Ordering::Relaxed);
        let miss = Miss {
            store: self,
            key: place(key),
            primary: Key::from_be_bytes(key.primary_bin()),
            asked: stamp(meta),
            length,
            id,
            tag: id.into(),
            filling,
            slot,
        };
        self.begin(&miss);
        Ok(Box::new(miss))
    }

    async fn lookup_streaming_write(
        &'static self,
        _: &CacheKey,
        tag: Option<&[u8]>,
        _: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let id = tag.and_then(|tag| U64WriteId::try_from(tag).ok()).map(u64::from);
        Ok(id.and_then(|id| self.writes().get(&id).map(|filling| filling.hit())))
    }

    async fn purge(
        &'static self,
        target: PurgeTarget<'_>,
        _: PurgeType,
        _: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        let found = self.memory.remove(place(target.key()));
        Ok(if found { PurgeOutcome::Purged(None) } else { PurgeOutcome::NotFound })
    }

    async fn update_meta(&'static self, key: &CacheKey, meta: &CacheMeta, _: &SpanHandle) -> Result<bool> {
        let primary = Key::from_be_bytes(key.primary_bin());
        let (key, asked) = (place(key), stamp(meta));
        let head = Head::new(meta);
        let Some(length) = freshness::body_length(head.header.status, &head.header.headers) else {
            return Ok(false);
        };
        let bytes = head.bytes(length);
        Ok(self.memory.update(key, bytes, |stored| {
            // Another answer may have taken the place of the one that was confirmed.
            let same = stored.head.created == head.created
                && stored.body.len() == length
                && validation::confirms(&head.header.headers, &stored.head.header.headers);
            let current = same && !self.invalidations.since(primary, asked);
            current.then(|| Stored { head, body: stored.body.clone() })
        }))
    }

    fn support_streaming_partial_write(&self) -> bool {
        true
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_meta_carries_is_kept() {
        let header = ResponseHeader::build(200, None).expect("test response");
        let mut meta = CacheMeta::new(SystemTime::now(), SystemTime::now(), 0, 0, header);
        meta.extensions_mut().insert(7_u32);
        assert_eq!(Head::new(&meta).meta().extensions().get(), Some(&7_u32));
    }
}
