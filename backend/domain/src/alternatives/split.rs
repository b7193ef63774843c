//! A party that cannot sit together, in as few groups as can be, near each other.
//!
//! The first group is near what was wanted; each next one is the nearest to the first with which the rest can still be seated
//! in as few groups as there must be. Nobody sits alone where the groups can be made even.

use std::cmp::Reverse;
use std::ops::Range;

use super::{ALTERNATIVES_MAX, Wanted};
use crate::best;
use crate::hold::Seating;
use crate::orphans;
use crate::plan::taken::Taken;
use crate::plan::{Block, Plan, Point};

/// How many first groups are tried for the alternatives.
const FIRST_GROUPS_MAX: usize = 16;

/// Choices of as many seats as are wanted, in the fewest groups; none when there are not as many.
pub(super) fn split(plan: &Plan, taken: &Taken, wanted: Wanted, orphan_rule: bool) -> Vec<Vec<usize>> {
    let mut offered: Vec<Vec<usize>> = Vec::new();
    let free = runs(plan, taken);
    for first in first_groups(plan, taken, wanted, &free) {
        if offered.len() == ALTERNATIVES_MAX {
            break;
        }
        let Some(choice) = first.complete(plan, taken, wanted, &free, orphan_rule) else { continue };
        if choice.iter().all(|seat| offered.iter().all(|other| !other.contains(seat))) {
            offered.push(choice);
        }
    }
    offered
}

/// Where the seating of a party begins.
struct FirstGroup {
    /// Seats that are part of it whatever comes: room for a wheelchair.
    kept: Option<Block>,
    /// The free seats it goes on with.
    run: Option<Range<usize>>,
    near: Point,
}

fn first_groups(plan: &Plan, taken: &Taken, wanted: Wanted, free: &[Range<usize>]) -> Vec<FirstGroup> {
    let mut groups: Vec<_> = match wanted.seating {
        Seating::Accessible => {
            // The largest such block leaves the fewest to sit elsewhere.
            let blocks = |size| best::accessible(plan, taken, size, wanted.near);
            let largest = (1..wanted.size).rev().map(blocks).find(|blocks| !blocks.is_empty());
            let group = |kept| FirstGroup { kept: Some(kept), run: None, near: plan.middle(kept) };
            largest.unwrap_or_default().into_iter().map(group).collect()
        }
        Seating::Standard => {
            let group = |run: &Range<usize>| FirstGroup {
                kept: None,
                run: Some(run.clone()),
                near: middle(plan, run),
            };
            let mut groups: Vec<_> = free.iter().map(group).collect();
            groups.sort_by(|a, b| a.near.distance(wanted.near).total_cmp(&b.near.distance(wanted.near)));
            // One from which the party cannot be seated in as few groups as can be is not tried.
            let fewest = fewest(free.iter().map(ExactSizeIterator::len).collect(), wanted.size);
            groups.retain(|group| {
                let run = group.run.clone().unwrap_or_default();
                fewest.is_some_and(|fewest| {
                    reach(free, std::slice::from_ref(&run), fewest - 1) + run.len() >= wanted.size
                })
            });
            groups
        }
    };
    groups.truncate(FIRST_GROUPS_MAX);
    groups
}

impl FirstGroup {
    /// The whole choice, if it can be made from here.
    fn complete(
        &self,
        plan: &Plan,
        taken: &Taken,
        wanted: Wanted,
        free: &[Range<usize>],
        orphan_rule: bool,
    ) -> Option<Vec<usize>> {
        let kept: Vec<usize> = self.kept.iter().flat_map(|block| block.seats()).collect();
        // A stretch may go on from a kept place: those seats are another group's as well as any.
        let free: Vec<_> = free.iter().flat_map(|run| without(run, &kept)).collect();
        let need = wanted.size - kept.len();
        let runs = gather(plan, &free, self.run.clone(), self.near, need)?;
        let lengths: Vec<_> = runs.iter().map(ExactSizeIterator::len).collect();
        [even(&lengths, need), full(&lengths, need)].into_iter().find_map(|shares| {
            let blocks =
                std::iter::zip(&runs, shares).map(|(run, size)| cut(plan, taken, run, size, wanted.near));
            let mut choice: Vec<_> = blocks.flat_map(Block::seats).chain(kept.iter().copied()).collect();
            choice.sort_unstable();
            (!orphan_rule || orphans::judge(plan, taken, &choice).is_none()).then_some(choice)
        })
    }
}

/// As few runs as can be with `need` seats: `first`, then always the nearest with which it can still be done.
fn gather(
    plan: &Plan,
    free: &[Range<usize>],
    first: Option<Range<usize>>,
    near: Point,
    need: usize,
) -> Option<Vec<Range<usize>>> {
    let groups = fewest(free.iter().map(ExactSizeIterator::len).collect(), need)?;
    let mut chosen: Vec<_> = first.into_iter().collect();
    loop {
        let seated: usize = chosen.iter().map(ExactSizeIterator::len).sum();
        if seated >= need {
            return Some(chosen);
        }
        let others = groups.checked_sub(chosen.len() + 1)?;
        let mut with = chosen.clone();
        let next = free
            .iter()
            .filter(|run| !chosen.contains(run))
            .filter(|run| {
                with.push((*run).clone());
                let possible = seated + run.len() + reach(free, &with, others) >= need;
                with.pop();
                possible
            })
            .min_by(|a, b| middle(plan, a).distance(near).total_cmp(&middle(plan, b).distance(near)))?;
        chosen.push(next.clone());
    }
}

/// How many seats the longest `count` runs have that are not among `chosen`.
fn reach(free: &[Range<usize>], chosen: &[Range<usize>], count: usize) -> usize {
    let mut lengths: Vec<_> =
        free.iter().filter(|run| !chosen.contains(run)).map(ExactSizeIterator::len).collect();
    lengths.sort_unstable_by_key(|length| Reverse(*length));
    lengths.iter().take(count).sum()
}

/// How many runs it takes at least to seat `need`.
fn fewest(mut lengths: Vec<usize>, need: usize) -> Option<usize> {
    lengths.sort_unstable_by_key(|length| Reverse(*length));
    let mut seated = 0;
    lengths
        .iter()
        .position(|length| {
            seated += length;
            seated >= need
        })
        .map(|at| at + 1)
}

/// One seat to each run in turn, as long as there is room.
fn even(lengths: &[usize], need: usize) -> Vec<usize> {
    let mut shares = vec![0; lengths.len()];
    let mut left = need;
    while left > 0 {
        let before = left;
        for (share, length) in std::iter::zip(&mut shares, lengths) {
            if left > 0 && *share < *length {
                *share += 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    shares
}

/// Each run as far as it goes, the first first, but one seat for each.
fn full(lengths: &[usize], need: usize) -> Vec<usize> {
    let mut left = need;
    let mut after = lengths.len();
    let share = |length: &usize| {
        after -= 1;
        let share = (*length).min(left - after.min(left));
        left -= share;
        share
    };
    lengths.iter().map(share).collect()
}

/// The end of a run that leaves the fewest alone, then the one nearer to what was wanted.
fn cut(plan: &Plan, taken: &Taken, run: &Range<usize>, size: usize, near: Point) -> Block {
    let (left, right) = (Block { first: run.start, size }, Block { first: run.end - size, size });
    let cost = |block| (orphans::count(plan, taken, block), plan.middle(block).distance(near));
    let ((left_orphans, left_distance), (right_orphans, right_distance)) = (cost(left), cost(right));
    if (right_orphans, right_distance) < (left_orphans, left_distance) { right } else { left }
}

/// The longest stretches of adjacent free standard seats.
fn runs(plan: &Plan, taken: &Taken) -> Vec<Range<usize>> {
    plan.stretches().iter().flat_map(|stretch| cut_at(stretch, |seat| !taken.free(seat))).collect()
}

fn without(run: &Range<usize>, seats: &[usize]) -> Vec<Range<usize>> {
    cut_at(run, |seat| seats.contains(&seat))
}

/// What is left of a range without some of its seats.
fn cut_at(range: &Range<usize>, gone: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = range.start;
    for seat in range.clone().chain([range.end]) {
        if seat == range.end || gone(seat) {
            pieces.push(start..seat);
            start = seat + 1;
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

fn middle(plan: &Plan, run: &Range<usize>) -> Point {
    plan.middle(Block { first: run.start, size: run.len() })
}
