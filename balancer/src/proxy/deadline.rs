//! A deadline on the arrival of a whole request header, which Pingora does not bound: its own timeout starts again
//! with every byte. A connection that misses it is closed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use tokio::sync::Notify;
use tokio::time::Instant;

tokio::task_local! {
    static ARRIVED: Arc<Notify>;
}

/// The current request's header has arrived in time.
pub fn lift() {
    // Outside of a connection there is no deadline to lift.
    let _ = ARRIVED.try_with(|arrived| arrived.notify_one());
}

/// Left on a connection that is kept alive, so that the next request is known not to be its first.
#[derive(Debug)]
pub struct Reused;

/// An HTTP app under deadlines.
pub struct Timed<A> {
    /// The app.
    pub app: Arc<A>,
    /// For the first header of a connection, and on top of `keepalive` for the later ones.
    pub header: Duration,
    /// How long a connection may stay idle between requests.
    pub keepalive: Duration,
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Timed<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let context = session.take_connection_user_context();
        let idle = if context.is_some() { self.keepalive } else { Duration::ZERO };
        session.set_connection_user_context(context);
        let deadline = Instant::now() + self.header + idle;
        let arrived = Arc::new(Notify::new());
        tokio::select! {
            biased;
            done = ARRIVED.scope(arrived.clone(), self.app.process_new_http(session, shutdown)) => done,
            () = missed(deadline, &arrived) => None,
        }
    }

    async fn http_cleanup(&self) {
        self.app.http_cleanup().await;
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.app.server_options()
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.app.h2_options()
    }
}

/// Ends when the deadline passes; never when the header has arrived before.
async fn missed(deadline: Instant, arrived: &Notify) {
    tokio::select! {
        biased;
        () = arrived.notified() => std::future::pending().await,
        () = tokio::time::sleep_until(deadline) => {}
    }
}
