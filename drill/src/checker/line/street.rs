//! A seat that comes free while somebody waits who could use it is never sold to somebody from the street.

use std::collections::HashMap;

use domain::id::{EntryId, SeatId};
use domain::status::HoldStatus;

use super::super::Evidence;
use super::super::allowances::{CLOCKS, KEPT_FOR_THE_LINE};
use super::super::excuses::Trouble::LineLate;
use super::super::lives::Place;
use super::super::story::{self, Line};
use super::super::verdict::{Judgement, Story};
use super::{Waiting, came};
use crate::books::{Books, Entry, Hold};
use crate::history::{Effect, History, Nanos, What};

/// Judges every hold that nobody was offered.
pub(super) fn judge(evidence: &Evidence, waiting: &Waiting, judgement: &mut Judgement) {
    let street = Street { evidence, waiting, told: told(evidence.history), freed: freed(evidence.books) };
    for hold in evidence.books.holds.iter().filter(|hold| hold.entry.is_none()) {
        judgement.looked(1);
        for seat in &hold.seats {
            if let Some((passed, freed_at_ns)) = street.passed(hold, seat) {
                judgement.accuse(|| tell(evidence, (hold, seat), passed, freed_at_ns));
            }
        }
    }
}

struct Street<'a, 'b> {
    evidence: &'b Evidence<'a>,
    waiting: &'b Waiting<'a>,
    /// When a place in line was first acknowledged: from then on it counts, and no sooner.
    told: HashMap<&'a EntryId, Nanos>,
    /// When each seat came free, by the database's clock.
    freed: HashMap<Place<'a>, Vec<Nanos>>,
}

impl<'a> Street<'a, '_> {
    /// Somebody who stood in line before the seat came free, and still when it was held, and for whom it would have been enough.
    fn passed(&self, hold: &Hold, seat: &SeatId) -> Option<(&'a Entry, Nanos)> {
        let held_at_ns = hold.created_at_ns;
        let freed = self.freed.get(&(&hold.show, seat))?;
        let freed_at_ns = freed.iter().copied().filter(|at| *at <= held_at_ns).max()?;
        let at = |wall| self.evidence.history.at_wall(wall);
        // What nobody serves goes on sale after a bound, as it should.
        if held_at_ns - freed_at_ns > KEPT_FOR_THE_LINE - CLOCKS {
            return None;
        }
        if self.evidence.excuses.pardon(LineLate, at(freed_at_ns), at(held_at_ns)) {
            return None;
        }
        let offers = &self.evidence.books.offers;
        let chosen_by_then = |entry: &Entry| {
            let first = self.waiting.first.get(&entry.entry);
            first.is_some_and(|first| offers[*first].decided_at_ns <= held_at_ns)
        };
        let waited = |entry: &&Entry| {
            self.told.get(&entry.entry).is_some_and(|told| *told < at(freed_at_ns))
                && entry.ended_at_ns.is_none_or(|ended| ended > held_at_ns)
                && !chosen_by_then(entry)
                && self.waiting.rooms.fit(entry, std::slice::from_ref(seat), None)
        };
        let passed = self.waiting.lines.get(&hold.show)?.values().copied().find(waited)?;
        Some((passed, freed_at_ns))
    }
}

fn told(history: &History) -> HashMap<&EntryId, Nanos> {
    let mut told = HashMap::new();
    for record in &history.records {
        if let What::Ok { effect: Effect::Entry { entry, .. }, .. } = &record.what {
            told.entry(entry).or_insert(record.at);
        }
    }
    told
}

fn freed(books: &Books) -> HashMap<Place<'_>, Vec<Nanos>> {
    let mut freed: HashMap<Place<'_>, Vec<Nanos>> = HashMap::new();
    // A hold that was bought is over too, and frees nothing.
    let ended = |hold: &Hold| hold.ended_at_ns.filter(|_| hold.status != HoldStatus::Booked);
    let holds = books.holds.iter().map(|hold| (&hold.show, &hold.seats, ended(hold)));
    let bookings = books.bookings.iter().map(|sale| (&sale.show, &sale.seats, sale.cancelled_at_ns));
    for (show, seats, ended) in holds.chain(bookings) {
        for (seat, at) in seats.iter().zip(std::iter::repeat(ended)) {
            freed.entry((show, seat)).or_default().extend(at);
        }
    }
    freed
}

fn tell(evidence: &Evidence, (hold, seat): (&Hold, &SeatId), passed: &Entry, freed_at_ns: u64) -> Story {
    let at = |wall| evidence.history.at_wall(wall);
    let placed = format!("{} of {} is placed for nobody in line", hold.hold, story::names(&hold.seats));
    let lines = [
        came(evidence, passed),
        Line::new(at(freed_at_ns), format!("{seat} comes free")),
        Line::new(at(hold.created_at_ns), placed),
    ];
    Story::new(
        format!("{seat} of {} went to the street while {} waited", hold.show, passed.entry),
        story::in_order(lines),
    )
}
