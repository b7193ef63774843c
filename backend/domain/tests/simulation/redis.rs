//! A Redis that may be away, emptied, and a little off the database's clock.

use std::collections::VecDeque;
use std::fmt;

use domain::id::{OwnerId, SeatId};
use domain::live::Seats;
use domain::mirror::gate::{Gate, Request};
use domain::mirror::{Claimed, Drift, Kind, Mirror, MirrorSeat, Step};

use crate::database::News;
use crate::planted::Bug;

/// How long a claim waits for Postgres.
const PENDING_MS: u64 = 2_000;
/// Keyed owners that are remembered.
const REMEMBERED_MAX: usize = 1_000;

/// What watchers hear.
#[derive(Debug, Clone)]
pub(crate) enum Frame {
    Step(u64, Seats),
    Reload,
}

/// A mirror as it was read.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) mirror: Mirror,
    pub(crate) now_ms: u64,
}

impl fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mirror { version, queue_open, seats } = &self.mirror;
        let queue = if *queue_open { "queue open" } else { "no queue" };
        write!(formatter, "{}+{} {queue}", version >> 32, version & 0xffff_ffff)?;
        seats.iter().try_for_each(|(id, seat)| write!(formatter, " {id}={seat}"))
    }
}

pub(crate) struct Redis {
    pub(crate) gate: Gate,
    pub(crate) away: bool,
    pub(crate) offset_ms: i64,
    /// Keys may have been used that the gate does not remember: the mirror was begun anew when seats had been claimed already.
    forgetful: bool,
    pub(crate) published: VecDeque<Frame>,
    /// Events that the relay put here, and the number of the first one.
    pub(crate) stream: Vec<News>,
    pub(crate) stream_from: u64,
    now_ms: u64,
    bug: Option<Bug>,
}

impl Redis {
    pub(crate) fn new(bug: Option<Bug>) -> Self {
        Self {
            gate: Gate::default(),
            away: false,
            offset_ms: 0,
            forgetful: false,
            published: VecDeque::new(),
            stream: Vec::new(),
            stream_from: 0,
            now_ms: 0,
            bug,
        }
    }

    /// Its clock, as a script sees it.
    pub(crate) fn begin(&mut self, now_ms: i64) {
        self.now_ms = (now_ms + self.offset_ms).unsigned_abs();
    }

    pub(crate) fn emptied(&mut self) {
        self.gate = Gate::default();
        self.stream_from += self.stream.len() as u64;
        self.stream.clear();
    }

    /// What the gate says, and whether it may have forgotten keys.
    pub(crate) fn claim(&mut self, owner: &OwnerId, seats: &[SeatId]) -> (Claimed, bool) {
        let request = Request { owner, keyed: true, seats, deadline_ms: self.now_ms + PENDING_MS };
        let (claimed, step) = self.gate.claim(request, REMEMBERED_MAX, self.now_ms);
        self.publish(step);
        (claimed, self.forgetful)
    }

    pub(crate) fn undo(&mut self, owner: &OwnerId, seats: &[SeatId]) {
        if self.bug == Some(Bug::UndoFreesWhatIsConfirmed) {
            self.make_pending(owner, seats);
        }
        let step = self.gate.undo(owner, seats);
        self.publish(step);
    }

    pub(crate) fn apply(&mut self, facts: &[(SeatId, MirrorSeat)]) {
        if self.bug == Some(Bug::ApplyIgnoresTokens) {
            self.forget(facts);
        }
        let now_ms = self.now_ms;
        let step = self.gate.mirror.as_mut().and_then(|mirror| mirror.apply(facts, now_ms).1);
        self.publish(step);
    }

    pub(crate) fn load(&mut self, loaded: Mirror) -> bool {
        let claimed_before = !loaded.seats.is_empty();
        let taken = Mirror::load(&mut self.gate.mirror, loaded);
        if taken {
            self.forgetful = claimed_before;
            self.published.push_back(Frame::Reload);
        }
        taken
    }

    pub(crate) fn mend(&mut self, drifts: &[Drift]) -> usize {
        let Some(mirror) = &mut self.gate.mirror else { return 0 };
        let (mended, step) = mirror.mend(drifts);
        self.publish(step);
        mended
    }

    pub(crate) fn read(&self) -> Option<Reading> {
        Some(Reading { mirror: self.gate.mirror.clone()?, now_ms: self.now_ms })
    }

    pub(crate) fn set_queue(&mut self, open: bool) {
        if let Some(mirror) = &mut self.gate.mirror {
            mirror.queue_open = open;
        }
    }

    fn publish(&mut self, step: Option<Step>) {
        self.published.extend(step.map(|step| Frame::Step(step.version, step.changes)));
    }

    fn make_pending(&mut self, owner: &OwnerId, seats: &[SeatId]) {
        for seat in self.gate.mirror.iter_mut().flat_map(|mirror| mirror.seats.iter_mut()) {
            if seats.contains(seat.0) && seat.1.owner == owner.as_str() {
                seat.1.kind = Kind::Pending;
            }
        }
    }

    fn forget(&mut self, facts: &[(SeatId, MirrorSeat)]) {
        for (seat, new) in facts {
            if let Some(old) = self.gate.mirror.as_mut().and_then(|mirror| mirror.seats.get_mut(seat)) {
                old.token = new.token.min(old.token) - 1;
            }
        }
    }
}
