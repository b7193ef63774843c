//! The waiting list's tables, and what is decided in them: always under the lock of the line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::id::{EntryId, OwnerId, SeatId, SessionId};
use domain::money::Money;
use domain::plan::Plan as Places;
use domain::queue::{Freed, House, Left, Round, Terms, Waiter, Wish, serve};
use domain::seat_map::{Row, Seat, SeatKind, SeatMap};
use jiff::Timestamp;

use crate::database::{Database, ESCROW_MAX, Escrow};
use crate::planted::Bug;

pub(crate) const TERMS: Terms =
    Terms { gather: Duration::from_millis(1_800), rest: Duration::from_millis(2_500) };
/// What is not given away so long before the end of its escrow is kept for nobody.
const SLACK: Duration = Duration::from_millis(400);

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

/// Seats by their escrows.
pub(crate) type Parts = BTreeMap<OwnerId, Vec<SeatId>>;

#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) parts: Parts,
    pub(crate) entry: EntryId,
    pub(crate) state: OfferState,
}

impl Offer {
    /// Its name, with the entry's.
    pub(crate) fn first(&self) -> &OwnerId {
        self.parts.keys().next().unwrap()
    }

    pub(crate) fn seats(&self) -> Vec<SeatId> {
        let mut seats: Vec<_> = self.parts.values().flatten().cloned().collect();
        seats.sort();
        seats
    }
}

/// What to do next about the line's seats.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) offers: Vec<Offer>,
    /// To be put on open sale.
    pub(crate) releases: Parts,
    /// To be kept longer, until then.
    pub(crate) keeps: Option<(Vec<OwnerId>, Timestamp)>,
}

#[derive(Debug)]
pub(crate) struct Line {
    /// In order of arrival.
    pub(crate) entries: Vec<Entry>,
    pub(crate) offers: Vec<Offer>,
    /// Seats that go on open sale, by escrow.
    pub(crate) released: BTreeMap<OwnerId, BTreeSet<SeatId>>,
    /// Whether the queue is to be open, how often that changed, and what reservations has heard of it.
    pub(crate) open: bool,
    pub(crate) revision: u64,
    pub(crate) heard: u64,
    /// Whoever was chosen past somebody who waited longer for the same.
    pub(crate) skipped: Option<(EntryId, EntryId)>,
    places: Places,
    price: Money,
}

impl Line {
    pub(crate) fn of(seats: &[SeatId]) -> Self {
        let seat =
            |(x, id): (usize, &SeatId)| Seat { id: id.clone(), x: x as u16, y: 0, kind: SeatKind::Standard };
        let row = Row { label: "A".to_owned(), seats: seats.iter().enumerate().map(seat).collect() };
        Self {
            entries: Vec::new(),
            offers: Vec::new(),
            released: BTreeMap::new(),
            open: false,
            revision: 0,
            heard: 0,
            skipped: None,
            places: Places::of(&SeatMap { rows: vec![row] }),
            price: Money { amount: 1, currency: "USD".to_owned() },
        }
    }

    pub(crate) fn join(&mut self, session: u32, wish: Wish) -> EntryId {
        let entry_id = EntryId::parse(format!("entry_{}", self.entries.len())).unwrap();
        let session_id = SessionId::parse(format!("session_{session}")).unwrap();
        let waiter = Waiter { entry_id: entry_id.clone(), session_id, wish, gathers_until: None };
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

    /// The show begins, or is cancelled: nobody waits any more.
    pub(crate) fn close(&mut self) {
        let waits = |entry: &&mut Entry| matches!(entry.place, Place::Waiting | Place::Chosen);
        for entry in self.entries.iter_mut().filter(waits) {
            entry.place = Place::Gone;
        }
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

    pub(crate) fn offer(&mut self, first: &OwnerId, entry: &EntryId) -> &mut Offer {
        let this = |offer: &&mut Offer| offer.first() == first && offer.entry == *entry;
        self.offers.iter_mut().find(this).unwrap()
    }

    /// What was given out of an escrow, or turned out to be gone.
    fn used(&self, escrow: &OwnerId, state: Option<OfferState>) -> BTreeSet<SeatId> {
        let offers = self.offers.iter().filter(|offer| state.is_none_or(|state| offer.state == state));
        offers.filter_map(|offer| offer.parts.get(escrow)).flatten().cloned().collect()
    }

    fn pending(&self) -> impl Iterator<Item = &Offer> {
        self.offers.iter().filter(|offer| offer.state == OfferState::Decided)
    }
}

/// Decides about all seats that are free for the line, and writes it down before anybody hears of it.
pub(crate) fn plan(database: &mut Database) -> Plan {
    // Whoever was chosen for seats that have lapsed stands in line again as soon as that is known; till then nobody behind them
    // is chosen.
    let lapsed = |id: &OwnerId| database.escrows[id].expires_at <= database.now;
    let overdue = |offer: &&Offer| offer.parts.keys().any(lapsed);
    let overdue: Vec<_> = database.line.pending().filter(overdue).cloned().collect();
    if !overdue.is_empty() {
        return Plan { offers: overdue, ..Plan::default() };
    }
    let keeps = choose(database);
    let open = live(database).map(|(id, escrow)| (id.clone(), escrow.seats.clone()));
    let left = open.map(|(id, seats)| {
        let mut unwanted = database.line.used(&id, Some(OfferState::Gone));
        unwanted.extend(database.line.released.get(&id).into_iter().flatten().cloned());
        (id, seats.into_iter().filter(|seat| unwanted.contains(seat)).collect::<Vec<_>>())
    });
    let releases = left.filter(|(_, seats)| !seats.is_empty()).collect();
    Plan { offers: database.line.pending().cloned().collect(), releases, keeps }
}

fn live(database: &Database) -> impl Iterator<Item = (&OwnerId, &Escrow)> {
    database.escrows.iter().filter(|(_, escrow)| escrow.open && escrow.expires_at > database.now)
}

/// The seats that are free, and their escrows.
fn free(database: &Database) -> BTreeMap<SeatId, (OwnerId, Freed)> {
    let mut free = BTreeMap::new();
    for (id, escrow) in live(database) {
        let used = database.line.used(id, None);
        let released = database.line.released.get(id);
        let bound = escrow.created_at + ESCROW_MAX;
        let keep_until = (escrow.created_at + TERMS.gather).min(bound - SLACK);
        let left = escrow.seats.iter().filter(|seat| !used.contains(*seat));
        for seat in left.filter(|seat| released.is_none_or(|released| !released.contains(*seat))) {
            free.insert(seat.clone(), (id.clone(), Freed { seat: seat.clone(), keep_until }));
        }
    }
    free
}

/// One round through the line. Returns what is to be kept for longer.
fn choose(database: &mut Database) -> Option<(Vec<OwnerId>, Timestamp)> {
    let free = free(database);
    let line = &database.line;
    let waits = |entry: &&Entry| entry.place == Place::Waiting;
    let mut waiters: Vec<_> = line.entries.iter().filter(waits).map(|entry| &entry.waiter).collect();
    if database.bug == Some(Bug::TheLastInLineIsServedFirst) {
        waiters.reverse();
    }
    let freed: Vec<_> = free.values().map(|(_, freed)| freed.clone()).collect();
    let house = House { plan: &line.places, price: &line.price };
    let (assignments, left) = serve(Round::new(house, &freed, database.now, TERMS), waiters);
    let escrow = |seat: &SeatId| free[seat].0.clone();
    let line = &mut database.line;
    for assignment in assignments {
        note_skipped(line, &assignment.entry_id);
        line.place(&assignment.entry_id, Place::Chosen);
        let mut parts = Parts::new();
        for seat in assignment.seats {
            parts.entry(escrow(&seat)).or_default().push(seat);
        }
        line.offers.push(Offer { parts, entry: assignment.entry_id, state: OfferState::Decided });
    }
    let Left { gathering, rest } = left;
    for seat in rest {
        line.released.entry(escrow(&seat)).or_default().insert(seat);
    }
    let gathering = gathering?;
    line.entry(&gathering.entry_id).waiter.gathers_until = Some(gathering.until);
    let until = gathering.look_at + SLACK;
    let mut kept: Vec<_> = gathering.seats.iter().map(escrow).collect();
    kept.dedup();
    kept.retain(|id| database.escrows[id].expires_at < until);
    (!kept.is_empty()).then_some((kept, until))
}

/// The rule of the order, said once more and otherwise: nobody ahead of the chosen waits for the same.
fn note_skipped(line: &mut Line, chosen: &EntryId) {
    let at = line.entries.iter().position(|entry| entry.waiter.entry_id == *chosen).unwrap();
    let wish = line.entries[at].waiter.wish.clone();
    let ahead = line.entries[..at].iter();
    let mut passed = ahead.filter(|entry| entry.place == Place::Waiting && entry.waiter.wish == wish);
    if let Some(passed) = passed.next() {
        line.skipped = Some((passed.waiter.entry_id.clone(), chosen.clone()));
    }
}
