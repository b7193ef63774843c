//! A deadline on the phases Pingora does not bound: the arrival of a whole request header (its own timeout starts
//! again with every byte), and an upstream's answer to an upgrade (whose reads have no timeout, because a quiet
//! socket must live). A connection that misses it is closed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::server::ShutdownWatch;
use tokio::sync::watch;
use tokio::time::Instant;

tokio::task_local! {
    static DEADLINE: watch::Sender<Option<Instant>>;
}

/// The current request's phase has come to its end in time.
pub fn lift() {
    // Outside of a connection there is no deadline to lift.
    let _ = DEADLINE.try_with(|deadline| deadline.send_replace(None));
}

/// The current request's next phase must end within this.
pub fn set(allowed: Duration) {
    let _ = DEADLINE.try_with(|deadline| deadline.send_replace(Some(Instant::now() + allowed)));
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
        let (deadline, watched) = watch::channel(Some(Instant::now() + self.header + idle));
        tokio::select! {
            biased;
            done = DEADLINE.scope(deadline, self.app.process_new_http(session, shutdown)) => done,
            () = missed(watched) => None,
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

/// Ends when a deadline passes; never when there is none left.
async fn missed(mut deadline: watch::Receiver<Option<Instant>>) {
    loop {
        let current = *deadline.borrow_and_update();
        let passed = async {
            match current {
                Some(instant) => tokio::time::sleep_until(instant).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = passed => return,
            changed = deadline.changed() => {
                if changed.is_err() {
                    return std::future::pending().await;
                }
            }
        }
    }
}
