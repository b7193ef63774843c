//! The live picture: what Redis publishes goes to every socket that watches, in order of version, gaps repaired.
//!
//! `feed` listens to Redis, one `show` task keeps the picture of each watched show, one `socket` task serves each client,
//! and the `hub` knows who is there.

pub mod feed;
pub mod hub;
pub mod show;
pub mod socket;
pub mod wanted;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::extract::ws::Utf8Bytes;
use domain::live::ServerFrame;
use tokio::sync::{Notify, mpsc};

/// Frames that wait for one slow client before its socket is closed.
const OUTLET_FRAMES_MAX: usize = 256;

/// Where frames for one socket go.
#[derive(Debug, Clone)]
pub struct Outlet {
    /// Unique in this process.
    pub id: u64,
    frames: mpsc::Sender<Utf8Bytes>,
    overflow: Arc<Overflow>,
}

#[derive(Debug, Default)]
struct Overflow {
    happened: AtomicBool,
    notify: Notify,
}

/// The socket's end of an [`Outlet`].
#[derive(Debug)]
pub struct Inlet {
    frames: mpsc::Receiver<Utf8Bytes>,
    overflow: Arc<Overflow>,
}

/// A new pair.
pub fn outlet() -> (Outlet, Inlet) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let (sender, frames) = mpsc::channel(OUTLET_FRAMES_MAX);
    let overflow = Arc::new(Overflow::default());
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    (Outlet { id, frames: sender, overflow: Arc::clone(&overflow) }, Inlet { frames, overflow })
}

impl Outlet {
    /// Never waits: a client that does not read loses its socket, and begins anew with a snapshot.
    pub fn send(&self, frame: Utf8Bytes) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.frames.try_send(frame) {
            self.overflow.happened.store(true, Ordering::Relaxed);
            self.overflow.notify.notify_one();
        }
    }
}

impl Inlet {
    /// The next frame, or nothing when the client was too slow for them.
    pub async fn next(&mut self) -> Option<Utf8Bytes> {
        if self.overflow.happened.load(Ordering::Relaxed) {
            return None;
        }
        tokio::select! {
            frame = self.frames.recv() => frame,
            () = self.overflow.notify.notified() => None,
        }
    }
}

/// A frame as sent.
pub fn text(frame: &ServerFrame) -> Utf8Bytes {
    serde_json::to_string(frame).expect("frames have no keys that JSON cannot have").into()
}
