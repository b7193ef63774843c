//! Small histories made by hand, with books that agree with them until a test spoils one or the other. Times are in
//! milliseconds.

use std::collections::HashMap;

use domain::id::{AuditoriumId, BookingId, EntryId, EscrowId, HoldId, SeatId, SessionId, ShowId};
use domain::status::{BookingStatus, EntryStatus, HoldStatus};

use super::super::allowances::millis;
use super::super::{Verdict, judge};
use crate::books::{
    Booking, BookingSeat, Books, Claim, ClaimStatus, Entry, Hold, Offer, OfferStatus, Show, Spot,
};
use crate::history::{Call, Effect, History, Record, Sight, What};

/// When the run began, and when the books were read: long after everything.
pub(crate) const BEGAN_AT_NS: u64 = 1_700_000_000_000_000_000;
const READ_AT_MS: u64 = 600_000;

/// From when to when a request was on its way.
pub(crate) type On = (u64, u64);

/// A history and its books.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) history: History,
    pub(crate) books: Books,
    ops: u64,
    tokens: i64,
}

pub(crate) fn show() -> ShowId {
    ShowId::parse("show_1").unwrap()
}

pub(crate) fn seat(name: &str) -> SeatId {
    SeatId::parse(name).unwrap()
}

pub(crate) fn seats(names: &[&str]) -> Vec<SeatId> {
    names.iter().map(|name| seat(name)).collect()
}

pub(crate) fn hold(name: &str) -> HoldId {
    HoldId::parse(name).unwrap()
}

pub(crate) fn booking(name: &str) -> BookingId {
    BookingId::parse(name).unwrap()
}

pub(crate) fn entry(name: &str) -> EntryId {
    EntryId::parse(name).unwrap()
}

pub(crate) fn wall(at_ms: u64) -> u64 {
    BEGAN_AT_NS + millis(at_ms)
}

fn session(buyer: u32) -> SessionId {
    SessionId::parse(format!("session_{buyer}")).unwrap()
}

/// A row of two, an aisle, and two more: a wheelchair's place at the end.
fn room() -> HashMap<SeatId, Spot> {
    let spot = |(name, x)| (seat(name), Spot { x, y: 0, standard: name != "A4" });
    [("A1", 0), ("A2", 1), ("A3", 3), ("A4", 4)].map(spot).into()
}

impl Told {
    /// An empty house of four.
    pub(crate) fn new() -> Self {
        let auditorium = AuditoriumId::parse("room").unwrap();
        let books = Books {
            read_at_ns: Some(wall(READ_AT_MS)),
            auditoriums: HashMap::from([(
                auditorium.clone(),
                seats(&["A1", "A2", "A3", "A4"]).into_iter().collect(),
            )]),
            rooms: HashMap::from([(auditorium.clone(), room())]),
            shows: vec![Show { show: show(), auditorium, capacity: 4 }],
            ..Books::default()
        };
        Self { history: History { began_at_ns: BEGAN_AT_NS, records: Vec::new() }, books, ops: 0, tokens: 0 }
    }

    pub(crate) fn record(&mut self, at_ms: u64, what: What) {
        self.history.records.push(Record { at: millis(at_ms), what });
    }

    /// A request; `end` makes its end, for its number.
    pub(crate) fn request(&mut self, buyer: u32, on: On, call: Call, end: impl FnOnce(u64) -> What) {
        self.ops += 1;
        let op = self.ops;
        self.record(on.0, What::Invoke { op, buyer, call });
        self.record(on.1, end(op));
    }

    pub(crate) fn asks(
        &mut self,
        buyer: u32,
        on: On,
        names: &[&str],
        key: &str,
        end: impl FnOnce(u64) -> What,
    ) {
        let call = Call::Hold { show: show(), seats: seats(names), party: names.len(), key: key.into() };
        self.request(buyer, on, call, end);
    }

    /// A hold that is placed. Its key is its name.
    pub(crate) fn holds(&mut self, buyer: u32, on: On, names: &[&str], name: &str, until_ms: u64) {
        self.asks(buyer, on, names, name, held(names, name, until_ms));
        self.write_hold(buyer, on.1, names, name, until_ms);
    }

    /// A hold that is placed, and whose answer is lost.
    pub(crate) fn holds_unheard(&mut self, buyer: u32, on: On, names: &[&str], name: &str, until_ms: u64) {
        self.asks(buyer, on, names, name, lost);
        self.write_hold(buyer, on.1, names, name, until_ms);
    }

    /// A hold that the line is offered, and that its owner's socket shows at `seen_ms`.
    pub(crate) fn offers(
        &mut self,
        buyer: u32,
        at_ms: u64,
        seen_ms: u64,
        names: &[&str],
        name: &str,
        until_ms: u64,
    ) {
        let (hold, entry) = (hold(name), entry(&format!("entry_{buyer}")));
        let sight = Sight::Offer {
            entry: entry.clone(),
            hold,
            show: show(),
            seats: seats(names),
            expires_at_ns: wall(until_ms),
        };
        self.record(seen_ms, What::Saw { buyer, socket: buyer, sight });
        self.write_hold(buyer, at_ms, names, name, until_ms);
        self.hold_mut(name).entry = Some(entry);
    }

    pub(crate) fn refused(&mut self, buyer: u32, on: On, names: &[&str], lost: &[&str]) {
        let key = format!("key_{}", self.ops);
        self.asks(buyer, on, names, &key, unavailable(lost));
    }

    /// A confirmation that books. Its key is its name.
    pub(crate) fn confirms(&mut self, buyer: u32, on: On, of: &str, name: &str) {
        let names = self.seats_of(of);
        self.asks_to_confirm(buyer, on, of, name, booked(&names, of, name));
        self.write_booking(buyer, on.0, of, name);
    }

    pub(crate) fn asks_to_confirm(
        &mut self,
        buyer: u32,
        on: On,
        of: &str,
        key: &str,
        end: impl FnOnce(u64) -> What,
    ) {
        self.request(buyer, on, Call::Confirm { hold: hold(of), key: key.into(), token: "ok".into() }, end);
    }

    /// A confirmation that books what had lapsed, at `at_ms` by the database, under a new token. Its key is its name.
    pub(crate) fn confirms_late(&mut self, buyer: u32, on: On, at_ms: u64, of: &str, name: &str) {
        let names = self.seats_of(of);
        self.asks_to_confirm(buyer, on, of, name, booked(&names, of, name));
        self.write_late_booking(buyer, at_ms, of, name);
    }

    pub(crate) fn write_late_booking(&mut self, buyer: u32, at_ms: u64, of: &str, name: &str) {
        self.tokens += 1;
        self.hold_mut(of).token = self.tokens;
        let seats = self.seats_of(of);
        self.claim(seats, ClaimStatus::Held, Some(of), Some(wall(at_ms)));
        self.write_booking(buyer, at_ms, of, name);
    }

    /// More time for a hold.
    pub(crate) fn extends(&mut self, buyer: u32, on: On, of: &str, until_ms: u64) {
        self.asks_to_extend(buyer, on, of, extended(of, until_ms));
        self.write_extension(of, until_ms);
    }

    pub(crate) fn asks_to_extend(&mut self, buyer: u32, on: On, of: &str, end: impl FnOnce(u64) -> What) {
        self.request(buyer, on, Call::Extend { hold: hold(of) }, end);
    }

    pub(crate) fn write_extension(&mut self, of: &str, until_ms: u64) {
        self.hold_mut(of).extended = true;
        self.write_deadline(of, until_ms);
    }

    /// Time to pay, of which nobody is told.
    pub(crate) fn write_grace(&mut self, of: &str, until_ms: u64) {
        self.hold_mut(of).graced = true;
        self.write_deadline(of, until_ms);
    }

    fn write_deadline(&mut self, of: &str, until_ms: u64) {
        self.hold_mut(of).expires_at_ns = wall(until_ms);
        let ours = |claim: &&mut Claim| claim.owner.as_deref() == Some(of);
        self.books
            .claims
            .iter_mut()
            .filter(ours)
            .for_each(|claim| claim.expires_at_ns = Some(wall(until_ms)));
    }

    pub(crate) fn releases(&mut self, buyer: u32, on: On, of: &str) {
        self.request(buyer, on, Call::Release { hold: hold(of) }, done);
        self.ends(of, HoldStatus::Released);
    }

    pub(crate) fn cancels(&mut self, buyer: u32, on: On, name: &str) {
        self.request(buyer, on, Call::Cancel { booking: booking(name) }, done);
        let row = self.books.bookings.iter_mut().find(|row| row.booking == booking(name)).unwrap();
        row.status = BookingStatus::Cancelled;
        row.cancelled_at_ns = Some(wall(on.0));
        let of = row.hold.clone();
        self.books
            .booking_seats
            .iter_mut()
            .filter(|row| row.booking == booking(name))
            .for_each(|row| row.live = false);
        self.free(of.as_str());
    }

    /// A hold's deadline passed, and the sweeper saw it.
    pub(crate) fn lapses(&mut self, of: &str) {
        self.ends(of, HoldStatus::Expired);
    }

    pub(crate) fn sees(&mut self, buyer: u32, at_ms: u64, sight: Sight) {
        self.record(at_ms, What::Saw { buyer, socket: buyer, sight });
    }

    /// Somebody comes to the line, for one of these seats; of any when there are none.
    pub(crate) fn waits(&mut self, buyer: u32, at_ms: u64, party: usize, names: &[&str]) {
        let seq = i64::try_from(self.books.entries.len()).unwrap();
        self.books.entries.push(Entry {
            entry: entry(&format!("entry_{buyer}")),
            seq,
            show: show(),
            session: session(buyer),
            party,
            seats: seats(names),
            together: false,
            wheelchair: false,
            status: EntryStatus::Waiting,
            created_at_ns: wall(at_ms),
            ended_at_ns: None,
        });
    }

    /// The same, and they are told so.
    pub(crate) fn joins(&mut self, buyer: u32, on: On, party: usize, names: &[&str]) {
        let entry = entry(&format!("entry_{buyer}"));
        let effect = Effect::Entry { entry: entry.clone(), status: "waiting".into(), position: Some(1) };
        let call = Call::Join {
            show: show(),
            party,
            seats: seats(names),
            together: false,
            wheelchair: false,
            key: entry.to_string(),
        };
        self.request(buyer, on, call, |op| What::Ok { op, status: 201, effect });
        self.waits(buyer, on.0, party, names);
    }

    /// The waitlist decides that somebody gets seats.
    pub(crate) fn decides(&mut self, buyer: u32, at_ms: u64, names: &[&str]) {
        let seq = i64::try_from(self.books.offers.len()).unwrap();
        self.books.offers.push(Offer {
            seq,
            escrow: EscrowId::parse(format!("escrow_{seq}")).unwrap(),
            entry: entry(&format!("entry_{buyer}")),
            seats: seats(names),
            status: OfferStatus::Made,
            hold: None,
            decided_at_ns: wall(at_ms),
        });
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let mut history = self.history.clone();
        history.records.sort_by_key(|record| record.at);
        judge(&history, &self.books)
    }

    /// Which invariants do not hold.
    pub(crate) fn violated(&self) -> Vec<u8> {
        self.verdict().violated()
    }

    pub(crate) fn hold_mut(&mut self, name: &str) -> &mut Hold {
        self.books.holds.iter_mut().find(|row| row.hold == hold(name)).unwrap()
    }

    fn seats_of(&mut self, name: &str) -> Vec<SeatId> {
        self.hold_mut(name).seats.clone()
    }

    fn write_hold(&mut self, buyer: u32, at_ms: u64, names: &[&str], name: &str, until_ms: u64) {
        self.tokens += 1;
        self.books.holds.push(Hold {
            hold: hold(name),
            show: show(),
            session: session(buyer),
            entry: None,
            seats: seats(names),
            token: self.tokens,
            status: HoldStatus::OnHold,
            created_at_ns: wall(at_ms),
            expires_at_ns: wall(until_ms),
            extended: false,
            graced: false,
            ended_at_ns: None,
        });
        self.claim(
            names.iter().map(|name| seat(name)).collect(),
            ClaimStatus::Held,
            Some(name),
            Some(wall(until_ms)),
        );
    }

    pub(crate) fn write_booking(&mut self, buyer: u32, at_ms: u64, of: &str, name: &str) {
        let seats = self.seats_of(of);
        self.hold_mut(of).status = HoldStatus::Booked;
        self.books.bookings.push(Booking {
            booking: booking(name),
            hold: hold(of),
            show: show(),
            session: session(buyer),
            seats: seats.clone(),
            status: BookingStatus::Booked,
            key: name.into(),
            booked_at_ns: wall(at_ms),
            cancelled_at_ns: None,
        });
        let row = |seat: &SeatId| BookingSeat {
            booking: booking(name),
            show: show(),
            seat: seat.clone(),
            live: true,
        };
        self.books.booking_seats.extend(seats.iter().map(row));
        self.claim(seats, ClaimStatus::Booked, Some(of), None);
    }

    fn ends(&mut self, of: &str, status: HoldStatus) {
        let row = self.hold_mut(of);
        if row.status == HoldStatus::OnHold {
            row.status = status;
            self.free(of);
        }
    }

    fn free(&mut self, of: &str) {
        let seats = self.seats_of(of);
        let mut owned = seats;
        owned.retain(|seat| {
            self.books.claims.iter().any(|claim| claim.seat == *seat && claim.owner.as_deref() == Some(of))
        });
        self.claim(owned, ClaimStatus::Free, None, None);
    }

    fn claim(
        &mut self,
        seats: Vec<SeatId>,
        status: ClaimStatus,
        owner: Option<&str>,
        expires_at_ns: Option<u64>,
    ) {
        for seat in seats {
            let before =
                self.books.claims.iter().find(|claim| claim.seat == seat).map_or(0, |claim| claim.token);
            self.books.claims.retain(|claim| claim.seat != seat);
            let token = if status == ClaimStatus::Held { self.tokens } else { before };
            let owner = owner.map(str::to_owned);
            self.books.claims.push(Claim { show: show(), seat, status, owner, token, expires_at_ns });
        }
    }
}

/// Ends of requests.
pub(crate) fn held(names: &[&str], name: &str, until_ms: u64) -> impl FnOnce(u64) -> What + use<> {
    let effect = Effect::Hold { hold: hold(name), seats: seats(names), expires_at_ns: wall(until_ms) };
    move |op| What::Ok { op, status: 201, effect }
}

pub(crate) fn extended(name: &str, until_ms: u64) -> impl FnOnce(u64) -> What + use<> {
    let effect = Effect::Hold { hold: hold(name), seats: Vec::new(), expires_at_ns: wall(until_ms) };
    move |op| What::Ok { op, status: 200, effect }
}

pub(crate) fn booked(seats: &[SeatId], of: &str, name: &str) -> impl FnOnce(u64) -> What + use<> {
    let body = format!("the body of {name}");
    let effect = Effect::Booking { booking: booking(name), hold: hold(of), seats: seats.to_vec(), body };
    move |op| What::Ok { op, status: 201, effect }
}

pub(crate) fn unavailable(lost: &[&str]) -> impl FnOnce(u64) -> What + use<> {
    let lost = seats(lost);
    move |op| What::Fail { op, status: 409, code: "seats_unavailable".into(), retry_after: false, lost }
}

pub(crate) fn fails(status: u16, code: &str) -> impl FnOnce(u64) -> What + use<> {
    let code = code.to_owned();
    move |op| What::Fail { op, status, code, retry_after: false, lost: Vec::new() }
}

pub(crate) fn lost(op: u64) -> What {
    What::Info { op, status: None, retry_after: false, why: "timeout".into() }
}

pub(crate) fn done(op: u64) -> What {
    What::Ok { op, status: 204, effect: Effect::Nothing }
}

/// A fault that lasted.
pub(crate) fn fault(told: &mut Told, on: On, name: &str, part: &str) {
    told.record(on.0, What::Fault { fault: 1, name: name.into(), part: part.into() });
    told.record(on.1, What::Recovered { fault: 1 });
}
