//! The sockets of a crowd, and what they have seen of the change that is under way.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt, TryStreamExt, stream};
use hdrhistogram::Histogram;
use tokio::sync::Notify;

use super::super::load::histogram;
use super::stream::Stream;
use super::{PATIENCE, Place};

/// Sockets that are opened at once.
const OPENING_MAX: usize = 32;
/// Frames that show a seat: a step, or the whole picture where a step was missed.
const SNAPSHOT: &[u8] = br#"{"type":"snapshot""#;
const STEP: &[u8] = br#"{"type":"seats""#;
const VERSION: &[u8] = br#""version":"#;

/// All of them.
#[derive(Default)]
pub(super) struct Sockets {
    count: usize,
    pub(super) seen: Rc<Seeing>,
}

/// What they have seen.
pub(super) struct Seeing {
    /// The highest version that anybody was shown.
    highest: Cell<u64>,
    /// The version that the change under way leads to.
    expected: Cell<u64>,
    changed_at: Cell<Instant>,
    missing: Cell<usize>,
    messages: Cell<u64>,
    delay: RefCell<Histogram<u64>>,
    trouble: RefCell<Option<String>>,
    all: Notify,
}

impl Default for Seeing {
    fn default() -> Self {
        Self {
            highest: Cell::new(0),
            expected: Cell::new(u64::MAX),
            changed_at: Cell::new(Instant::now()),
            missing: Cell::new(0),
            messages: Cell::new(0),
            delay: RefCell::new(histogram()),
            trouble: RefCell::default(),
            all: Notify::new(),
        }
    }
}

impl Seeing {
    /// A socket that was at one version is shown another.
    fn show(&self, before: u64, after: u64) {
        self.highest.set(self.highest.get().max(after));
        self.messages.update(|messages| messages + 1);
        let expected = self.expected.get();
        if before >= expected || after < expected {
            return;
        }
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

    /// All that was seen since this was asked last: how many messages, and how late the changes that were waited for.
    pub(super) fn take(&self) -> (u64, Histogram<u64>) {
        (self.messages.take(), self.delay.replace(histogram()))
    }
}

impl Sockets {
    pub(super) async fn open(&mut self, place: &Place, more: usize) -> Result<()> {
        let addresses = place.watch_at.iter().cycle().skip(self.count).take(more);
        let opened = stream::iter(addresses)
            .map(|address| open(*address, &place.show))
            .buffer_unordered(OPENING_MAX)
            .try_for_each(|(socket, version)| {
                self.count += 1;
                self.seen.show(0, version);
                tokio::task::spawn_local(watch(socket, version, Rc::clone(&self.seen)));
                std::future::ready(Ok(()))
            });
        opened.await
    }

    /// A change is about to be asked for. Nobody else changes the show, so it leads to the next version.
    pub(super) fn expect_change(&self) {
        self.seen.expected.set(self.seen.highest.get() + 1);
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

/// Opens one and reads its first picture, whose version comes with it.
async fn open(address: SocketAddr, show: &str) -> Result<(Stream, u64)> {
    let opening = async {
        let mut stream = Stream::open(address, &format!("/api/live?show={show}"), "").await?;
        let mut first = None;
        while first.is_none() {
            stream.read(|text| first = first.max(version(text))).await?;
        }
        anyhow::Ok((stream, first.unwrap_or_default()))
    };
    let opened = tokio::time::timeout(PATIENCE, opening).await;
    opened.ok().context("no first picture came")?.context("a live socket was refused")
}

/// Reads until the crowd leaves.
async fn watch(mut stream: Stream, first: u64, seen: Rc<Seeing>) {
    let mut shown = first;
    loop {
        let read = stream.read(|text| {
            if let Some(version) = version(text) {
                seen.show(shown, version);
                shown = shown.max(version);
            }
        });
        if let Err(error) = read.await {
            return seen.fail(format!("{error:#}"));
        }
    }
}

/// The version that a frame about seats leads to.
fn version(frame: &[u8]) -> Option<u64> {
    if !frame.starts_with(STEP) && !frame.starts_with(SNAPSHOT) {
        return None;
    }
    let at = frame.windows(VERSION.len()).position(|window| window == VERSION)? + VERSION.len();
    let digits = frame[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_frames_about_seats_is_read_and_no_others() {
        let frames: [(&[u8], Option<u64>); 4] = [
            (
                br#"{"type":"seats","show_id":"show_1","version":4294967297,"changes":{"A1":"held"}}"#,
                Some(4_294_967_297),
            ),
            (br#"{"type":"snapshot","show_id":"s","version":7,"seats":{}}"#, Some(7)),
            (br#"{"type":"offer","version":7}"#, None),
            (br#"{"type":"seats"}"#, None),
        ];
        for (frame, expected) in frames {
            assert_eq!(version(frame), expected, "{}", String::from_utf8_lossy(frame));
        }
    }

    #[tokio::test]
    async fn a_change_is_over_when_every_socket_has_it_by_whichever_frame() {
        let sockets = Sockets { count: 2, seen: Rc::default() };
        for _ in 0..2 {
            sockets.seen.show(0, 10);
        }
        sockets.expect_change();
        sockets.seen.show(10, 11);
        // The same socket again; then the other, which missed a step and is shown the whole.
        sockets.seen.show(11, 11);
        assert_eq!(sockets.seen.missing.get(), 1);
        sockets.seen.show(10, 12);
        sockets.all_saw().await.expect("both saw it");
        let (messages, delay) = sockets.seen.take();
        assert_eq!((messages, delay.len()), (5, 2));
    }

    #[tokio::test]
    async fn a_socket_that_is_lost_ends_the_waiting() {
        let sockets = Sockets { count: 1, seen: Rc::default() };
        sockets.expect_change();
        sockets.seen.fail("it ended".to_owned());
        assert!(sockets.all_saw().await.is_err_and(|error| error.to_string().contains("it ended")));
    }
}
