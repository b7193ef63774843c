//! A listener that is given its socket, says when it lets connections in, and closes when the drain says so. Left to the server,
//! it would close at the very end, when what was let in last is cut.

use std::future::poll_fn;
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::task::Poll;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::server::{ListenFds, ShutdownWatch};
use pingora::services::{Service, ServiceReadyNotifier, ServiceWithDependents, listening};

/// A listening service with a signal of its own.
pub struct Listener<A> {
    /// The service.
    pub service: listening::Service<A>,
    /// Its sockets, under the addresses that the service has for them.
    pub sockets: Vec<(String, OwnedFd)>,
    /// Becomes true when it must close.
    pub shut: ShutdownWatch,
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServiceWithDependents for Listener<A> {
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        _: ShutdownWatch,
        listeners_per_fd: usize,
        ready: ServiceReadyNotifier,
    ) {
        if let Some(fds) = &fds {
            let mut fds = fds.lock();
            for (address, socket) in self.sockets.drain(..) {
                fds.add(address, socket.into_raw_fd());
            }
        }
        let mut serving = Service::start_service(&mut self.service, fds, self.shut.clone(), listeners_per_fd);
        // It waits for nothing before it lets connections in, and then only for its end.
        let ended = poll_fn(|context| Poll::Ready(serving.as_mut().poll(context).is_ready())).await;
        ready.notify_ready();
        if !ended {
            serving.await;
        }
    }

    fn name(&self) -> &str {
        Service::name(&self.service)
    }

    fn threads(&self) -> Option<usize> {
        Service::threads(&self.service)
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        Service::listen_addresses(&self.service)
    }
}
