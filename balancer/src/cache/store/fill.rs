//! An answer on its way into the store: whoever asks for it meanwhile reads what has come so far, and the rest as it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use pingora::{Error, ErrorType, Result};
use tokio::sync::watch;

/// The body of one answer that is being fetched.
pub struct Fill {
    arrived: watch::Sender<Arrived>,
}

#[derive(Default)]
struct Arrived {
    /// Pieces, each with the position in the body that it ends before.
    pieces: Vec<(usize, Bytes)>,
    /// All of it in one piece, once it is complete.
    whole: Option<Bytes>,
    /// It never will be.
    failed: bool,
    /// The place it takes until it is complete.
    _reserved: Option<Reserved>,
}

impl Arrived {
    fn bytes(&self) -> usize {
        self.pieces.last().map_or(0, |(end, _)| *end)
    }

    /// What there is from a position on; none when nothing of it has arrived.
    fn at(&self, position: usize) -> Option<Bytes> {
        if let Some(whole) = &self.whole {
            return (position < whole.len()).then(|| whole.slice(position..));
        }
        let next = self.pieces.partition_point(|(end, _)| *end <= position);
        let (end, piece) = self.pieces.get(next)?;
        Some(piece.slice(piece.len() - (end - position)..))
    }
}

impl Fill {
    /// Nothing has arrived yet.
    pub fn new(reserved: Reserved) -> Arc<Self> {
        let arrived = Arrived { _reserved: Some(reserved), ..Arrived::default() };
        Arc::new(Self { arrived: watch::Sender::new(arrived) })
    }

    /// More has arrived.
    pub fn push(&self, piece: Bytes) {
        if !piece.is_empty() {
            self.arrived.send_modify(|arrived| {
                let end = arrived.bytes() + piece.len();
                arrived.pieces.push((end, piece));
            });
        }
    }

    /// Nothing more will arrive: the body, if it has this length, in memory of its own. What has been read from the upstream
    /// often is a small part of a large buffer.
    pub fn complete(&self, length: usize) -> Option<Bytes> {
        let whole = {
            let arrived = self.arrived.borrow();
            if arrived.bytes() != length {
                return None;
            }
            let mut whole = BytesMut::with_capacity(length);
            arrived.pieces.iter().for_each(|(_, piece)| whole.extend_from_slice(piece));
            whole.freeze()
        };
        self.arrived.send_modify(|arrived| {
            *arrived = Arrived { whole: Some(whole.clone()), ..Arrived::default() };
        });
        Some(whole)
    }

    /// It broke off; whoever reads it is told. Nothing, once it is complete.
    pub fn fail(&self) {
        self.arrived.send_if_modified(|arrived| {
            let failed = arrived.whole.is_none();
            if failed {
                *arrived = Arrived { failed, ..Arrived::default() };
            }
            failed
        });
    }

    /// A reader of the whole body.
    pub fn reader(&self) -> Reader {
        Reader { arrived: self.arrived.subscribe() }
    }
}

/// Reads a body while it arrives.
pub struct Reader {
    arrived: watch::Receiver<Arrived>,
}

impl Reader {
    /// What there is from a position on, as soon as there is something; none at the end.
    pub async fn at(&mut self, position: usize) -> Result<Option<Bytes>> {
        loop {
            {
                let arrived = self.arrived.borrow_and_update();
                if let Some(bytes) = arrived.at(position) {
                    return Ok(Some(bytes));
                }
                if arrived.whole.is_some() {
                    return Ok(None);
                }
                if arrived.failed {
                    return broke_off();
                }
            }
            if self.arrived.changed().await.is_err() {
                return broke_off();
            }
        }
    }
}

fn broke_off<T>() -> Result<T> {
    Error::e_explain(ErrorType::ReadError, "the answer broke off while it was fetched for the cache")
}

/// Bytes that all answers on their way may take together.
pub struct Room {
    taken: AtomicUsize,
    max: usize,
}

impl Room {
    /// Nothing taken.
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { taken: AtomicUsize::new(0), max })
    }

    /// A part of it; none when less is left.
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reserved> {
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.max);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Reserved { room: self.clone(), bytes })
    }

    /// Bytes taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// A part of the room, until dropped.
pub struct Reserved {
    room: Arc<Room>,
    bytes: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(room: &Arc<Room>) -> Arc<Fill> {
        Fill::new(room.reserve(10).expect("room"))
    }

    #[tokio::test]
    async fn a_reader_gets_what_has_come_and_then_the_rest() {
        let room = Room::new(10);
        let fill = fill(&room);
        fill.push(Bytes::from_static(b"abc"));
        let mut reader = fill.reader();
        assert_eq!(reader.at(0).await.expect("read").expect("bytes"), "abc");
        assert_eq!(reader.at(2).await.expect("read").expect("bytes"), "c");
        let rest = tokio::spawn(async move { reader.at(3).await.map(|bytes| (bytes, reader)) });
        tokio::task::yield_now().await;
        fill.push(Bytes::from_static(b"de"));
        let (bytes, mut reader) = rest.await.expect("joined").expect("read");
        assert_eq!(bytes.expect("bytes"), "de");
        assert_eq!(fill.complete(5).expect("complete"), "abcde");
        assert_eq!(reader.at(1).await.expect("read").expect("bytes"), "bcde");
        assert!(reader.at(5).await.expect("read").is_none());
    }

    #[tokio::test]
    async fn a_reader_is_told_when_it_breaks_off() {
        let room = Room::new(10);
        for dropped in [true, false] {
            let fill = fill(&room);
            fill.push(Bytes::from_static(b"abc"));
            let mut reader = fill.reader();
            if dropped {
                drop(fill);
            } else {
                fill.fail();
            }
            assert!(reader.at(3).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_body_of_another_length_is_not_complete() {
        let room = Room::new(10);
        let fill = fill(&room);
        fill.push(Bytes::from_static(b"abc"));
        assert!(fill.complete(4).is_none() && fill.complete(2).is_none());
        fill.fail();
        assert!(fill.reader().at(0).await.is_err());
    }

    #[test]
    fn there_is_only_so_much_room() {
        let room = Room::new(10);
        let first = fill(&room);
        assert!(room.reserve(1).is_none());
        assert!(first.complete(0).is_some());
        assert_eq!(room.taken(), 0);
    }
}
