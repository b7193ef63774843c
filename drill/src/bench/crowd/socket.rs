//! The sockets of a crowd, and what they have seen of the change that is under way.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt, TryStreamExt, stream};
use hdrhistogram::Histogram;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::super::load::histogram;
use super::{PATIENCE, Place};

/// Sockets that are opened at once.
const OPENING_MAX: usize = 32;
/// A frame here is short, and there are thousands of buffers.
const BUFFER_BYTES: usize = 1_024;
const SNAPSHOT: &[u8] = br#"{"type":"snapshot""#;
const SEATS: &[u8] = br#"{"type":"seats""#;

/// All of them.
#[derive(Default)]
pub(super) struct Sockets {
    count: usize,
    pub(super) seen: Rc<Seeing>,
}

/// What they have seen.
pub(super) struct Seeing {
    changed_at: Cell<Instant>,
    missing: Cell<usize>,
    delay: RefCell<Histogram<u64>>,
    trouble: RefCell<Option<String>>,
    all: Notify,
}

impl Default for Seeing {
    fn default() -> Self {
        Self {
            changed_at: Cell::new(Instant::now()),
            missing: Cell::new(0),
            delay: RefCell::new(histogram()),
            trouble: RefCell::default(),
            all: Notify::new(),
        }
    }
}

impl Seeing {
    fn change(&self) {
        self.delay.borrow_mut().saturating_record(self.changed_at.get().elapsed().as_nanos() as u64);
        self.missing.set(self.missing.get().saturating_sub(1));
        if self.missing.get() == 0 {
            self.all.notify_one();
        }
    }

    fn fail(&self, why: String) {
        self.trouble.borrow_mut().get_or_insert(why);
        self.all.notify_one();
    }

    /// All that was seen since this was asked last.
    pub(super) fn take_delay(&self) -> Histogram<u64> {
        self.delay.replace(histogram())
    }
}

impl Sockets {
    pub(super) async fn open(&mut self, place: &Place, more: usize) -> Result<()> {
        let addresses = place.watch_at.iter().cycle().skip(self.count).take(more);
        let opened = stream::iter(addresses)
            .map(|address| open(*address, &place.show))
            .buffer_unordered(OPENING_MAX)
            .try_for_each(|socket| {
                self.count += 1;
                tokio::task::spawn_local(watch(socket, Rc::clone(&self.seen)));
                std::future::ready(Ok(()))
            });
        opened.await
    }

    /// A change is about to be asked for.
    pub(super) fn expect_change(&self) {
        self.seen.missing.set(self.count);
        self.seen.changed_at.set(Instant::now());
    }

    /// Returns once every socket has seen it.
    pub(super) async fn all_saw(&self) -> Result<()> {
        while self.seen.missing.get() > 0 {
            if let Some(why) = self.seen.trouble.borrow_mut().take() {
                bail!("a watching socket was lost: {why}");
            }
            let waited = tokio::time::timeout(PATIENCE, self.seen.all.notified()).await;
            waited.ok().with_context(|| {
                format!("{} of {} sockets did not see a change", self.seen.missing.get(), self.count)
            })?;
        }
        Ok(())
    }
}

type Socket = WebSocketStream<TcpStream>;

/// Opens one and reads its first picture.
async fn open(address: SocketAddr, show: &str) -> Result<Socket> {
    let request = format!("ws://{address}/api/live?show={show}").into_client_request()?;
    let stream = TcpStream::connect(address).await.with_context(|| format!("{address} does not listen"))?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(0);
    let opening = async {
        let (mut socket, _) = client_async_with_config(request, stream, Some(config)).await?;
        while !next(&mut socket).await?.starts_with(SNAPSHOT) {}
        anyhow::Ok(socket)
    };
    let opened = tokio::time::timeout(PATIENCE, opening).await;
    opened.ok().context("no first picture came")?.context("a live socket was refused")
}

/// Reads until the crowd leaves. Pings are answered by the library when it reads on.
async fn watch(mut socket: Socket, seen: Rc<Seeing>) {
    loop {
        match next(&mut socket).await {
            Ok(frame) if frame.starts_with(SEATS) => seen.change(),
            Ok(frame) if frame.starts_with(SNAPSHOT) => seen.fail("it missed a step".to_owned()),
            Ok(_) => {}
            Err(error) => return seen.fail(format!("{error:#}")),
        }
    }
}

async fn next(socket: &mut Socket) -> Result<Bytes> {
    loop {
        match socket.next().await.context("it ended")?? {
            Message::Text(text) => return Ok(text.into()),
            Message::Close(frame) => bail!("it was closed: {frame:?}"),
            _ => {}
        }
    }
}
