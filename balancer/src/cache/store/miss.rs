//! Takes one body in.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::cache::storage::streaming_write::U64WriteId;
use pingora::cache::storage::{HandleMiss, MissFinishType};
use pingora::{Error, ErrorType, Result};

use super::invalidation::Stamp;
use super::memory::Key;
use super::{Filling, FillingSlot, Store, Stored};

/// One answer that is being fetched; dropped before its end, it stores nothing, and whoever reads it is told.
pub(super) struct Miss {
    pub(super) store: &'static Store,
    pub(super) key: Key,
    /// The key of its URL, whatever the variant.
    pub(super) primary: Key,
    pub(super) asked: Stamp,
    pub(super) length: usize,
    pub(super) id: u64,
    pub(super) tag: U64WriteId,
    pub(super) filling: Arc<Filling>,
    pub(super) slot: Arc<FillingSlot>,
}

impl Miss {
    /// Whether what is stored was asked for after all that made it out of date.
    fn current(&self) -> bool {
        !self.store.invalidations.since(self.primary, self.asked)
    }
}

#[async_trait]
impl HandleMiss for Miss {
    async fn write_body(&mut self, data: Bytes, _: bool) -> Result<()> {
        self.filling.fill.push(data);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        let Some(body) = self.filling.fill.complete(self.length) else {
            return Error::e_explain(
                ErrorType::InternalError,
                "the body is not as long as its Content-Length",
            );
        };
        let bytes = self.filling.head.bytes(body.len());
        if self.current() {
            let stored = Stored { head: self.filling.head.clone(), body };
            self.store.memory.insert(self.key, bytes, stored);
        }
        if !self.current() {
            self.store.memory.remove(self.key);
        }
        Ok(MissFinishType::Created(bytes))
    }

    fn streaming_write_tag(&self) -> Option<&[u8]> {
        Some(self.tag.as_bytes())
    }
}

impl Drop for Miss {
    fn drop(&mut self) {
        self.filling.fill.fail();
        self.slot.store(None);
        let ours = |_: &Key, found: &Arc<FillingSlot>| Arc::ptr_eq(found, &self.slot);
        // Another may fill the same key by now.
        let _ = self.store.filling.pin().remove_if(&self.key, ours);
        self.store.writes().remove(&self.id);
        self.store.filling_count.fetch_sub(1, Ordering::AcqRel);
    }
}
