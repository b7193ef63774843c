//! How one of several endpoints is chosen.
//! A policy must not know why an endpoint is not eligible.

pub mod ring_hash;

use crate::config;

use self::ring_hash::RingHash;

/// Chooses among the endpoints it was built from, by index.
pub trait Policy: Send + Sync {
    /// The endpoint for this key among those `eligible`; none when there is none.
    fn pick(&self, key: u64, eligible: &dyn Fn(usize) -> bool) -> Option<usize>;
}

/// The policy a configuration names, over these names and weights.
pub fn build<'a>(policy: config::Policy, endpoints: impl Iterator<Item = (&'a str, u32)>) -> Box<dyn Policy> {
    match policy {
        config::Policy::RingHash => Box::new(RingHash::new(endpoints)),
    }
}
