//! What the balancer remembers about one request while it passes through.

use std::sync::Arc;
use std::time::Instant;

use prometheus::IntGauge;

use super::affinity::Affinity;
use super::edge::Identity;
use super::tunnel::Tunnel;
use crate::cache::status::Outcome;
use crate::fleet::endpoint::Busy;
use crate::fleet::pool::{Pool, Tried};
use crate::operate::drain::InFlight;

/// One request, from its header to its log line.
pub struct Request {
    /// When its header had arrived.
    pub started: Instant,
    /// Who sent it.
    pub identity: Identity,
    /// Its route, by index, once found.
    pub route: Option<usize>,
    /// The pool of its route, one snapshot for all its tries.
    pub pool: Option<Arc<Pool>>,
    /// Where on the ring it belongs.
    pub affinity: Affinity,
    /// How its tries went.
    pub tries: Tries,
    /// Body bytes received in the current try.
    pub body_bytes: usize,
    /// What the cache did, on routes that have one.
    pub cache: Option<Outcome>,
    /// Keeps the process from going down.
    pub in_flight: Option<InFlight>,
    /// Counts the connection once it is upgraded.
    pub upgrade: Option<OpenUpgrade>,
}

/// What an endpoint said to a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Heard {
    /// Nothing yet.
    #[default]
    Nothing,
    /// That it is not able to answer: another is to be asked.
    Unable,
    /// An answer, which the client gets.
    Answer,
}

/// The tries of one request.
#[derive(Default)]
pub struct Tries {
    /// Endpoints that have had it.
    pub tried: Tried,
    /// How many that were.
    pub count: usize,
    /// The one that has it now, or had it last.
    pub endpoint: Option<Busy>,
    /// When that one was chosen.
    pub started: Option<Instant>,
    /// From choosing it to its first byte, in milliseconds.
    pub first_byte_ms: Option<f64>,
    /// Some endpoint may have seen the request.
    pub sent: bool,
    /// Whether the request may be sent twice, as it is sent.
    pub repeatable: bool,
    /// What was heard of the current one.
    pub heard: Heard,
    /// Where the current one leads to, when it is an upgrade.
    pub tunnel: Option<Tunnel>,
}

impl Request {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            identity: Identity::default(),
            route: None,
            pool: None,
            affinity: Affinity::default(),
            tries: Tries::default(),
            body_bytes: 0,
            cache: None,
            in_flight: None,
            upgrade: None,
        }
    }
}

impl Request {
    /// The request goes to this endpoint now.
    pub fn begin_try(&mut self, index: usize, pool: &Pool) {
        self.tries.tried = self.tries.tried.with(index);
        self.tries.count += 1;
        self.tries.endpoint = Some(pool.endpoints[index].enter());
        self.tries.started = Some(Instant::now());
        self.tries.first_byte_ms = None;
        self.body_bytes = 0;
    }

    /// An answer has begun, whatever becomes of it.
    pub fn answer_begun(&mut self) {
        self.tries.heard = Heard::Answer;
        if self.tries.first_byte_ms.is_none() {
            self.tries.first_byte_ms =
                self.tries.started.map(|started| started.elapsed().as_secs_f64() * 1e3);
        }
    }
}

impl Default for Request {
    fn default() -> Self {
        Self::new()
    }
}

/// One open upgraded connection, for the gauge.
pub struct OpenUpgrade(IntGauge);

impl OpenUpgrade {
    /// Counts it until dropped.
    pub fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for OpenUpgrade {
    fn drop(&mut self) {
        self.0.dec();
    }
}
