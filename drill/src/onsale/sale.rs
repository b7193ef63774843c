//! What everybody in a run shares: the plan, what is on sale, the history, and the counts for the live line.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use domain::id::{BookingId, HoldId};

use super::changes::Changes;
use super::plan::Plan;
use super::program::Program;
use crate::buyer::Buyer;
use crate::history::Recorder;

/// One run.
#[derive(Debug)]
pub(super) struct Sale {
    /// The balancer.
    pub(super) target: String,
    /// All settings.
    pub(super) plan: Plan,
    /// Where everything is written down.
    pub(super) recorder: Recorder,
    /// The shows in the sale.
    pub(super) program: Program,
    /// Who changed a seat, and when they asked for it.
    pub(super) changes: Changes,
    /// Counts for the live line.
    pub(super) tally: Tally,
    /// When somebody last saw a seat change.
    pub(super) last_change: AtomicU64,
    deadlines: Mutex<HashMap<HoldId, u64>>,
    in_line: Mutex<HashMap<u32, Buyer>>,
    sold: Mutex<HashSet<BookingId>>,
}

/// Counts of one run so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Buyers who came, and those of them who were not let in.
    pub(super) arrived: AtomicU64,
    pub(super) missed: AtomicU64,
    /// Buyers inside, and those of them who stand in a line.
    pub(super) inside: AtomicU64,
    pub(super) waiting: AtomicU64,
    /// Live sockets, open or trying to be.
    pub(super) sockets: AtomicU64,
    /// Seats sold.
    pub(super) sold: AtomicU64,
    /// Answers: 4xx, 5xx, none.
    pub(super) refused: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) unanswered: AtomicU64,
}

/// Counts somebody for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted<'sale>(&'sale AtomicU64);

impl<'sale> Counted<'sale> {
    /// One more.
    pub(super) fn one(count: &'sale AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sale {
    /// Looks up what is on sale.
    pub(super) async fn open(target: &str, plan: &Plan, recorder: &Recorder) -> Result<Self> {
        Ok(Self::of(target, plan, recorder, Program::read(target, plan.shows).await?))
    }

    /// Of a program that is known.
    pub(super) fn of(target: &str, plan: &Plan, recorder: &Recorder, program: Program) -> Self {
        Self {
            target: target.to_owned(),
            plan: plan.clone(),
            recorder: recorder.clone(),
            changes: Changes::of(&program),
            program,
            tally: Tally::default(),
            last_change: AtomicU64::new(0),
            deadlines: Mutex::default(),
            in_line: Mutex::default(),
            sold: Mutex::default(),
        }
    }

    /// Somebody who was never here before.
    pub(super) fn stranger(&self) -> Result<Buyer> {
        Buyer::with_timeout(&self.target, self.plan.request_timeout)
    }

    /// Notes a booking; the same one told twice is one.
    pub(super) fn note_sold(&self, booking: &BookingId, seats: usize) {
        let mut sold = self.sold.lock().unwrap_or_else(PoisonError::into_inner);
        if sold.insert(booking.clone()) {
            self.tally.sold.fetch_add(seats as u64, Ordering::Relaxed);
        }
    }

    /// Notes when a hold will lapse, unless something else becomes of it.
    pub(super) fn note_deadline(&self, hold: &HoldId, expires_at_ns: u64) {
        self.deadlines.lock().unwrap_or_else(PoisonError::into_inner).insert(hold.clone(), expires_at_ns);
    }

    /// Something else has become of it.
    pub(super) fn note_over(&self, hold: &HoldId) {
        self.deadlines.lock().unwrap_or_else(PoisonError::into_inner).remove(hold);
    }

    /// Whether a hold's deadline is so near, behind or ahead, that its seats may be changing.
    pub(super) fn deadline_near(&self, behind: Duration, ahead: Duration) -> bool {
        let now = wall_ns();
        let nanos = |duration: Duration| duration.as_nanos() as u64;
        let near = now.saturating_sub(nanos(behind))..now + nanos(ahead);
        let deadlines = self.deadlines.lock().unwrap_or_else(PoisonError::into_inner);
        deadlines.values().any(|deadline| near.contains(deadline))
    }

    /// Notes that a buyer asks for a place in line, which may be theirs though nobody tells them.
    pub(super) fn note_in_line(&self, number: u32, buyer: &Buyer) {
        self.in_line.lock().unwrap_or_else(PoisonError::into_inner).insert(number, buyer.clone());
    }

    /// A buyer's place in line is over.
    pub(super) fn note_out_of_line(&self, number: u32) {
        self.in_line.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    /// Who may still stand in a line.
    pub(super) fn take_in_line(&self) -> HashMap<u32, Buyer> {
        std::mem::take(&mut self.in_line.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Now, in nanoseconds since the epoch.
pub(super) fn wall_ns() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}
