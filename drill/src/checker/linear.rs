//! Is there one order of all operations that a machine could have gone through, each at some moment of its own interval?
//!
//! A search over which operation came next, after Wing and Gong ("Testing and verification in concurrent objects", 1993),
//! remembering every pair of what is done and the machine's state so that none is searched twice, after Lowe ("Testing for
//! linearizability", 2017). Two shortcuts, both exact: where nothing is under way the history is cut, and the search goes
//! on from the states that the first part can end in; and an operation that only reads is taken as soon as it fits, for
//! taking it changes nothing for the others.

use std::collections::HashSet;
use std::hash::Hash;

use crate::history::Nanos;

/// Pairs of what is done and a state, looked at in one search, before it gives up.
const NODES_MAX: usize = 4_000_000;

/// A machine whose operations are looked for in an order.
pub(crate) trait Machine {
    type State: Clone + Eq + Hash;
    type Op;

    /// The state after an operation; nothing when it cannot happen in this one.
    fn after(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State>;

    /// The states that it may pass into by itself, by something that is possible from a time not after `now` on.
    fn silently(&self, state: &Self::State, now: Nanos) -> Vec<Self::State>;

    /// Whether the operation leaves every state as it is.
    fn reads(&self, op: &Self::Op) -> bool;
}

/// An operation and its interval.
#[derive(Debug, Clone)]
pub(crate) struct Timed<O> {
    pub(crate) from: Nanos,
    pub(crate) until: Nanos,
    pub(crate) op: O,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There is an order.
    Linear,
    /// There is none.
    NotLinear,
    /// It would take too long to say.
    TooEntangled,
}

/// Looks for an order. `ops` are in order of `from`.
pub(crate) fn search<M: Machine>(machine: &M, start: M::State, ops: &[Timed<M::Op>]) -> Outcome {
    let mut states = HashSet::from([start]);
    let mut nodes = 0;
    for part in parts(ops) {
        let Some(ends) = Search::new(machine, part).ends(states, &mut nodes) else {
            return Outcome::TooEntangled;
        };
        if ends.is_empty() {
            return Outcome::NotLinear;
        }
        states = ends;
    }
    Outcome::Linear
}

/// Cuts where nothing is under way.
fn parts<O>(ops: &[Timed<O>]) -> impl Iterator<Item = &[Timed<O>]> {
    let mut latest = 0;
    ops.chunk_by(move |before, next| {
        latest = latest.max(before.until);
        next.from <= latest
    })
}

/// Which operations are done: all before `first`, and these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Done {
    first: usize,
    beyond: Vec<usize>,
}

impl Done {
    fn contains(&self, at: usize) -> bool {
        at < self.first || self.beyond.binary_search(&at).is_ok()
    }

    fn with(&self, at: usize) -> Self {
        let mut done = self.clone();
        done.add(at);
        done
    }

    fn add(&mut self, at: usize) {
        let place = self.beyond.partition_point(|each| *each < at);
        self.beyond.insert(place, at);
        let run = self.beyond.iter().zip(self.first..).take_while(|(at, next)| *at == next).count();
        self.beyond.drain(..run);
        self.first += run;
    }
}

struct Search<'a, M: Machine> {
    machine: &'a M,
    ops: &'a [Timed<M::Op>],
    seen: HashSet<(Done, M::State)>,
    open: Vec<(Done, M::State)>,
}

impl<'a, M: Machine> Search<'a, M> {
    fn new(machine: &'a M, ops: &'a [Timed<M::Op>]) -> Self {
        Self { machine, ops, seen: HashSet::new(), open: Vec::new() }
    }

    /// The states in which all of the operations can be done; nothing when there are too many ways.
    fn ends(mut self, starts: HashSet<M::State>, nodes: &mut usize) -> Option<HashSet<M::State>> {
        let mut ends = HashSet::new();
        for state in starts {
            self.reach(Done { first: 0, beyond: Vec::new() }, state);
        }
        while let Some((done, state)) = self.open.pop() {
            *nodes += 1;
            if *nodes > NODES_MAX {
                return None;
            }
            if done.first == self.ops.len() {
                ends.insert(state);
            } else {
                self.go_on(&done, &state);
            }
        }
        Some(ends)
    }

    /// Every next step.
    fn go_on(&mut self, done: &Done, state: &M::State) {
        let bound = self.bound(done);
        for state in self.machine.silently(state, bound) {
            self.reach(done.clone(), state);
        }
        for at in self.next(done, bound).collect::<Vec<_>>() {
            if let Some(state) = self.machine.after(state, &self.ops[at].op) {
                self.reach(done.with(at), state);
            }
        }
    }

    /// Notes a node, with all reads taken that fit.
    fn reach(&mut self, mut done: Done, state: M::State) {
        loop {
            let fitting = self.fitting_reads(&done, &state);
            if fitting.is_empty() {
                break;
            }
            for at in fitting {
                done.add(at);
            }
        }
        let node = (done, state);
        if self.seen.insert(node.clone()) {
            self.open.push(node);
        }
    }

    fn fitting_reads(&self, done: &Done, state: &M::State) -> Vec<usize> {
        let fits = |at: &usize| {
            let op = &self.ops[*at].op;
            self.machine.reads(op) && self.machine.after(state, op).is_some()
        };
        self.next(done, self.bound(done)).filter(fits).collect()
    }

    /// The first end of an operation that is not done: whatever comes next comes before it.
    fn bound(&self, done: &Done) -> Nanos {
        let mut bound = Nanos::MAX;
        for (at, op) in self.ops.iter().enumerate().skip(done.first) {
            if op.from > bound {
                break;
            }
            if !done.contains(at) {
                bound = bound.min(op.until);
            }
        }
        bound
    }

    /// Operations that can come next.
    fn next(&self, done: &Done, bound: Nanos) -> impl Iterator<Item = usize> {
        let begun = self.ops.iter().enumerate().skip(done.first).take_while(move |(_, op)| op.from <= bound);
        begun.map(|(at, _)| at).filter(|at| !done.contains(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register that forgets its value from a time on.
    struct Register {
        forgets_from: Nanos,
    }

    #[derive(Debug, Clone)]
    enum Op {
        Write(u8),
        Read(u8),
    }
    use Op::{Read, Write};

    impl Machine for Register {
        type State = u8;
        type Op = Op;

        fn after(&self, state: &u8, op: &Op) -> Option<u8> {
            match op {
                Write(value) => Some(*value),
                Read(value) => (value == state).then_some(*state),
            }
        }

        fn silently(&self, _state: &u8, now: Nanos) -> Vec<u8> {
            if self.forgets_from <= now { vec![0] } else { Vec::new() }
        }

        fn reads(&self, op: &Op) -> bool {
            matches!(op, Read(_))
        }
    }

    fn outcome(ops: &[(Nanos, Nanos, Op)]) -> Outcome {
        forgetting(Nanos::MAX, ops)
    }

    fn forgetting(forgets_from: Nanos, ops: &[(Nanos, Nanos, Op)]) -> Outcome {
        let ops: Vec<_> = ops
            .iter()
            .map(|(from, until, op)| Timed { from: *from, until: *until, op: op.clone() })
            .collect();
        search(&Register { forgets_from }, 0, &ops)
    }

    #[test]
    fn one_after_the_other_is_read_as_written() {
        assert_eq!(
            outcome(&[(0, 1, Write(1)), (2, 3, Read(1)), (4, 5, Write(2)), (6, 7, Read(2))]),
            Outcome::Linear
        );
        assert_eq!(outcome(&[(0, 1, Write(1)), (2, 3, Write(2)), (4, 5, Read(1))]), Outcome::NotLinear);
    }

    #[test]
    fn what_overlaps_may_come_in_any_order_but_in_one() {
        assert_eq!(outcome(&[(0, 9, Write(1)), (1, 8, Write(2)), (10, 11, Read(1))]), Outcome::Linear);
        assert_eq!(outcome(&[(0, 9, Write(1)), (1, 2, Read(1)), (3, 4, Read(0))]), Outcome::NotLinear);
        let twice = [(0, 9, Write(1)), (1, 8, Write(2)), (10, 13, Read(1)), (11, 12, Read(2))];
        assert_eq!(outcome(&twice), Outcome::NotLinear);
    }

    #[test]
    fn what_happens_by_itself_does_not_happen_early() {
        let ops = [(0, 1, Write(1)), (4, 6, Read(0))];
        assert_eq!(forgetting(6, &ops), Outcome::Linear);
        assert_eq!(forgetting(7, &ops), Outcome::NotLinear);
    }

    #[test]
    fn a_crowd_of_readers_is_no_trouble() {
        let mut ops = vec![(0, 10_000, Write(1))];
        ops.extend((1..5_000).map(|at| (at, 10_000 + at, Read(1))));
        assert_eq!(outcome(&ops), Outcome::Linear);
        ops.push((5_000, 5_001, Read(2)));
        assert_eq!(outcome(&ops), Outcome::NotLinear);
    }

    #[test]
    fn what_is_done_is_counted_from_its_front() {
        let mut done = Done { first: 0, beyond: Vec::new() };
        for at in [2, 1, 4] {
            done.add(at);
        }
        assert_eq!(done, Done { first: 0, beyond: vec![1, 2, 4] });
        done.add(0);
        assert_eq!(done, Done { first: 3, beyond: vec![4] });
        assert!(done.contains(2) && !done.contains(3));
    }
}
