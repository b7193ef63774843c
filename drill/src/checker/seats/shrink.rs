//! From a seat's history that no seat can have had to the least of it that still shows that, as in delta debugging (Zeller
//! and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).
//!
//! What is left out must not be what made the rest possible: a history without its releases fails, and means nothing. So
//! only this is ever dropped: refusals, on which nothing depends; and holds with all that was done with them, whose seat
//! is then free instead, where no refusal can have been because of them.

use super::super::linear::Outcome;
use super::model::{SeatHistory, SeatHold};
use crate::history::Nanos;

/// The least that fails. `history` does.
pub(super) fn shrink(history: &SeatHistory) -> SeatHistory {
    let SeatHistory { holds, refusals } = history.clone();
    let refusals = minimal(refusals, |refusals| {
        fails(&SeatHistory { holds: holds.clone(), refusals: refusals.to_vec() })
    });
    let removable = |hold: &SeatHold| {
        refusals.iter().all(|refusal| refusal.until < hold.placed.0 || last_moment(hold) < refusal.from)
    };
    let (loose, fixed): (Vec<_>, Vec<_>) = holds.into_iter().partition(removable);
    let together = |loose: &[SeatHold]| {
        let mut holds = [loose, &fixed].concat();
        holds.sort_by_key(|hold| hold.placed);
        SeatHistory { holds, refusals: refusals.clone() }
    };
    let loose = minimal(loose, |loose| fails(&together(loose)));
    together(&loose)
}

fn fails(history: &SeatHistory) -> bool {
    history.search() == Outcome::NotLinear
}

/// The last moment at which the seat can have been this hold's.
fn last_moment(hold: &SeatHold) -> Nanos {
    let over = hold.released.iter().chain(&hold.cancelled).map(|(_, until)| *until);
    over.min().unwrap_or(Nanos::MAX)
}

/// Items without which it would not fail, found by leaving out halves, quarters, and so on.
fn minimal<T: Clone>(mut items: Vec<T>, fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut size = items.len();
    while size > 0 {
        let mut at = 0;
        while at < items.len() {
            let mut rest = items.clone();
            rest.drain(at..(at + size).min(items.len()));
            if fails(&rest) {
                items = rest;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_it_fails_with_is_left() {
        let fails = |items: &[u32]| items.contains(&3) && items.contains(&70);
        assert_eq!(minimal((0..100).collect(), fails), [3, 70]);
        assert_eq!(minimal(vec![1, 2, 3], |_| true), [0; 0]);
    }
}
