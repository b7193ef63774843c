//! One endpoint and whether it can serve. The state machine is pure; the endpoint only keeps it.
//! It must not probe: it is told what probes and connects found.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::traffic::Traffic;

/// What the checks have found so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not checked yet.
    Unproven,
    /// In: may be picked.
    Healthy {
        /// Failed checks since the last good one.
        failures: u32,
    },
    /// Out: picked only when nobody else is left.
    Out {
        /// Good checks since the last failed one.
        successes: u32,
    },
}

/// How many checks in a row change a state.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    /// Successes to come in.
    pub rise: u32,
    /// Failures to go out.
    pub fall: u32,
}

impl State {
    /// After one check. The first check decides at once.
    #[must_use]
    pub fn after_check(self, passed: bool, thresholds: Thresholds) -> Self {
        match (self, passed) {
            (Self::Unproven | Self::Healthy { .. }, true) => Self::Healthy { failures: 0 },
            (Self::Unproven | Self::Out { .. }, false) => Self::Out { successes: 0 },
            (Self::Healthy { failures }, false) if failures + 1 >= thresholds.fall => {
                Self::Out { successes: 0 }
            }
            (Self::Healthy { failures }, false) => Self::Healthy { failures: failures + 1 },
            (Self::Out { successes }, true) if successes + 1 >= thresholds.rise => {
                Self::Healthy { failures: 0 }
            }
            (Self::Out { successes }, true) => Self::Out { successes: successes + 1 },
        }
    }

    /// Whether it may be picked while others can be too.
    pub fn serves(self) -> bool {
        matches!(self, Self::Healthy { .. })
    }

    /// One word for logs, metrics and the status page.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unproven => "unproven",
            Self::Healthy { .. } => "healthy",
            Self::Out { .. } => "out",
        }
    }
}

/// An address and its state, whatever snapshots it is part of.
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// The address as text, for labels and logs.
    pub name: String,
    state: Mutex<State>,
    /// What `state` says, for the path of a request.
    serving: AtomicBool,
    /// Somebody wants it to be left alone.
    draining: AtomicBool,
    /// The same, for those who wait for it.
    left_alone: watch::Sender<bool>,
    /// What it has done so far.
    pub traffic: Traffic,
    in_flight: AtomicUsize,
    sockets: AtomicUsize,
}

impl Endpoint {
    /// An endpoint nobody has checked.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            name: address.to_string(),
            state: Mutex::new(State::Unproven),
            traffic: Traffic::default(),
            serving: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            left_alone: watch::Sender::new(false),
            in_flight: AtomicUsize::new(0),
            sockets: AtomicUsize::new(0),
        }
    }

    /// Whether it may be picked first.
    pub fn serves(&self) -> bool {
        self.serving.load(Ordering::Relaxed) && !self.draining()
    }

    /// The state right now.
    pub fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state right now as one word, draining before all.
    pub fn state_name(&self) -> &'static str {
        if self.draining() { "draining" } else { self.state().name() }
    }

    /// Whether it is to be left alone.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Leaves it alone from now on, or no longer; what it is working on ends there. Returns whether that changed anything.
    pub fn set_draining(&self, draining: bool) -> bool {
        self.left_alone.send_replace(draining);
        self.draining.swap(draining, Ordering::Relaxed) != draining
    }

    /// Becomes true when it is to be left alone.
    pub fn left_alone(&self) -> watch::Receiver<bool> {
        self.left_alone.subscribe()
    }

    /// Records one check; the new state when it began or stopped serving, or was decided for the first time.
    pub fn record_check(&self, passed: bool, thresholds: Thresholds) -> Option<State> {
        self.transition(|state| state.after_check(passed, thresholds))
    }

    /// A refused connect is proof enough: out at once, until a check passes.
    pub fn record_refusal(&self) -> Option<State> {
        self.transition(|_| State::Out { successes: 0 })
    }

    fn transition(&self, next: impl FnOnce(State) -> State) -> Option<State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *state;
        *state = next(before);
        self.serving.store(state.serves(), Ordering::Relaxed);
        (before.name() != state.name()).then_some(*state)
    }

    /// Requests it is working on, as seen from here. Upgraded connections are counted apart: most of them are idle, and
    /// would look like load.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Upgraded connections that lead to it.
    pub fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }

    /// Counts a request as its own until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Busy { endpoint: self.clone(), socket: false }
    }
}

/// One request an endpoint is working on, or one socket that leads to it.
pub struct Busy {
    endpoint: Arc<Endpoint>,
    socket: bool,
}

impl Busy {
    /// From now on it is a socket.
    pub fn upgraded(&mut self) {
        if !std::mem::replace(&mut self.socket, true) {
            self.endpoint.sockets.fetch_add(1, Ordering::Relaxed);
            self.endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl std::ops::Deref for Busy {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let counter = if self.socket { &self.endpoint.sockets } else { &self.endpoint.in_flight };
        counter.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_THREE: Thresholds = Thresholds { rise: 2, fall: 3 };

    fn after(mut state: State, checks: &[bool]) -> State {
        for passed in checks {
            state = state.after_check(*passed, TWO_THREE);
        }
        state
    }

    #[test]
    fn the_first_check_decides() {
        assert!(after(State::Unproven, &[true]).serves());
        assert_eq!(after(State::Unproven, &[false]), State::Out { successes: 0 });
    }

    #[test]
    fn only_failures_in_a_row_take_an_endpoint_out() {
        assert!(after(State::Unproven, &[true, false, false, true, false, false]).serves());
        assert!(!after(State::Unproven, &[true, false, false, false]).serves());
    }

    #[test]
    fn only_successes_in_a_row_bring_it_back() {
        assert!(!after(State::Unproven, &[false, true, false, true]).serves());
        assert!(after(State::Unproven, &[false, true, true]).serves());
    }

    #[test]
    fn a_refusal_counts_at_once_and_is_told_once() {
        let address = "127.0.0.1:1".parse().expect("test address");
        let endpoint = Endpoint::new(address);
        endpoint.record_check(true, TWO_THREE);
        assert!(endpoint.serves());
        assert_eq!(endpoint.record_refusal(), Some(State::Out { successes: 0 }));
        assert_eq!(endpoint.record_refusal(), None);
        assert!(!endpoint.serves());
    }

    #[test]
    fn a_request_that_becomes_a_socket_is_counted_as_one() {
        let endpoint = Arc::new(Endpoint::new("127.0.0.1:1".parse().expect("test address")));
        let counts = || (endpoint.in_flight(), endpoint.sockets());
        let (request, mut socket) = (endpoint.enter(), endpoint.enter());
        assert_eq!(counts(), (2, 0));
        socket.upgraded();
        socket.upgraded();
        assert_eq!(counts(), (1, 1));
        drop(request);
        assert_eq!(counts(), (0, 1));
        drop(socket);
        assert_eq!(counts(), (0, 0));
    }
}
