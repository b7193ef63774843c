//! The waiting list's tables, and what is decided in them: always under the lock of the line.

use std::collections::BTreeMap;

use domain::hold::Party;
use domain::id::{EntryId, OwnerId, SeatId, SessionId};
use domain::queue::{Waiter, assign};

use crate::database::Database;
use crate::planted::Bug;

/// How far somebody in line has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Waiting,
    /// Seats are chosen for them; the hold is not known to be placed.
    Chosen,
    Offered(OwnerId),
    Gone,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) session: u32,
    pub(crate) waiter: Waiter,
    pub(crate) place: Place,
}

/// What became of seats that were chosen for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfferState {
    Decided,
    Made,
    Gone,
}

#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) escrow: OwnerId,
    pub(crate) entry: EntryId,
    pub(crate) seats: Vec<SeatId>,
    pub(crate) state: OfferState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Serving,
    Clearing,
    Done,
}

/// What to do next about an escrow.
#[derive(Debug)]
pub(crate) enum Plan {
    Nothing,
    Offer(Vec<Offer>),
    Clear,
}

#[derive(Debug, Default)]
pub(crate) struct Line {
    /// In order of arrival.
    pub(crate) entries: Vec<Entry>,
    pub(crate) offers: Vec<Offer>,
    pub(crate) progress: BTreeMap<OwnerId, Progress>,
    /// Whether the queue is to be open, how often that changed, and what reservations has heard of it.
    pub(crate) open: bool,
    pub(crate) revision: u64,
    pub(crate) heard: u64,
    /// Whoever was chosen past somebody who waited longer for the same.
    pub(crate) skipped: Option<(EntryId, EntryId)>,
}

impl Line {
    pub(crate) fn join(&mut self, session: u32, party: usize) -> EntryId {
        let entry_id = EntryId::parse(format!("entry_{}", self.entries.len())).unwrap();
        let waiter = Waiter {
            entry_id: entry_id.clone(),
            session_id: SessionId::parse(format!("session_{session}")).unwrap(),
            party: Party::try_from(party).unwrap(),
            seats: Vec::new(),
        };
        self.entries.push(Entry { session, waiter, place: Place::Waiting });
        self.note_open();
        entry_id
    }

    pub(crate) fn entry(&mut self, id: &EntryId) -> &mut Entry {
        self.entries.iter_mut().find(|entry| entry.waiter.entry_id == *id).unwrap()
    }

    /// Somebody moved to another place: perhaps nobody waits any more.
    pub(crate) fn place(&mut self, id: &EntryId, place: Place) {
        self.entry(id).place = place;
        self.note_open();
    }

    fn note_open(&mut self) {
        let waits = |entry: &Entry| matches!(entry.place, Place::Waiting | Place::Chosen);
        let open = self.entries.iter().any(waits);
        if open != self.open {
            self.open = open;
            self.revision += 1;
        }
    }

    pub(crate) fn offer(&mut self, escrow: &OwnerId, entry: &EntryId) -> &mut Offer {
        let this = |offer: &&mut Offer| offer.escrow == *escrow && offer.entry == *entry;
        self.offers.iter_mut().find(this).unwrap()
    }

    fn of_escrow(&self, escrow: &OwnerId) -> impl Iterator<Item = &Offer> {
        self.offers.iter().filter(move |offer| offer.escrow == *escrow)
    }
}

/// Decides about an escrow, and writes it down before anybody hears of it.
pub(crate) fn plan(database: &mut Database, escrow: &OwnerId) -> Plan {
    match *database.line.progress.entry(escrow.clone()).or_insert(Progress::Serving) {
        Progress::Done => return Plan::Nothing,
        Progress::Clearing => return Plan::Clear,
        Progress::Serving => {}
    }
    // Whoever was chosen for seats that have lapsed stands in line again as soon as that is known; till then nobody behind them
    // is chosen.
    let lapsed = |id: &OwnerId| database.escrows[id].expires_at <= database.now;
    let decided = |offer: &&Offer| offer.state == OfferState::Decided;
    if database
        .line
        .offers
        .iter()
        .filter(decided)
        .any(|offer| offer.escrow != *escrow && lapsed(&offer.escrow))
    {
        return Plan::Nothing;
    }
    if !lapsed(escrow) {
        choose(database, escrow);
    }
    let pending: Vec<_> = database.line.of_escrow(escrow).filter(decided).cloned().collect();
    if pending.is_empty() {
        database.line.progress.insert(escrow.clone(), Progress::Clearing);
        return Plan::Clear;
    }
    Plan::Offer(pending)
}

fn choose(database: &mut Database, escrow: &OwnerId) {
    let line = &database.line;
    let used: Vec<_> = line.of_escrow(escrow).flat_map(|offer| offer.seats.clone()).collect();
    let left = database.escrows[escrow].seats.iter().filter(|seat| !used.contains(seat));
    let waits = |entry: &&Entry| entry.place == Place::Waiting;
    let mut waiters: Vec<_> = line.entries.iter().filter(waits).map(|entry| entry.waiter.clone()).collect();
    if database.bug == Some(Bug::TheLastInLineIsServedFirst) {
        waiters.reverse();
    }
    let (assignments, _) = assign(&waiters, left.cloned().collect());
    let line = &mut database.line;
    for assignment in assignments {
        let id = assignment.waiter.entry_id;
        note_skipped(line, &id);
        line.place(&id, Place::Chosen);
        let (escrow, seats) = (escrow.clone(), assignment.seats);
        line.offers.push(Offer { escrow, entry: id, seats, state: OfferState::Decided });
    }
}

/// The rule of the order, said once more and otherwise: nobody ahead of the chosen waits for no more than they do.
fn note_skipped(line: &mut Line, chosen: &EntryId) {
    let at = line.entries.iter().position(|entry| entry.waiter.entry_id == *chosen).unwrap();
    let party = line.entries[at].waiter.party;
    let ahead = line.entries[..at].iter();
    let mut passed = ahead.filter(|entry| entry.place == Place::Waiting && entry.waiter.party <= party);
    if let Some(passed) = passed.next() {
        line.skipped = Some((passed.waiter.entry_id.clone(), chosen.clone()));
    }
}
