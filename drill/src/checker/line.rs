//! Invariant 6: offers go in order of arrival, nobody is skipped, and a lapsed offer moves on.
//!
//! Judged by the order of decisions as the waitlist wrote them down under the lock of each line: who is shown what, and
//! when, goes through two services and a socket, and says less.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::id::{EntryId, SeatId, ShowId};
use domain::status::{EntryStatus, HoldStatus};

use super::Evidence;
use super::allowances::ESCROWED;
use super::excuses::Trouble::LineLate;
use super::lives::Place;
use super::story::{self, Line};
use super::verdict::{Judgement, Story};
use crate::books::{ClaimStatus, Entry, Hold, Offer};
use crate::history::{Sight, What};

/// Judges it.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement =
        Judgement::new(6, "offers go in order of arrival; nobody is skipped; a lapsed offer moves on");
    let waiting = Waiting::of(evidence);
    for (at, offer) in evidence.books.offers.iter().enumerate() {
        judgement.looked(1);
        if let Some(skipped) = waiting.skipped(at, offer) {
            judgement.accuse(|| waiting.tell_skipped(evidence, offer, skipped));
        }
    }
    for hold in evidence.books.holds.iter().filter(|hold| hold.entry.is_some()) {
        judgement.looked(1);
        if let Some(stuck) = waiting.stuck(evidence, hold) {
            judgement.accuse(|| tell_stuck(evidence, hold, stuck));
        }
    }
    for (seen, unknown) in offers_seen(evidence) {
        judgement.looked(1);
        if unknown {
            judgement
                .accuse(|| Story::new(format!("an offer was shown that nobody made: {seen}"), Vec::new()));
        }
    }
    evidence.complaints(&mut judgement);
    judgement
}

/// The line of every show, in order of arrival.
struct Waiting<'a> {
    entries: HashMap<&'a EntryId, &'a Entry>,
    lines: HashMap<&'a ShowId, BTreeMap<i64, &'a Entry>>,
    /// The place of each entry's first decision among all decisions.
    first: HashMap<&'a EntryId, usize>,
    claims: HashMap<Place<'a>, ClaimStatus>,
}

impl<'a> Waiting<'a> {
    fn of(evidence: &Evidence<'a>) -> Self {
        let books = evidence.books;
        let mut lines: HashMap<&ShowId, BTreeMap<i64, &Entry>> = HashMap::new();
        for entry in &books.entries {
            lines.entry(&entry.show).or_default().insert(entry.seq, entry);
        }
        let mut first = HashMap::new();
        for (at, offer) in books.offers.iter().enumerate() {
            first.entry(&offer.entry).or_insert(at);
        }
        Self {
            entries: books.entries.iter().map(|entry| (&entry.entry, entry)).collect(),
            lines,
            first,
            claims: books.claims.iter().map(|claim| ((&claim.show, &claim.seat), claim.status)).collect(),
        }
    }

    /// Somebody who came before, whom these seats fit, who was in line and had not been chosen for anything.
    fn skipped(&self, at: usize, offer: &Offer) -> Option<&'a Entry> {
        let chosen = self.entries.get(&offer.entry)?;
        let line = self.lines.get(&chosen.show)?;
        let there = |entry: &Entry| {
            entry.created_at_ns < offer.decided_at_ns
                && entry.ended_at_ns.is_none_or(|ended_at| ended_at > offer.decided_at_ns)
                && self.first.get(&entry.entry).is_none_or(|first| *first > at)
        };
        let before = line.range(..chosen.seq).map(|(_, entry)| *entry);
        before.into_iter().find(|entry| fits(entry, &offer.seats) && there(entry))
    }

    /// Somebody who waited when an offer was over, whom its seats fit, and who still waits although they are free.
    fn stuck(&self, evidence: &Evidence, hold: &Hold) -> Option<&'a Entry> {
        let over = matches!(hold.status, HoldStatus::Expired | HoldStatus::Released);
        let read_at_ns = evidence.books.read_at_ns?;
        let (from, until) = (hold.expires_at_ns, hold.expires_at_ns + ESCROWED);
        let excused = {
            let at = |wall| evidence.history.at_wall(wall);
            evidence.excuses.pardon(LineLate, at(from.min(hold.created_at_ns)), at(until))
        };
        let free = |seat: &SeatId| self.claims.get(&(&hold.show, seat)) == Some(&ClaimStatus::Free);
        if !over || excused || until > read_at_ns || !hold.seats.iter().all(free) {
            return None;
        }
        let waits = |entry: &&Entry| {
            entry.status == EntryStatus::Waiting
                && entry.created_at_ns < hold.created_at_ns
                && !self.first.contains_key(&entry.entry)
                && fits(entry, &hold.seats)
        };
        self.lines.get(&hold.show)?.values().copied().find(waits)
    }

    fn tell_skipped(&self, evidence: &Evidence, offer: &Offer, skipped: &Entry) -> Story {
        let chosen = self.entries.get(&offer.entry).copied();
        let mut lines: Vec<Line> =
            [Some(skipped), chosen].into_iter().flatten().map(|each| came(evidence, each)).collect();
        let of_them = |other: &&Offer| other.entry == skipped.entry || other.seq == offer.seq;
        lines.extend(evidence.books.offers.iter().filter(of_them).map(|each| decided(evidence, each)));
        let title = format!("{} came before {} and was passed over", skipped.entry, offer.entry);
        Story::new(title, story::in_order(lines))
    }
}

/// Whether these seats are as many as they need, of those they want.
fn fits(entry: &Entry, seats: &[SeatId]) -> bool {
    let wanted = |seat: &&SeatId| entry.seats.is_empty() || entry.seats.contains(seat);
    seats.iter().filter(wanted).count() >= entry.party
}

/// Offers that sockets showed, and whether they are unknown to the books.
fn offers_seen<'a>(evidence: &Evidence<'a>) -> HashMap<&'a EntryId, bool> {
    let holds: HashSet<_> =
        evidence.books.holds.iter().map(|hold| (&hold.hold, hold.entry.as_ref())).collect();
    let mut seen = HashMap::new();
    for record in &evidence.history.records {
        if let What::Saw { sight: Sight::Offer { entry, hold, .. }, .. } = &record.what {
            let unknown = evidence.books.known() && !holds.contains(&(hold, Some(entry)));
            *seen.entry(entry).or_default() |= unknown;
        }
    }
    seen
}

fn came(evidence: &Evidence, entry: &Entry) -> Line {
    let wish = if entry.seats.is_empty() { "any".to_owned() } else { story::names(&entry.seats) };
    let text = format!(
        "{} comes to the line of {} as number {}, for {} of {wish}",
        entry.entry, entry.show, entry.seq, entry.party
    );
    Line::new(evidence.history.at_wall(entry.created_at_ns), text)
}

fn decided(evidence: &Evidence, offer: &Offer) -> Line {
    let text = format!("decision {}: {} gets {}", offer.seq, offer.entry, story::names(&offer.seats));
    Line::new(evidence.history.at_wall(offer.decided_at_ns), text)
}

fn tell_stuck(evidence: &Evidence, hold: &Hold, stuck: &Entry) -> Story {
    let at = evidence.history.at_wall(hold.expires_at_ns);
    let text = format!("{} of {} is over: {:?}", hold.hold, story::names(&hold.seats), hold.status);
    Story::new(
        format!("an offer of {} is over, its seats are free, and {} still waits", hold.show, stuck.entry),
        story::in_order([came(evidence, stuck), Line::new(at, text)]),
    )
}

#[cfg(test)]
mod tests;
