//! The store behind Pingora's cache: decoded headers and `Bytes`, bounded in bytes and in entries.
//!
//! Eviction is `quick_cache`'s (CLOCK with a ghost list, after S3-FIFO): one-time visitors cannot push out what is
//! asked for often. An answer becomes visible when it is complete; readers that came meanwhile wait on the cache lock.

use std::any::Any;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::Extensions;
use pingora::cache::key::{CacheHashKey, HashBinary};
use pingora::cache::storage::{
    HandleHit, HandleMiss, HitHandler, MissFinishType, MissHandler, PurgeOutcome, PurgeTarget, PurgeType,
    Storage,
};
use pingora::cache::trace::SpanHandle;
use pingora::cache::{CacheKey, CacheMeta};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, Result};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// What an entry costs besides its body and headers: keys, pointers, the cache's own lists.
const ENTRY_OVERHEAD_BYTES: usize = 512;

/// Stored answers by the hash of their key.
pub struct Store {
    entries: Arc<Entries>,
}

type Entries = Cache<HashBinary, Arc<Stored>, Weight>;

/// One complete answer.
struct Stored {
    fresh_until: SystemTime,
    created: SystemTime,
    stale_while_revalidate_seconds: u32,
    stale_if_error_seconds: u32,
    variance: Option<HashBinary>,
    header: ResponseHeader,
    body: Bytes,
    /// What else its meta carries, such as its tags.
    extensions: Extensions,
}

impl Stored {
    fn new(meta: &CacheMeta, body: Bytes) -> Self {
        Self {
            fresh_until: meta.fresh_until(),
            // Age counts from the last time the origin vouched for it.
            created: meta.updated(),
            stale_while_revalidate_seconds: meta.stale_while_revalidate_sec(),
            stale_if_error_seconds: meta.stale_if_error_sec(),
            variance: meta.variance(),
            header: meta.response_header_copy(),
            body,
            extensions: meta.extensions().clone(),
        }
    }

    fn meta(&self) -> CacheMeta {
        let mut meta = CacheMeta::new(
            self.fresh_until,
            self.created,
            self.stale_while_revalidate_seconds,
            self.stale_if_error_seconds,
            self.header.clone(),
        );
        if let Some(variance) = self.variance {
            meta.set_variance(variance);
        }
        *meta.extensions_mut() = self.extensions.clone();
        meta
    }

    /// Whether the body is as long as its header says.
    fn complete(&self) -> bool {
        let said = self.header.headers.get(http::header::CONTENT_LENGTH);
        said.and_then(|value| value.to_str().ok()?.parse().ok()) == Some(self.body.len())
    }

    fn bytes(&self) -> usize {
        let header =
            |(name, value): (&http::HeaderName, &http::HeaderValue)| name.as_str().len() + value.len();
        self.body.len() + self.header.headers.iter().map(header).sum::<usize>() + ENTRY_OVERHEAD_BYTES
    }
}

/// An entry weighs its bytes, and never less than an equal share, which bounds the number of entries too.
#[derive(Clone)]
struct Weight {
    least: u64,
}

impl Weighter<HashBinary, Arc<Stored>> for Weight {
    fn weight(&self, _: &HashBinary, stored: &Arc<Stored>) -> u64 {
        (stored.bytes() as u64).max(self.least)
    }
}

impl Store {
    /// An empty store.
    pub fn new(bytes_max: usize, entries_max: usize) -> Self {
        let least = (bytes_max / entries_max).max(1) as u64;
        Self { entries: Arc::new(Cache::with_weighter(entries_max, bytes_max as u64, Weight { least })) }
    }

    /// Weight of everything stored.
    pub fn bytes(&self) -> usize {
        usize::try_from(self.entries.weight()).unwrap_or(usize::MAX)
    }

    /// Number of stored answers.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }
}

#[async_trait]
impl Storage for Store {
    async fn lookup(
        &'static self,
        key: &CacheKey,
        _: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let found = self.entries.get(&key.combined_bin());
        Ok(found.map(|stored| {
            let hit: HitHandler = Box::new(Hit { body: Some(stored.body.clone()) });
            (stored.meta(), hit)
        }))
    }

    async fn get_miss_handler(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        _: &SpanHandle,
    ) -> Result<MissHandler> {
        Ok(Box::new(Miss {
            entries: self.entries.clone(),
            key: key.combined_bin(),
            stored: Stored::new(meta, Bytes::new()),
            body: BytesMut::new(),
        }))
    }

    async fn purge(
        &'static self,
        target: PurgeTarget<'_>,
        _: PurgeType,
        _: &SpanHandle,
    ) -> Result<PurgeOutcome> {
        Ok(match self.entries.remove(&target.key().combined_bin()) {
            Some(_) => PurgeOutcome::Purged(None),
            None => PurgeOutcome::NotFound,
        })
    }

    async fn update_meta(&'static self, key: &CacheKey, meta: &CacheMeta, _: &SpanHandle) -> Result<bool> {
        let key = key.combined_bin();
        let Some(stored) = self.entries.get(&key) else { return Ok(false) };
        self.entries.insert(key, Arc::new(Stored::new(meta, stored.body.clone())));
        Ok(true)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

/// Reads one complete body, once.
struct Hit {
    body: Option<Bytes>,
}

#[async_trait]
impl HandleHit for Hit {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        Ok(self.body.take().filter(|body| !body.is_empty()))
    }

    async fn finish(
        self: Box<Self>,
        _: &'static (dyn Storage + Sync),
        _: &CacheKey,
        _: &SpanHandle,
    ) -> Result<()> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

/// Collects one body; dropped before its end, it stores nothing.
struct Miss {
    entries: Arc<Entries>,
    key: HashBinary,
    stored: Stored,
    body: BytesMut,
}

#[async_trait]
impl HandleMiss for Miss {
    async fn write_body(&mut self, data: Bytes, _eof: bool) -> Result<()> {
        self.body.extend_from_slice(&data);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<MissFinishType> {
        self.stored.body = self.body.freeze();
        let bytes = self.stored.bytes();
        if !self.stored.complete() {
            return Error::e_explain(ErrorType::InternalError, "the body is shorter than its Content-Length");
        }
        self.entries.insert(self.key, Arc::new(self.stored));
        Ok(MissFinishType::Created(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(body: usize) -> Arc<Stored> {
        let header = ResponseHeader::build(200, None).expect("test response");
        let meta = CacheMeta::new(SystemTime::now(), SystemTime::now(), 0, 0, header);
        Arc::new(Stored::new(&meta, Bytes::from(vec![0; body])))
    }

    fn fill(store: &Store, count: u128, body: usize) {
        for i in 0..count {
            store.entries.insert(i.to_be_bytes(), stored(body));
        }
    }

    #[test]
    fn what_a_meta_carries_is_kept() {
        let mut meta = stored(0).meta();
        meta.extensions_mut().insert(7_u32);
        assert_eq!(Stored::new(&meta, Bytes::new()).meta().extensions().get(), Some(&7_u32));
    }

    #[test]
    fn bytes_are_bounded() {
        let store = Store::new(1_000_000, 10_000);
        fill(&store, 1_000, 10_000);
        assert!(store.bytes() <= 1_000_000 && store.entries() > 50, "{} bytes", store.bytes());
    }

    #[test]
    fn entries_are_bounded_however_small() {
        let store = Store::new(1_000_000_000, 100);
        fill(&store, 10_000, 1);
        assert!(store.entries() <= 100 && store.entries() > 50, "{} entries", store.entries());
    }
}
