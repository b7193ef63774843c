//! Invariant 6: offers go in order of arrival, nobody is skipped, and a lapsed offer moves on.
//!
//! Nobody is offered seats twice, none that came free goes to the street past somebody who could use it, and none is kept for the line
//! past its bound.
//!
//! Judged by the order of decisions as the waitlist wrote them down under the lock of each line: who is shown what, and
//! when, goes through two services and a socket, and says less.

mod street;
mod wish;

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::id::{EntryId, SeatId, ShowId};
use domain::status::{EntryStatus, HoldStatus};

use super::Evidence;
use super::allowances::{ANNOUNCED_WITHIN, ESCROWED, GRACE};
use super::excuses::Trouble::LineLate;
use super::lives::Place;
use super::story::{self, Line};
use super::verdict::{Judgement, Story};
use crate::books::{ClaimStatus, Entry, Escrow, Hold, Offer};
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
    for holds in offered_twice(evidence) {
        judgement.accuse(|| tell_twice(evidence, &holds));
    }
    street::judge(evidence, &waiting, &mut judgement);
    for escrow in &evidence.books.escrows {
        judgement.looked(1);
        if overdue(evidence, escrow) {
            judgement.accuse(|| tell_overdue(evidence, escrow));
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
    rooms: wish::Rooms<'a>,
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
            rooms: wish::Rooms::of(books),
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
        let fits = |entry: &Entry| self.rooms.fit(entry, &offer.seats, Some(chosen));
        before.into_iter().find(|entry| fits(entry) && there(entry))
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
                && self.rooms.fit(entry, &hold.seats, None)
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

/// Holds that were placed for one place in line: of those that have more than one.
fn offered_twice<'a>(evidence: &Evidence<'a>) -> Vec<Vec<&'a Hold>> {
    let mut holds: BTreeMap<&str, Vec<&Hold>> = BTreeMap::new();
    for hold in &evidence.books.holds {
        if let Some(entry) = &hold.entry {
            holds.entry(entry.as_str()).or_default().push(hold);
        }
    }
    holds.into_values().filter(|holds| holds.len() > 1).collect()
}

fn tell_twice(evidence: &Evidence, holds: &[&Hold]) -> Story {
    let entry = holds[0].entry.as_ref().map_or("", |entry| entry.as_str());
    let placed = holds.iter().map(|hold| {
        let text = format!("{} of {} is placed for {entry}", hold.hold, story::names(&hold.seats));
        Line::new(evidence.history.at_wall(hold.created_at_ns), text)
    });
    Story::new(format!("{entry} was offered seats twice"), story::in_order(placed))
}

/// Still to be given long after everybody could have had it.
fn overdue(evidence: &Evidence, escrow: &Escrow) -> bool {
    let Some(read_at_ns) = evidence.books.read_at_ns else { return false };
    let until = escrow.expires_at_ns + ANNOUNCED_WITHIN + GRACE;
    let at = |wall| evidence.history.at_wall(wall);
    let excused = || evidence.excuses.pardon(LineLate, at(escrow.expires_at_ns), at(until));
    escrow.open && !escrow.seats.is_empty() && until < read_at_ns && !excused()
}

fn tell_overdue(evidence: &Evidence, escrow: &Escrow) -> Story {
    let text = format!("{} of {} was to be over", escrow.escrow, story::names(&escrow.seats));
    let line = Line::new(evidence.history.at_wall(escrow.expires_at_ns), text);
    Story::new(format!("seats of {} are kept past their bound", escrow.show), story::in_order([line]))
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
    let seats = if entry.seats.is_empty() { "any".to_owned() } else { story::names(&entry.seats) };
    let together = if entry.together { ", together" } else { "" };
    let wheelchair = if entry.wheelchair { ", with a wheelchair" } else { "" };
    let text = format!(
        "{} comes to the line of {} as number {}, for {} of {seats}{together}{wheelchair}",
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
