//! Marquee in one thread: the rules of `domain`, driven through everything that can go wrong.
//!
//! A seed makes a world: a few seats, two or three services, visitors, watchers, a Postgres, a Redis and a bank, under a clock
//! that moves only when the world says so. Each request and each background task is a little machine; the world picks which of
//! them takes its next step, and between any two steps a service may crash, an answer may be lost, Redis may be emptied.
//! After every step every invariant of the design is checked. The same seed is the same story.
//!
//! ```text
//! cargo test --release --package domain --test simulation                                  # 256 seeds
//! MARQUEE_SIM_SEEDS=100000 cargo test --release --package domain --test simulation         # any number
//! MARQUEE_SIM_SEED=42 cargo test --release --package domain --test simulation -- --nocapture   # one, with its full story
//! ```
//!
//! Some worlds have thousands in line besides (`crowd`).
//!
//! What services do here follows `reservations` and `waitlist` step by step, with the same rules; stores are models of their
//! own, whose transactions are single steps, as row locks make them. `planted` breaks the world on purpose and demands that
//! some seed finds each bug.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "simulation/bank.rs"]
mod bank;
#[path = "simulation/books.rs"]
mod books;
#[path = "simulation/breaking.rs"]
mod breaking;
#[path = "simulation/chance.rs"]
mod chance;
#[path = "simulation/confirming.rs"]
mod confirming;
#[path = "simulation/crowd.rs"]
mod crowd;
#[path = "simulation/database.rs"]
mod database;
#[path = "simulation/freeing.rs"]
mod freeing;
#[path = "simulation/invariants.rs"]
mod invariants;
#[path = "simulation/line.rs"]
mod line;
#[path = "simulation/mirroring.rs"]
mod mirroring;
#[path = "simulation/placing.rs"]
mod placing;
#[path = "simulation/planted.rs"]
mod planted;
#[path = "simulation/process.rs"]
mod process;
#[path = "simulation/redis.rs"]
mod redis;
#[path = "simulation/run.rs"]
mod run;
#[path = "simulation/serving.rs"]
mod serving;
#[path = "simulation/settling.rs"]
mod settling;
#[path = "simulation/telling.rs"]
mod telling;
#[path = "simulation/visitors.rs"]
mod visitors;
#[path = "simulation/watching.rs"]
mod watching;
#[path = "simulation/witness.rs"]
mod witness;
#[path = "simulation/world.rs"]
mod world;

use run::{first_violation, tell};

/// Seeds when nobody asks for more.
const SEEDS: u64 = 256;

#[test]
fn every_invariant_holds_after_every_step() {
    if let Some(seed) = variable("MARQUEE_SIM_SEED") {
        let story = tell(seed, None);
        eprintln!("{}", story.lines.join("\n"));
        assert!(story.violation.is_none(), "seed {seed}: {}", story.violation.unwrap());
        return;
    }
    let seeds = variable("MARQUEE_SIM_SEEDS").unwrap_or(SEEDS);
    if let Some(seed) = first_violation(seeds, None) {
        panic!("{}", tell(seed, None).ending());
    }
}

#[test]
fn a_seed_replays() {
    for seed in [1, 2, 3] {
        assert_eq!(tell(seed, None).lines, tell(seed, None).lines);
    }
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value:?}")))
}
