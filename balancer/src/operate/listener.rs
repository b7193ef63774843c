//! A listener that closes when the drain says so. Left to the server, it would close at the very end, when what was
//! let in last is cut.

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora::services::listening;

/// A listening service with a signal of its own.
pub struct Listener<A> {
    /// The service.
    pub service: listening::Service<A>,
    /// Becomes true when it must close.
    pub closed: ShutdownWatch,
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> Service for Listener<A> {
    async fn start_service(&mut self, fds: Option<ListenFds>, _: ShutdownWatch, listeners_per_fd: usize) {
        self.service.start_service(fds, self.closed.clone(), listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        self.service.name()
    }

    fn threads(&self) -> Option<usize> {
        self.service.threads()
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        self.service.listen_addresses()
    }
}
