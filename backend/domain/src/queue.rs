//! Who is offered the seats that came free: the first in line whom they fit, then the next.
//!
//! All seats of a show that are free for its line are given away together, in a [`Round`], which goes through the line from its
//! front. Whoever they fit is offered some. The first whom they do not fit, but who could use some of them, may *gather*: what it
//! could use is kept for it, and those behind it are served only from what is left. That is EASY backfilling (Lifka, "The
//! ANL/IBM SP Scheduling System", 1995): one reservation, for the first that must wait, and whoever does not delay it may pass.
//!
//! Why nobody is overtaken by somebody who came later with the same wish: each sees at least what those behind it see, and what
//! fits some seats fits more seats ([`fitting::fit`]).
//!
//! Why gathering ends: a seat is kept no longer than until its own bound, an entry gathers no longer than [`Terms::gather`] at a
//! time, and then it rests; while it rests, only smaller parties may gather behind it.

pub mod audit;
pub mod estimate;
pub mod fitting;
pub mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::id::{EntryId, SeatId, SessionId};
use crate::money::Money;
use crate::plan::Plan;
use crate::plan::taken::Taken;

pub use wish::Wish;

/// How long seats may be kept for somebody whom they do not fit yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// How long an entry gathers at a time.
    pub gather: Duration,
    /// How long it does not, after that.
    pub rest: Duration,
}

/// Somebody in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter {
    /// Their place in line.
    pub entry_id: EntryId,
    /// Who they are.
    pub session_id: SessionId,
    /// What they wait for.
    pub wish: Wish,
    /// When their last gathering ends, or ended.
    pub gathers_until: Option<Timestamp>,
}

/// A show, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct House<'a> {
    /// Its places.
    pub plan: &'a Plan,
    /// For one seat.
    pub price: &'a Money,
}

/// A seat that is free for the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freed {
    /// Which.
    pub seat: SeatId,
    /// It is kept for nobody after this.
    pub keep_until: Timestamp,
}

/// Seats for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Who.
    pub entry_id: EntryId,
    /// What.
    pub seats: Vec<SeatId>,
}

/// Seats that are kept for somebody whom they do not fit yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathering {
    /// Who gathers.
    pub entry_id: EntryId,
    /// Until when.
    pub until: Timestamp,
    /// What is kept.
    pub seats: Vec<SeatId>,
    /// When the first of these seats, or the gathering itself, is over.
    pub look_at: Timestamp,
}

/// What is left when everybody in line was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What is kept for somebody.
    pub gathering: Option<Gathering>,
    /// What nobody can have: it goes on open sale.
    pub rest: Vec<SeatId>,
}

/// Seats on their way through a line, which is asked from its front, one after the other.
#[derive(Debug)]
pub struct Round<'a> {
    house: House<'a>,
    now: Timestamp,
    terms: Terms,
    /// By number, with the end of what they may be kept.
    free: BTreeMap<usize, Timestamp>,
    gatherer: Option<Gatherer>,
    /// The smallest party ahead that could gather, and rests.
    resting: usize,
}

#[derive(Debug)]
struct Gatherer {
    entry_id: EntryId,
    until: Timestamp,
    kept: BTreeSet<usize>,
}

impl<'a> Round<'a> {
    /// With these seats. Names that are no seats of the house are passed over.
    pub fn new(house: House<'a>, freed: &[Freed], now: Timestamp, terms: Terms) -> Self {
        let number = |freed: &Freed| Some((house.plan.number(freed.seat.as_str())?, freed.keep_until));
        let free = freed.iter().filter_map(number).collect();
        Self { house, now, terms, free, gatherer: None, resting: usize::MAX }
    }

    /// Asks the next in line. Those who came before were asked before.
    pub fn ask(&mut self, waiter: &Waiter) -> Option<Assignment> {
        if waiter.wish.too_dear(self.house.price) {
            return None;
        }
        let left = self.left(|_| true);
        if let Some(seats) = fitting::fit(self.house.plan, &waiter.wish, &left) {
            self.free.retain(|seat, _| !seats.contains(seat));
            return Some(Assignment { entry_id: waiter.entry_id.clone(), seats: self.house.plan.ids(seats) });
        }
        if self.gatherer.is_none() {
            self.gather(waiter);
        }
        None
    }

    /// How many seats those behind can have, at most.
    pub fn room(&self) -> usize {
        self.free.len() - self.gatherer.as_ref().map_or(0, |gatherer| gatherer.kept.len())
    }

    /// Whether a party that the seats do not fit may still gather.
    pub fn gathers(&self) -> bool {
        self.gatherer.is_some()
    }

    /// When the line is at its end.
    pub fn finish(self) -> Left {
        let plan = self.house.plan;
        let kept = self.gatherer.as_ref().map(|gatherer| gatherer.kept.clone()).unwrap_or_default();
        let rest = plan.ids(self.free.keys().copied().filter(|seat| !kept.contains(seat)));
        let gathering = self.gatherer.map(|Gatherer { entry_id, until, kept }| {
            let ends = kept.iter().filter_map(|seat| self.free.get(seat)).copied();
            let look_at = ends.chain([until]).min().unwrap_or(until);
            Gathering { entry_id, until, seats: plan.ids(kept), look_at }
        });
        Left { gathering, rest }
    }

    /// Keeps what somebody could use, whom it does not fit yet.
    fn gather(&mut self, waiter: &Waiter) {
        let keepable = self.left(|keep_until| keep_until > self.now);
        let kept = fitting::useful(self.house.plan, &waiter.wish, &keepable);
        if kept.is_empty() {
            return;
        }
        let party = waiter.wish.party.size();
        match self.until(waiter.gathers_until) {
            None => self.resting = self.resting.min(party),
            Some(until) if party < self.resting => {
                let entry_id = waiter.entry_id.clone();
                self.gatherer = Some(Gatherer { entry_id, until, kept: kept.into_iter().collect() });
            }
            Some(_) => {}
        }
    }

    /// Until when somebody may gather; nothing while they rest.
    fn until(&self, before: Option<Timestamp>) -> Option<Timestamp> {
        match before {
            Some(until) if self.now < until => Some(until),
            Some(until) if self.now < until + self.terms.rest => None,
            Some(_) | None => Some(self.now + self.terms.gather),
        }
    }

    /// What is free and kept for nobody.
    fn left(&self, which: impl Fn(Timestamp) -> bool) -> Taken {
        let kept = |seat: &usize| self.gatherer.as_ref().is_some_and(|gatherer| gatherer.kept.contains(seat));
        let mut left = Taken::all(self.house.plan.capacity());
        for (seat, _) in self.free.iter().filter(|(seat, until)| !kept(seat) && which(**until)) {
            left.release(*seat);
        }
        left
    }
}

/// Asks a whole line, as far as there is anything to give.
pub fn serve<'w>(
    mut round: Round<'_>,
    line: impl IntoIterator<Item = &'w Waiter>,
) -> (Vec<Assignment>, Left) {
    let mut assignments = Vec::new();
    for waiter in line {
        if round.room() == 0 {
            break;
        }
        assignments.extend(round.ask(waiter));
    }
    (assignments, round.finish())
}

#[cfg(test)]
mod tests;
