//! A seat as a machine: free, held by one hold, or booked by one; with a fencing token that only grows.
//!
//! A hold's deadline is no operation of anybody's: from then on the seat may be free, at any time, without a word, and is free
//! for whoever asks. What was asked for and never answered may happen at any time too, or never.
//!
//! A hold whose money came when it had lapsed is sold all the same, out of its own hands or nobody's, under a new token.

use super::super::allowances::CLOCKS;
use super::super::linear::{self, Machine, Outcome, Timed};
use crate::history::Nanos;

/// All that happened to one seat.
#[derive(Debug, Clone, Default)]
pub(super) struct SeatHistory {
    pub(super) holds: Vec<SeatHold>,
    pub(super) refusals: Vec<Refusal>,
}

/// One hold of it: what was acknowledged, and from when on the rest is possible.
#[derive(Debug, Clone)]
pub(super) struct SeatHold {
    /// Which, among all lives.
    pub(super) life: usize,
    pub(super) token: Option<i64>,
    pub(super) sale: Sale,
    /// From then on it may be free.
    pub(super) deadline: Nanos,
    pub(super) placed: (Nanos, Nanos),
    pub(super) booked: Vec<(Nanos, Nanos)>,
    pub(super) released: Vec<(Nanos, Nanos)>,
    pub(super) cancelled: Vec<(Nanos, Nanos)>,
    pub(super) may_book: Nanos,
    pub(super) may_release: Nanos,
    pub(super) may_cancel: Nanos,
}

/// How a hold is sold, if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sale {
    /// In time, under the token it has.
    InTime,
    /// When it had lapsed, under a new token, where that is known.
    Late(Option<i64>),
}

/// Somebody was told that it is not free, which is true at some moment of this interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Which request, among all attempts.
    pub(super) attempt: usize,
    pub(super) from: Nanos,
    pub(super) until: Nanos,
}

impl SeatHistory {
    /// Whether all of it can have happened to one seat.
    pub(super) fn search(&self) -> Outcome {
        let late = (0..self.holds.len()).filter(|at| self.holds[*at].sale != Sale::InTime).collect();
        linear::search(&Seat { holds: &self.holds, late }, State::default(), &self.ops())
    }

    /// How many operations there are.
    pub(super) fn len(&self) -> usize {
        self.ops().len()
    }

    fn ops(&self) -> Vec<Timed<Op>> {
        let mut ops: Vec<Timed<Op>> = Vec::new();
        let mut add = |(from, until): (Nanos, Nanos), op| ops.push(Timed { from, until, op });
        for (at, hold) in self.holds.iter().enumerate() {
            add(hold.placed, Op::Place(at));
            hold.booked.iter().for_each(|span| add(*span, Op::Book(at)));
            hold.released.iter().for_each(|span| add(*span, Op::Release(at)));
            hold.cancelled.iter().for_each(|span| add(*span, Op::Cancel(at)));
        }
        self.refusals.iter().for_each(|refusal| add((refusal.from, refusal.until), Op::Refuse(refusal.from)));
        ops.sort_by_key(|op| (op.from, op.until));
        ops
    }
}

/// An operation, with the hold it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Place(usize),
    Book(usize),
    Release(usize),
    Cancel(usize),
    /// Not before this.
    Refuse(Nanos),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct State {
    owner: Owner,
    /// The largest token so far.
    token: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Owner {
    #[default]
    Nobody,
    Held(usize),
    Booked(usize),
}

struct Seat<'a> {
    holds: &'a [SeatHold],
    /// Those that were sold when they had lapsed.
    late: Vec<usize>,
}

impl Seat<'_> {
    /// Sold: what is held, under the token it has; what had lapsed, under a new one, if nobody else has it.
    fn booked(&self, state: &State, at: usize) -> Option<State> {
        let owner = Owner::Booked(at);
        match (self.holds[at].sale, state.owner) {
            (Sale::InTime, Owner::Held(held)) if held == at => Some(State { owner, ..*state }),
            (Sale::Late(token), Owner::Held(held)) if held == at => anew(state, owner, token),
            (Sale::Late(token), Owner::Nobody) => anew(state, owner, token),
            _ => None,
        }
    }

    /// The holds that may be sold without a word.
    fn sellable(&self, state: &State) -> impl Iterator<Item = usize> {
        let held = if let Owner::Held(at) = state.owner { Some(at) } else { None };
        let lapsed = if state.owner == Owner::Nobody { self.late.as_slice() } else { &[] };
        held.into_iter().chain(lapsed.iter().copied())
    }
}

/// Claimed under a token that must be greater than the last.
fn anew(state: &State, owner: Owner, token: Option<i64>) -> Option<State> {
    let token = token.unwrap_or(state.token + 1);
    (token > state.token).then_some(State { owner, token })
}

impl Machine for Seat<'_> {
    type State = State;
    type Op = Op;

    fn after(&self, state: &State, op: &Op) -> Option<State> {
        let with = |owner| Some(State { owner, ..*state });
        match (*op, state.owner) {
            (Op::Place(hold), Owner::Nobody) => anew(state, Owner::Held(hold), self.holds[hold].token),
            (Op::Place(_), _) | (Op::Refuse(_), Owner::Nobody) => None,
            // Nobody need have seen that a hold has lapsed: but it is no reason any more.
            (Op::Refuse(from), Owner::Held(hold)) => {
                (from <= self.holds[hold].deadline.saturating_add(CLOCKS)).then_some(*state)
            }
            (Op::Refuse(_), Owner::Booked(_)) => Some(*state),
            (Op::Book(hold), _) => self.booked(state, hold),
            // What is over already stays as it is.
            (Op::Release(hold), Owner::Booked(owner)) if owner == hold => None,
            (Op::Release(hold), owner) => {
                with(if owner == Owner::Held(hold) { Owner::Nobody } else { owner })
            }
            (Op::Cancel(hold), Owner::Held(owner)) if owner == hold => None,
            (Op::Cancel(hold), owner) => {
                with(if owner == Owner::Booked(hold) { Owner::Nobody } else { owner })
            }
        }
    }

    fn silently(&self, state: &State, now: Nanos) -> Vec<State> {
        let mut owners = Vec::new();
        match state.owner {
            Owner::Nobody => {}
            Owner::Held(at) => {
                let hold = &self.holds[at];
                if hold.deadline.saturating_sub(CLOCKS).min(hold.may_release) <= now {
                    owners.push(Owner::Nobody);
                }
            }
            Owner::Booked(at) => {
                if self.holds[at].may_cancel <= now {
                    owners.push(Owner::Nobody);
                }
            }
        }
        let freed = owners.into_iter().map(|owner| State { owner, ..*state });
        let may_book = |at: &usize| self.holds[*at].may_book <= now;
        let sold = self.sellable(state).filter(may_book).filter_map(|at| self.booked(state, at));
        freed.chain(sold).collect()
    }

    fn reads(&self, op: &Op) -> bool {
        matches!(op, Op::Refuse(_))
    }
}
