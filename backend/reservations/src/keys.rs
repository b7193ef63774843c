//! Every Redis key and channel of reservations.

use std::fmt;

use domain::id::ShowId;

/// Makes keys under one prefix.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

/// The mirror of one show lives this long after its last change, then it is loaded anew when asked for.
pub const MIRROR_TTL_SECONDS: u64 = 6 * 3_600;

/// Keyed holds of one show that are remembered.
pub const REMEMBERED_MAX: u64 = 20_000;
/// How long.
pub const REMEMBERED_SECONDS: u64 = 24 * 3_600;

impl Keys {
    /// For one Marquee.
    pub fn new(prefix: impl fmt::Display) -> Self {
        Self { prefix: prefix.to_string() }
    }

    /// Hash: the mirror of a show's seats (see `gate.rs`). TTL [`MIRROR_TTL_SECONDS`]. Written and read by the gate.
    /// The show's id is the hash tag, so that all of a show's keys live on one node of a cluster.
    pub fn mirror(&self, show: &ShowId) -> String {
        format!("{}:show:{{{show}}}", self.prefix)
    }

    /// Sorted set: holds that were claimed here under an `Idempotency-Key`, by time in milliseconds; at most
    /// [`REMEMBERED_MAX`]. TTL [`REMEMBERED_SECONDS`]. Written and read by the gate, which lets a repetition pass on to
    /// Postgres, where the first answer is.
    pub fn remembered(&self, show: &ShowId) -> String {
        format!("{}:keyed:{{{show}}}", self.prefix)
    }

    /// String: somebody looks at this show's mirror (`mirror/reconciling.rs`), for as long as it is there: less than a second.
    pub fn looked_at(&self, show: &ShowId) -> String {
        format!("{}:look:{{{show}}}", self.prefix)
    }

    /// Channel: the show's live frames. Published by the gate, read by every instance that has a watcher.
    pub fn live(&self, show: &ShowId) -> String {
        format!("{}{show}", self.live_prefix())
    }

    /// Channel: what whoever stores our answers must ask for again, as the balancer's `POST /purge` has it, and that we are alive.
    /// Published by the gate's scripts and by `mirror/reconciling.rs`, read by every balancer.
    pub fn purges(&self) -> String {
        format!("{}:purge", self.prefix)
    }

    /// What every live channel begins with.
    pub fn live_prefix(&self) -> String {
        format!("{}:live:", self.prefix)
    }
}
