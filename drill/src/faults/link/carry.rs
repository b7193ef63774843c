//! One connection over a link.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::{Rewriter, Shared, State, Wire};

/// The most that a connection holds back in one direction.
const CHUNK_BYTES: usize = 16 * 1024;

/// Carries one connection to its end: in order, or by a reset of both sides when either is broken or the link is cut.
pub(super) async fn carry(mut client: TcpStream, wire: Wire) {
    let _counted = Counted::new(&wire.0);
    let Some(mut target) = unless_cut(&wire, connect(&wire)).await else {
        return reset(&client);
    };
    if unless_cut(&wire, copy_both(&mut client, &mut target, &wire)).await.is_none() {
        reset(&client);
        reset(&target);
    }
}

/// Counts a connection as open while this lives.
struct Counted<'a>(&'a Shared);

impl<'a> Counted<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        shared.connections_open.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn connect(wire: &Wire) -> io::Result<TcpStream> {
    pass(&mut wire.0.state.subscribe()).await;
    wire.0.target.connect().await.inspect_err(|_| wire.0.refused.notify_one())
}

/// Copies until both sides have ended, or one is broken.
async fn copy_both(client: &mut TcpStream, target: &mut TcpStream, wire: &Wire) -> io::Result<()> {
    client.set_nodelay(true)?;
    target.set_nodelay(true)?;
    let shared = &wire.0;
    let rewriter = shared.rewriters.as_ref().map(|rewriters| rewriters());
    let ((from_client, to_client), (from_target, to_target)) = (client.split(), target.split());
    tokio::try_join!(
        copy(from_client, to_target, shared.state.subscribe(), rewriter, &shared.bytes_up),
        copy(from_target, to_client, shared.state.subscribe(), None, &shared.bytes_down),
    )?;
    Ok(())
}

async fn copy(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut state: watch::Receiver<State>,
    mut rewriter: Option<Rewriter>,
    bytes: &AtomicU64,
) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    loop {
        chunk.clear();
        let ended = from.read_buf(&mut chunk).await? == 0;
        pass(&mut state).await;
        if ended {
            return to.shutdown().await;
        }
        bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        match &mut rewriter {
            Some(rewrite) => to.write_all(&rewrite(&chunk)).await?,
            None => to.write_all(&chunk).await?,
        }
    }
}

/// Returns when the link lets the next chunk go on.
async fn pass(state: &mut watch::Receiver<State>) {
    loop {
        let now = *state.borrow_and_update();
        match now {
            State::Whole => return,
            State::Slow(delay) => tokio::select! {
                () = tokio::time::sleep(delay) => return,
                _ = state.changed() => {}
            },
            // The link lives as long as its connections, so this ends with a change.
            State::Stalled | State::Cut => drop(state.changed().await),
        }
    }
}

/// What came of the work; nothing when it failed, or the link is cut meanwhile.
async fn unless_cut<T>(wire: &Wire, work: impl Future<Output = io::Result<T>>) -> Option<T> {
    let mut state = wire.0.state.subscribe();
    tokio::select! {
        done = work => done.ok(),
        _ = state.wait_for(|state| *state == State::Cut) => None,
    }
}

/// Makes the end of this connection a reset, whatever is still to be sent.
fn reset(stream: &TcpStream) {
    // One that is gone already needs none.
    drop(stream.set_zero_linger());
}
