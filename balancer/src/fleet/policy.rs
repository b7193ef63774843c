//! How one of several endpoints is chosen: one file for each policy, pure but for the counter of the two that draw.
//! A policy must not know why an endpoint is not eligible, nor what a key was made of.

pub mod bounded_load;
pub mod hash;
pub mod least_request;
mod lots;
pub mod maglev;
pub mod ring_hash;
pub mod round_robin;
#[cfg(test)]
mod trial;

use crate::config;

use self::least_request::LeastRequest;
use self::maglev::Maglev;
use self::ring_hash::RingHash;
use self::round_robin::RoundRobin;

/// What a policy may ask about the endpoints it was built from, by index. It asks about few of them at each pick, and
/// about one several times: answers must be cheap.
pub trait Candidates {
    /// Whether it may be picked.
    fn eligible(&self, endpoint: usize) -> bool;

    /// Requests it is working on. Open sockets are not among them: most of them are idle.
    fn in_flight(&self, endpoint: usize) -> usize;

    /// How much of its share it can carry, above 0 and at most 1; less than 1 only in slow start, and then growing.
    fn warmth(&self, endpoint: usize) -> f64;
}

/// Chooses among the endpoints it was built from, by index.
pub trait Policy: Send + Sync {
    /// The endpoint for this key; none when none is eligible. Policies that do not hash do not use the key.
    fn pick(&self, key: u64, candidates: &dyn Candidates) -> Option<usize>;
}

/// The policy a configuration names, over endpoints of these names and weights.
pub fn build(policy: config::Policy, endpoints: &[(&str, u32)]) -> Box<dyn Policy> {
    let weights = || endpoints.iter().map(|(_, weight)| *weight).collect::<Vec<u32>>();
    match policy {
        config::Policy::RingHash { load_factor } => Box::new(RingHash::new(endpoints, load_factor)),
        config::Policy::Maglev { load_factor } => Box::new(Maglev::new(endpoints, load_factor)),
        config::Policy::LeastRequest => Box::new(LeastRequest::new(&weights(), rand::random())),
        config::Policy::RoundRobin => Box::new(RoundRobin::new(&weights(), rand::random())),
    }
}
