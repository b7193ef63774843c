//! How long an endpoint may say nothing: until the first byte of its answer, and after that.
//!
//! Pingora has one time for all reads of an answer, which cannot be changed once the first byte is there, and makes a timer for
//! each. Here a connection only notes until when something has to come. One look at all connections every [`TICK`] finds those
//! where nothing did, and ends them; the request sees its connection break, and asks here why.
//!
//! Time is counted in ticks, so noting it reads no clock. A process that was stopped has not waited meanwhile.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::http::ResponseHeader;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{Digest, GetProxyDigest as _};
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use pingora::{Error, ErrorType, Result};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown};
use tokio::time::{MissedTickBehavior, interval};

use super::dial::dial;

/// How exact it is: nothing is ended early, and nothing later than two of these.
pub const TICK: Duration = Duration::from_millis(100);
/// Ticks after which a connection is looked at again where somebody else is waited for.
const AGAIN: u32 = 10;
/// A tick that does not come.
const NEVER: u32 = u32::MAX;

/// All connections to endpoints, but those of upgrades.
#[derive(Debug, Default)]
pub struct Silence {
    now: Arc<AtomicU32>,
    lines: Mutex<Vec<Weak<Line>>>,
}

/// One connection, which serves one request after the other.
#[derive(Debug)]
struct Line {
    now: Arc<AtomicU32>,
    /// Whose turn it is, and the tick until which something has to come.
    until: AtomicU64,
    /// Whose turn was ended.
    ended: AtomicU32,
    socket: OwnedFd,
}

/// One request's turn on a connection.
#[derive(Debug)]
pub struct Turn {
    line: Arc<Line>,
    number: u32,
    /// The tick at which the request's time is over, whatever is heard.
    over: u32,
}

/// Whose turn and until when, in one word.
fn word(turn: u32, tick: u32) -> u64 {
    u64::from(turn) << 32 | u64::from(tick)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of a word")]
fn halves(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

/// The tick that is so far away, or more.
fn after(now: u32, time: Duration) -> u32 {
    // One more, as the current one has begun.
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos()) + 1;
    now.saturating_add(u32::try_from(ticks).unwrap_or(NEVER))
}

impl Turn {
    /// A request's turn begins on the connection with this digest, and it has so much time in all.
    pub fn begin(digest: Option<&Digest>, total: Duration) -> Option<Self> {
        let line = digest?.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref::<Arc<Line>>()?.clone();
        let (last, _) = halves(line.until.load(Ordering::Relaxed));
        let number = last.wrapping_add(1);
        line.until.store(word(number, NEVER), Ordering::Relaxed);
        let over = after(line.now.load(Ordering::Relaxed), total);
        Some(Self { line, number, over })
    }

    /// From now on, something has to come within this time, again and again.
    pub fn expect_within(&self, time: Duration) {
        self.expect_until(after(self.line.now.load(Ordering::Relaxed), time).min(self.over));
    }

    /// Nothing more is expected.
    pub fn heard_all(&self) {
        self.expect_until(NEVER);
    }

    /// Whether it was ended because nothing came.
    pub fn ended(&self) -> bool {
        self.line.ended.load(Ordering::Acquire) == self.number
    }

    fn expect_until(&self, tick: u32) {
        let own = |now| (halves(now).0 == self.number).then_some(word(self.number, tick));
        // It fails when the connection has another request already.
        let _ = self.line.until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, own);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.heard_all();
    }
}

impl Line {
    /// Ends the turn in which nothing came for too long.
    fn look(&self, now: u32) {
        let seen = self.until.load(Ordering::Relaxed);
        let (turn, until) = halves(seen);
        if until > now {
            return;
        }
        if self.silent() {
            self.ended.store(turn, Ordering::Release);
            // It fails when the connection is closed already.
            let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
        } else {
            let later = word(turn, now.saturating_add(AGAIN));
            // It fails when something has come meanwhile.
            let _ = self.until.compare_exchange(seen, later, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Whether there is nothing to be read: what waits in the kernel waits for us, or for our client.
    fn silent(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(rustix::net::recv(&self.socket, &mut [0; 1], flags), Err(Errno::AGAIN))
    }
}

impl Silence {
    fn look(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| {
            let line = line.upgrade();
            if let Some(line) = &line {
                line.look(now);
            }
            line.is_some()
        });
    }

    fn line(&self, socket: OwnedFd) -> Arc<Line> {
        let line = Arc::new(Line {
            now: self.now.clone(),
            until: AtomicU64::new(word(0, NEVER)),
            ended: AtomicU32::new(NEVER),
            socket,
        });
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&line));
        line
    }
}

#[async_trait]
impl L4Connect for Silence {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let stream = dial(address).await?;
        let socket = rustix::io::fcntl_dupfd_cloexec(&stream, 0).map_err(|error| {
            Error::because(ErrorType::InternalError, "a second file for a connection", error)
        })?;
        let mut stream = Stream::from(stream);
        // The one thing that a connection carries from its making to its requests.
        let header = Box::new(ResponseHeader::build(200, Some(0))?);
        stream.set_proxy_digest(ProxyDigest::new(header, Some(Box::new(self.line(socket)))));
        Ok(stream)
    }
}

/// Counts the ticks.
pub struct Ticking(pub Arc<Silence>);

#[async_trait]
impl BackgroundService for Ticking {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.0.look(),
                // The sender going away means the same as a signal: the server is ending.
                _ = shutdown.changed() => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct World {
        silence: Silence,
        digest: Digest,
        endpoint: UnixStream,
    }

    fn world() -> World {
        let silence = Silence::default();
        let (ours, endpoint) = UnixStream::pair().expect("sockets");
        let header = Box::new(ResponseHeader::build(200, None).expect("header"));
        let line = silence.line(ours.into());
        let digest = ProxyDigest::new(header, Some(Box::new(line)));
        World {
            silence,
            digest: Digest { proxy_digest: Some(Arc::new(digest)), ..Digest::default() },
            endpoint,
        }
    }

    impl World {
        fn turn(&self, total: Duration) -> Turn {
            Turn::begin(Some(&self.digest), total).expect("a connection of ours")
        }

        /// The ticks after which the turn was ended, of so many.
        fn ended_after(&self, turn: &Turn, ticks: u32) -> Option<u32> {
            (1..=ticks).find(|_| {
                self.silence.look();
                turn.ended()
            })
        }
    }

    #[test]
    fn a_silence_is_ended_not_before_its_time() {
        let world = world();
        let turn = world.turn(Duration::MAX);
        assert_eq!(world.ended_after(&turn, 100), None, "nothing was expected");
        turn.expect_within(SECOND);
        assert_eq!(world.ended_after(&turn, 100), Some(11));
    }

    #[test]
    fn each_word_gives_it_more_time_and_the_end_of_all_does_not_move() {
        let world = world();
        let turn = world.turn(3 * SECOND);
        for _ in 0..4 {
            turn.expect_within(SECOND);
            assert_eq!(world.ended_after(&turn, 7), None);
        }
        turn.expect_within(SECOND);
        assert_eq!(world.ended_after(&turn, 100), Some(3));
    }

    #[test]
    fn who_said_something_that_nobody_has_read_is_not_silent() {
        use std::io::Write as _;
        let mut world = world();
        let turn = world.turn(Duration::MAX);
        turn.expect_within(SECOND);
        world.endpoint.write_all(b"x").expect("written");
        assert_eq!(world.ended_after(&turn, 100), None);
        rustix::net::recv(&turn.line.socket, &mut [0; 1], RecvFlags::DONTWAIT).expect("read");
        assert!(world.ended_after(&turn, 100).is_some_and(|ticks| ticks <= AGAIN));
    }

    #[test]
    fn a_turn_that_is_over_changes_nothing_for_the_next() {
        let world = world();
        let first = world.turn(Duration::MAX);
        first.expect_within(SECOND);
        let second = world.turn(Duration::MAX);
        second.expect_within(SECOND);
        first.heard_all();
        drop(first);
        assert_eq!(world.ended_after(&second, 100), Some(11));
    }

    #[test]
    fn nothing_is_kept_of_a_connection_that_is_gone() {
        let world = world();
        drop(world.digest);
        world.silence.look();
        assert!(world.silence.lines.lock().expect("lock").is_empty());
    }
}
