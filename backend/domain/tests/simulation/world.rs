//! All there is in one world.

use std::collections::VecDeque;

use domain::id::SeatId;
use jiff::Timestamp;

use crate::bank::Bank;
use crate::chance::Chance;
use crate::database::Database;
use crate::invariants::Invariants;
use crate::placing::Batch;
use crate::planted::Bug;
use crate::process::Fate;
use crate::redis::Redis;
use crate::watching::Watcher;
use crate::witness::Witness;
use domain::mirror::Drift;

/// Seats of a house that a crowd waits for.
const CROWD_SEATS: i64 = 40;
/// Thousands do so many times more in a moment than a few do.
pub(crate) const CROWD_STEPS: usize = 15;
/// When every world begins.
const BEGUN_MS: i64 = 1_000_000;

/// How bad a world is: each happens once in so many times, and never when it is 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    /// A service crashes before a step.
    pub(crate) crash: usize,
    /// An answer of a store or the bank is lost, or the request is.
    pub(crate) lost: usize,
    /// A live frame does not arrive.
    pub(crate) frame_lost: usize,
    /// Redis is emptied, goes, comes back, or its clock moves, before a step.
    pub(crate) redis: usize,
}

impl Faults {
    pub(crate) const NONE: Self = Self { crash: 0, lost: 0, frame_lost: 0, redis: 0 };

    /// One world in four is calm. What happens once in so many steps happens less often where `more_steps` are taken in the same time.
    fn drawn(chance: &mut Chance, more_steps: usize) -> Self {
        if chance.one_in(4) {
            return Self::NONE;
        }
        Self {
            crash: chance.of(&[0, 60, 200, 600]) * more_steps,
            lost: chance.of(&[0, 12, 40]),
            frame_lost: chance.of(&[0, 3, 10]),
            redis: chance.of(&[0, 120, 400]) * more_steps,
        }
    }
}

/// What a process remembers until it crashes.
#[derive(Default)]
pub(crate) struct Service {
    pub(crate) up: bool,
    /// Holds that wait to be written together.
    pub(crate) batch: Batch,
    /// The highest version shown from Postgres while Redis was away.
    pub(crate) shown_without_redis: u64,
    /// What differed in the last look at the mirror.
    pub(crate) suspicions: Vec<Drift>,
    /// How much of the stream it has handled.
    pub(crate) read: u64,
}

pub(crate) struct World {
    pub(crate) now_ms: i64,
    pub(crate) chance: Chance,
    pub(crate) bug: Option<Bug>,
    pub(crate) faults: Faults,
    /// Whether this world never saw a fault: then nothing may drift.
    pub(crate) calm: bool,
    pub(crate) seats: Vec<SeatId>,
    pub(crate) database: Database,
    pub(crate) redis: Redis,
    pub(crate) bank: Bank,
    pub(crate) services: Vec<Service>,
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) witness: Witness,
    pub(crate) invariants: Invariants,
    /// So many wait in line besides the visitors.
    pub(crate) crowd: u32,
    /// The doors are closed: nobody new comes, nothing breaks.
    pub(crate) faults_are_over: bool,
    keys: u32,
    pub(crate) violation: Option<String>,
    /// Written only when the story is to be told.
    pub(crate) story: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, crowd: u32, bug: Option<Bug>, told: bool) -> Self {
        let mut chance = Chance::new(seed);
        let faults = Faults::drawn(&mut chance, if crowd == 0 { 1 } else { CROWD_STEPS });
        let calm = faults.crash + faults.lost + faults.redis == 0;
        let capacity = if crowd == 0 { chance.between(3, 7) } else { CROWD_SEATS };
        let seats: Vec<_> = (1..=capacity).map(|at| SeatId::parse(format!("A{at}")).unwrap()).collect();
        let services = (0..chance.between(2, 3)).map(|_| Service::default());
        Self {
            services: services.collect(),
            watchers: (0..chance.between(1, 3)).map(|_| Watcher::default()).collect(),
            now_ms: BEGUN_MS,
            bug,
            faults,
            calm,
            database: Database::new(bug, &seats),
            seats,
            redis: Redis::new(bug),
            bank: Bank::new(chance.below(1 << 30) as u64),
            witness: Witness::default(),
            invariants: Invariants::since(BEGUN_MS),
            crowd,
            faults_are_over: false,
            keys: 0,
            violation: None,
            story: told.then(Vec::new),
            chance,
        }
    }

    /// The database's clock, by which everything is decided.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms).unwrap()
    }

    pub(crate) fn next_key(&mut self) -> u32 {
        self.keys += 1;
        self.keys
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:>8} {}", self.now_ms, line()));
        }
    }

    pub(crate) fn violate(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }

    /// Services that could answer.
    pub(crate) fn up(&self) -> Vec<usize> {
        (0..self.services.len()).filter(|at| self.services[*at].up).collect()
    }

    pub(crate) fn fate_of_transaction(&mut self) -> Fate {
        self.drawn_fate()
    }

    pub(crate) fn fate_of_command(&mut self) -> Fate {
        if self.redis.away { Fate::Refused } else { self.drawn_fate() }
    }

    pub(crate) fn fate_of_call(&mut self) -> Fate {
        self.drawn_fate()
    }

    fn drawn_fate(&mut self) -> Fate {
        if !self.chance.one_in(self.faults.lost) {
            return Fate::Answered;
        }
        self.invariants.fault_ms = self.now_ms;
        if self.chance.one_in(2) { Fate::Silent } else { Fate::Refused }
    }

    /// To every watcher, unless a frame is lost on its way.
    pub(crate) fn deliver_frames(&mut self) {
        let frames: VecDeque<_> = std::mem::take(&mut self.redis.published);
        for frame in frames {
            for at in 0..self.watchers.len() {
                if !self.chance.one_in(self.faults.frame_lost) {
                    self.watchers[at].inbox.push_back(frame.clone());
                }
            }
        }
    }
}
