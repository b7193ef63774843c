//! Reads one stored body, or one that is still on its way: the whole of it, or parts.

use std::any::Any;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::Result;
use pingora::cache::CacheKey;
use pingora::cache::storage::{HandleHit, Storage};
use pingora::cache::trace::SpanHandle;

use super::fill::Reader;

/// One body, read once.
pub struct Hit {
    body: Body,
    position: usize,
    /// Where the part ends that is asked for.
    end: usize,
}

/// Where the bytes come from.
pub enum Body {
    /// All are here.
    Whole(Bytes),
    /// They arrive.
    Arriving(Reader),
}

impl Hit {
    /// From its first byte to its last.
    pub fn new(body: Body) -> Self {
        Self { body, position: 0, end: usize::MAX }
    }
}

#[async_trait]
impl HandleHit for Hit {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let found = match &mut self.body {
            Body::Whole(bytes) => (self.position < bytes.len()).then(|| bytes.slice(self.position..)),
            Body::Arriving(reader) => reader.at(self.position).await?,
        };
        let part = found.map(|mut bytes| {
            bytes.truncate(self.end - self.position);
            self.position += bytes.len();
            bytes
        });
        Ok(part)
    }

    async fn finish(
        self: Box<Self>,
        _: &'static (dyn Storage + Sync),
        _: &CacheKey,
        _: &SpanHandle,
    ) -> Result<()> {
        Ok(())
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        (self.position, self.end) = (start, end.unwrap_or(usize::MAX));
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_whole_or_parts() {
        let mut hit = Hit::new(Body::Whole(Bytes::from_static(b"abcdef")));
        assert_eq!(hit.read_body().await.expect("read").expect("bytes"), "abcdef");
        assert!(hit.read_body().await.expect("read").is_none());
        hit.seek(1, Some(3)).expect("seek");
        assert_eq!(hit.read_body().await.expect("read").expect("bytes"), "bc");
        assert!(hit.read_body().await.expect("read").is_none());
        hit.seek(4, None).expect("seek");
        assert_eq!(hit.read_body().await.expect("read").expect("bytes"), "ef");
    }
}
