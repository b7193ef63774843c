//! The live picture: what Redis publishes goes to every socket that watches, in order of version, gaps repaired.
//!
//! `feed` listens to Redis, one `show` task keeps the picture of each watched show and writes its changes to every `wire`, one
//! `socket` task attends to each client, and the `hub` knows who is there.

pub mod feed;
pub mod hub;
pub mod show;
pub mod socket;
pub mod upgrade;
pub mod wanted;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use domain::live::ServerFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use wire::Wire;

/// Where frames for one socket go.
#[derive(Debug, Clone)]
pub struct Outlet {
    /// Unique in this process.
    pub id: u64,
    wire: Arc<Wire>,
}

impl Outlet {
    fn new(wire: Arc<Wire>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), wire }
    }

    /// Never waits: a client that does not read loses its socket, and begins anew with a snapshot.
    pub fn send(&self, frame: &Bytes) {
        self.wire.send(frame);
    }
}

/// A frame as it is written to every socket: encoded once for all.
pub fn encoded(text: String) -> Bytes {
    let frame = Frame::message(text, OpCode::Data(Data::Text), true);
    let mut bytes = Vec::with_capacity(frame.len());
    frame.format(&mut bytes).expect("memory takes what is written to it");
    bytes.into()
}

fn frame(frame: &ServerFrame) -> Bytes {
    encoded(serde_json::to_string(frame).expect("frames have no keys that JSON cannot have"))
}
