//! For how long a tagged answer is believed: as long as it is known that every purge has been heard.
//!
//! Purges come in order on one connection. So when the answer to a question arrives there, whatever was published before the
//! question is known; that question's moment is a proof of life. A tagged answer is believed until a lease after the last
//! proof, or after its own origin was last asked for it, whichever is later. A connection that is only half there proves
//! nothing, and needs no other notice.
//!
//! Publishers may have to be heard of too: one that is cut off from Redis changes what it answers and cannot say so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Nothing was proven yet.
const NEVER: u64 = 0;

/// The last proofs of life. Moments are microseconds of the clock of [`super::tags::Tags`].
pub struct Lease {
    length: u64,
    /// Of our own connection.
    heard: AtomicU64,
    /// Of each publisher that must be heard of.
    publishers: Box<[(String, AtomicU64)]>,
}

impl Lease {
    /// So long, with these publishers.
    pub fn new(length: Duration, publishers: &[String]) -> Self {
        Self {
            length: micros(length),
            heard: AtomicU64::new(NEVER),
            publishers: publishers.iter().map(|name| (name.clone(), AtomicU64::new(NEVER))).collect(),
        }
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        Duration::from_micros(self.length)
    }

    /// Until when something is believed that its origin vouched for at that moment.
    pub fn until(&self, vouched: u64) -> u64 {
        vouched.max(self.proven()).saturating_add(self.length)
    }

    /// Whatever was published before that moment is known.
    pub fn heard(&self, at: u64) {
        self.heard.fetch_max(at, Ordering::AcqRel);
    }

    /// A publisher has said that by that moment it had purged whatever had changed. Others than those that must be heard of
    /// may say so too.
    pub fn alive(&self, name: &str, at: u64) {
        if let Some((_, heard)) = self.publishers.iter().find(|(known, _)| known == name) {
            heard.fetch_max(at, Ordering::AcqRel);
        }
    }

    fn proven(&self) -> u64 {
        let publishers = self.publishers.iter().map(|(_, heard)| heard.load(Ordering::Acquire));
        publishers.fold(self.heard.load(Ordering::Acquire), u64::min)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(publishers: &[&str]) -> Lease {
        let publishers: Vec<_> = publishers.iter().map(ToString::to_string).collect();
        Lease::new(Duration::from_micros(100), &publishers)
    }

    #[test]
    fn it_counts_from_the_last_proof_or_from_when_the_origin_was_asked() {
        let lease = lease(&[]);
        assert_eq!(lease.until(7), 107);
        lease.heard(50);
        assert_eq!((lease.until(7), lease.until(80)), (150, 180));
        lease.heard(20);
        assert_eq!(lease.until(7), 150, "an older proof says nothing new");
    }

    #[test]
    fn every_publisher_that_must_be_heard_of_counts() {
        let lease = lease(&["a", "b"]);
        lease.heard(900);
        lease.alive("a", 700);
        assert_eq!(lease.until(7), 107, "nobody has heard of b");
        lease.alive("b", 600);
        lease.alive("c", 1);
        assert_eq!(lease.until(7), 700);
    }
}
