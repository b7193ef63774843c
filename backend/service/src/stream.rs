//! Events between services: a few Redis Streams for each owner, read by consumer groups (every event by one of them, at least
//! once) and by followers (every event by each process, once).
//!
//! Events that share a key share a stream, and stand there in the order in which the relay appended them. A follower hears them in
//! that order. So does a group, as long as one consumer reads and nothing is refused; consumers that share the work do not wait
//! for each other.
//!
//! A consumer must be idempotent, and neither may need the stream for its correctness: a Redis that was emptied has lost
//! what was in it, and streams are trimmed. Who was away for longer than they reach back is told, and reads the owner's tables.

mod consumer;
mod follower;

pub use consumer::{Subscription, consume};
pub use follower::{Following, follow};

use std::time::Duration;

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use redis::Pipeline;
use redis::streams::StreamId;

use crate::metrics::register;

/// Streams of each owner. Another number is another order: whoever changes it must let the old ones be read to their end.
const PARTITIONS: u32 = 8;
/// Entries kept in one stream, about. What is in it when it is full takes some 35 MiB of Redis' memory.
const ENTRIES_MAX: usize = 100_000;
/// Entries read at once of each stream.
const READ_MAX: usize = 500;
/// How long one read waits for news.
const BLOCK_MS: usize = 1_000;
/// After a failure, before the next attempt.
const PAUSE: Duration = Duration::from_millis(500);
/// What reading is called among the loops of a process; it reads what it reads with one.
const LOOP: &str = "events";
/// How often that succeeds when nothing comes.
const LOOP_INTERVAL: Duration = Duration::from_millis(BLOCK_MS as u64);
/// Between two looks at what was left behind, by others or by us.
const LOOK_PAUSE: Duration = Duration::from_secs(3);

/// One of the streams of an owner's events.
pub fn key(prefix: &str, owner: &str, partition: u32) -> String {
    format!("{prefix}:events:{owner}:{partition}")
}

/// All of them.
pub fn keys(prefix: &str, owner: &str) -> Vec<String> {
    (0..PARTITIONS).map(|partition| key(prefix, owner, partition)).collect()
}

/// Which of them has the events of a key: by FNV-1a (Fowler, Noll, Vo), which is the same everywhere and for ever.
pub fn partition(key: &str) -> u32 {
    let hash =
        key.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % PARTITIONS
}

/// One event on its way into a stream.
pub(crate) struct Entry<'a> {
    /// Its type, by which consumers pass over what does not concern them without reading it.
    pub(crate) kind: &'a str,
    /// Its number in the owner's outbox: a batch whose answer was lost is added again.
    pub(crate) number: i64,
    /// Its JSON.
    pub(crate) event: &'a str,
}

/// Adds one event.
pub(crate) fn append(pipeline: &mut Pipeline, stream: &str, entry: &Entry<'_>) {
    let mut add = redis::cmd("XADD");
    add.arg(stream).arg("MAXLEN").arg("~").arg(ENTRIES_MAX).arg("*");
    add.arg("type").arg(entry.kind).arg("number").arg(entry.number).arg("event").arg(entry.event);
    pipeline.add_command(add).ignore();
}

/// The JSON of an entry of one of these types.
fn wanted(entry: &StreamId, types: &[&str]) -> Option<String> {
    let kind: String = entry.get("type")?;
    if types.contains(&kind.as_str()) { entry.get("event") } else { None }
}

/// How far a program is behind the events that it reads, by owner.
#[derive(Debug, Clone)]
pub struct Behind {
    entries: IntGaugeVec,
    missed: IntCounterVec,
}

impl Behind {
    /// Registers both for a program.
    pub fn new(registry: &Registry, program: &str) -> Self {
        let entries = Opts::new(
            format!("marquee_{program}_events_behind"),
            "Events not yet read, or read and not yet acknowledged, by owner.",
        );
        let missed = Opts::new(
            format!("marquee_{program}_events_missed_total"),
            "Events that were trimmed before they were read, by owner.",
        );
        Self {
            entries: register(registry, IntGaugeVec::new(entries, &["owner"])),
            missed: register(registry, IntCounterVec::new(missed, &["owner"])),
        }
    }

    fn set(&self, owner: &str, entries: i64) {
        self.entries.with_label_values(&[owner]).set(entries);
    }

    fn missed(&self, owner: &str, missed: u64) {
        self.missed.with_label_values(&[owner]).inc_by(missed);
        if missed > 0 {
            tracing::warn!(owner, missed, "events were trimmed before they were read");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_where_it_is() {
        // The authors' own examples, 0x811c9dc5, 0xe40c292c and 0xbf9cf968.
        assert_eq!(["", "a", "foobar"].map(partition), [5, 4, 0]);
        let mut used: Vec<u32> = (0..100).map(|show| partition(&format!("show_{show}"))).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used, (0..PARTITIONS).collect::<Vec<_>>());
    }
}
