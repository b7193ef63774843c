//! What the balancer remembers about one request while it passes through.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use prometheus::IntGauge;

use super::affinity::Affinity;
use super::identity::Identity;
use super::limit::CountedSocket;
use super::silence::Turn;
use super::tunnel::Tunnel;
use crate::cache::passage::Passage;
use crate::cache::status::Outcome;
use crate::cache::tags::Moments;
use crate::config::{Config, Route};
use crate::fleet::Snapshot;
use crate::fleet::endpoint::Busy;
use crate::fleet::pool::{Pool, Tried};
use crate::limit::admission::Permit;
use crate::operate::access_log::milliseconds;
use crate::operate::drain::{InFlight, OpenSocket};

/// The label of requests that have no route.
const NO_ROUTE: &str = "none";

/// One request, from its header to its log line.
pub struct Request {
    /// When its header had arrived.
    pub started: Instant,
    /// Who sent it.
    pub identity: Identity,
    /// What it is decided with, from its first line to its last.
    pub snapshot: Arc<Snapshot>,
    /// Its route, by index, once found.
    route: Option<usize>,
    /// What its route hashes on, where it says that.
    pub hash_key: Option<u64>,
    /// Where it belongs, once an endpoint was chosen.
    pub affinity: Option<Affinity>,
    /// How its tries went.
    pub tries: Tries,
    /// Body bytes received in the current try.
    pub body_bytes: usize,
    /// Whether its body has come to its end.
    pub body_ended: bool,
    /// What the cache did, on routes that have one.
    pub cache: Option<Outcome>,
    /// When it came and was sent on, as purges see it.
    pub moments: Moments,
    /// What it leaves behind there.
    pub passage: Passage,
    /// Keeps the process from going down.
    pub in_flight: Option<InFlight>,
    /// Counts the connection once it is upgraded.
    pub upgrade: Option<OpenUpgrade>,
    /// Its pool has no room for it.
    pub shed: bool,
    /// Its place in the pool, one for all its tries.
    pub permit: Option<Permit>,
    /// Counts it among the sockets of its pool and client, when it asks to become one.
    pub socket: Option<CountedSocket>,
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
    /// The index of that one, until it is known how the try has ended.
    pub undecided: Option<usize>,
    /// When that one was chosen.
    pub started: Option<Instant>,
    /// When it had the whole body; none when there is no body.
    pub body_sent_at: Option<Instant>,
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
    /// Bounds the silence of the current one's endpoint, when it is not.
    pub turn: Option<Turn>,
}

impl Tries {
    /// Whether the connection was ended because the endpoint said nothing.
    pub fn fell_silent(&self) -> bool {
        self.turn.as_ref().is_some_and(Turn::ended)
    }

    /// The endpoint has answered with this status; what only announces an answer does not count.
    pub fn count_answer(&self, status: StatusCode, now: Instant) {
        let announces = status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS;
        if let (Some(endpoint), Some(started), false) = (&self.endpoint, self.started, announces) {
            endpoint.traffic.answered(now - started, status.is_server_error());
        }
    }

    /// The endpoint could not be reached, or broke off without an answer.
    pub fn count_break(&self) {
        if let Some(endpoint) = &self.endpoint {
            endpoint.traffic.broke_off();
        }
    }
}

impl Request {
    /// Nothing known yet.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self {
            started: Instant::now(),
            snapshot,
            identity: Identity::default(),
            route: None,
            hash_key: None,
            affinity: None,
            tries: Tries::default(),
            body_bytes: 0,
            body_ended: false,
            cache: None,
            moments: Moments::default(),
            passage: Passage::default(),
            in_flight: None,
            upgrade: None,
            shed: false,
            permit: None,
            socket: None,
        }
    }

    /// The configuration it is decided with.
    pub fn config(&self) -> &Config {
        &self.snapshot.config
    }

    /// This is its route.
    pub fn set_route(&mut self, index: usize) {
        self.route = Some(index);
    }

    /// Its route, once found.
    pub fn route(&self) -> Option<&Route> {
        self.route.map(|index| &self.snapshot.config.routes[index])
    }

    /// The pool of its route.
    pub fn pool(&self) -> Option<&Arc<Pool>> {
        self.route().map(|route| &self.snapshot.pools[route.pool])
    }

    /// Its route, by index, once found.
    pub fn route_index(&self) -> Option<usize> {
        self.route
    }

    /// The pattern of its route, for labels.
    pub fn route_name(&self) -> &str {
        self.route().map_or(NO_ROUTE, |route| route.pattern.as_str())
    }

    /// The name of its pool, for labels.
    pub fn pool_name(&self) -> &str {
        self.pool().map_or(NO_ROUTE, |pool| pool.settings.name.as_str())
    }

    /// The key to choose an endpoint with. Only a client that is placed by an affinity cookie ever gets one.
    pub fn place(&mut self, headers: &HeaderMap) -> u64 {
        let settings = &self.snapshot.config.affinity;
        let affinity = self.affinity.get_or_insert_with(|| {
            self.hash_key.map_or_else(|| Affinity::by_cookie(headers, settings), Affinity::by_key)
        });
        affinity.key
    }

    /// No endpoint has it twice, so there are never more tries than endpoints.
    pub fn attempts_max(&self) -> usize {
        let endpoints = self.pool().map_or(0, |pool| pool.endpoints.len());
        self.config().retry.attempts_max.min(endpoints)
    }

    /// The request goes to this endpoint now.
    pub fn begin_try(&mut self, index: usize, pool: &Pool, now: Instant) {
        self.tries.tried = self.tries.tried.with(index);
        self.tries.count += 1;
        self.tries.endpoint = Some(pool.endpoints[index].enter());
        self.tries.undecided = Some(index);
        self.tries.started = Some(now);
        self.tries.body_sent_at = None;
        self.tries.first_byte_ms = None;
        self.tries.turn = None;
        self.body_bytes = 0;
        self.body_ended = false;
    }

    /// What is left of the time it may take from its header on; none when that is over.
    pub fn time_left(&self, total: Option<Duration>, now: Instant) -> Option<Duration> {
        match total {
            None => Some(Duration::MAX),
            Some(total) => total.checked_sub(now - self.started).filter(|left| !left.is_zero()),
        }
    }

    /// Something has gone to or come from the endpoint: so long it may be silent now.
    pub fn expect_more(&self) {
        if let (Some(turn), Some(route)) = (&self.tries.turn, self.route()) {
            let begun = self.tries.heard == Heard::Answer;
            turn.expect_within(if begun { route.answer_idle } else { route.first_byte });
        }
    }

    /// How long the current try has been going on.
    pub fn try_elapsed(&self) -> Duration {
        self.tries.started.map_or(Duration::ZERO, |started| started.elapsed())
    }

    /// An answer has begun, whatever becomes of it.
    pub fn answer_begun(&mut self, now: Instant) {
        self.tries.heard = Heard::Answer;
        if self.tries.first_byte_ms.is_none() {
            self.tries.first_byte_ms = self.tries.started.map(|started| milliseconds(now - started));
        }
    }
}

/// One open upgraded connection, for the gauge and for the way down.
pub struct OpenUpgrade(IntGauge, #[expect(dead_code, reason = "it counts until it is dropped")] OpenSocket);

impl OpenUpgrade {
    /// Counts it until dropped.
    pub fn new(gauge: &IntGauge, open: OpenSocket) -> Self {
        gauge.inc();
        Self(gauge.clone(), open)
    }
}

impl Drop for OpenUpgrade {
    fn drop(&mut self) {
        self.0.dec();
    }
}
