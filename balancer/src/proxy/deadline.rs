//! A deadline on the arrival of a whole request header, which Pingora does not bound: its own timeout starts again
//! with every byte. A connection that misses it is closed, and so is one that waits for its next request when nobody
//! is let in any more.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use pingora::time::fast_timeout::fast_sleep;
use prometheus::IntCounter;

use crate::fleet::Fleet;

/// Longer than it takes to notice that something was read.
const LAST_WORD: Duration = Duration::from_millis(10);

tokio::task_local! {
    static HEADER: Arc<Header>;
}

/// How far the header of a request is.
#[derive(Default)]
struct Header {
    begun: AtomicBool,
    arrived: AtomicBool,
}

/// Something of the current request has been read.
pub fn begin() {
    // Outside of a connection there is no deadline.
    let _ = HEADER.try_with(|header| header.begun.store(true, Ordering::Relaxed));
}

/// The current request's header has arrived in time.
pub fn lift() {
    let _ = HEADER.try_with(|header| header.arrived.store(true, Ordering::Relaxed));
}

/// Left on a connection that is kept alive, so that the next request is known not to be its first.
#[derive(Debug)]
pub struct Reused;

/// An HTTP app under deadlines.
pub struct Timed<A> {
    /// The app.
    pub app: Arc<A>,
    /// Says how long a header may take.
    pub fleet: Arc<Fleet>,
    /// Becomes true when connections that wait for a next request are closed.
    pub closed: ShutdownWatch,
    /// Counts connections whose first header did not come.
    pub too_slow: IntCounter,
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Timed<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let context = session.take_connection_user_context();
        let reused = context.is_some();
        session.set_connection_user_context(context);
        let header = Arc::new(Header::default());
        let closed = self.closed.clone();
        tokio::select! {
            biased;
            done = HEADER.scope(header.clone(), self.app.process_new_http(session, shutdown)) => done,
            () = self.lost(reused, closed, &header) => {
                if !reused {
                    self.too_slow.inc();
                }
                None
            }
        }
    }

    /// Nothing: Pingora's own would cut whoever was let in and has not asked yet.
    async fn http_cleanup(&self) {}

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.app.server_options()
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.app.h2_options()
    }
}

impl<A> Timed<A> {
    /// Ends when a header is no longer waited for; never when it has arrived before. The app is polled before this, by the same
    /// task. Before the first byte of a next request there is no deadline: how long a connection may be idle is bounded by
    /// Pingora, with a timer that costs nothing more.
    async fn lost(&self, reused: bool, mut closed: ShutdownWatch, header: &Header) {
        let mut deadline = pin!(async { fast_sleep(self.longest()).await });
        let mut closed = pin!(last_word(&mut closed));
        poll_fn(|cx| {
            if header.arrived.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
            if reused && closed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let idle = reused && !header.begun.load(Ordering::Relaxed);
            if idle { Poll::Pending } else { deadline.as_mut().poll(cx) }
        })
        .await;
    }

    fn longest(&self) -> Duration {
        self.fleet.snapshot().config.edge.header
    }
}

/// Ends a moment after the connections are to be closed: a request that has arrived by then is read before.
async fn last_word(closed: &mut ShutdownWatch) {
    // An error means that nobody is left who could say so, and then the process ends.
    let _ = closed.wait_for(|closed| *closed).await;
    tokio::time::sleep(LAST_WORD).await;
}
