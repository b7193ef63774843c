//! The books against themselves: whatever moment they show, every seat is in one state, and every table says the same one.
//!
//! Works on all books as on those of a [`Ledger`](super::Ledger), which have only what is live. Pure.

use std::collections::{HashMap, HashSet};

use domain::id::{AuditoriumId, BookingId, HoldId, SeatId, ShowId};
use domain::status::{BookingStatus, HoldStatus};

use super::{Booking, Books, Claim, ClaimStatus, Complaint, Escrow, Hold, Nanos};

/// A seat of a show.
type Place<'a> = (&'a ShowId, &'a SeatId);

/// One live hold per seat.
const ONE_HOLD: u8 = 3;
/// One live booking per seat.
const ONE_BOOKING: u8 = 1;
/// Free, held and booked make up the house.
const WHOLE_HOUSE: u8 = 10;

/// What an audit came to.
#[derive(Debug, Default)]
pub struct Audit {
    /// Rows that were compared with others.
    pub checked: u64,
    /// What does not fit.
    pub complaints: Vec<Complaint>,
}

/// Compares every table with every other that says the same.
pub fn audit(books: &Books) -> Audit {
    let mut auditor = Auditor::new(books);
    auditor.house();
    auditor.holds();
    auditor.successions();
    auditor.claims();
    auditor.bookings();
    auditor.booking_seats();
    auditor.escrows();
    auditor.audit
}

struct Auditor<'a> {
    books: &'a Books,
    now_ns: u64,
    claims: HashMap<Place<'a>, &'a Claim>,
    holds: HashMap<&'a str, &'a Hold>,
    /// By the hold they came from.
    bookings: HashMap<&'a str, &'a Booking>,
    escrows: HashMap<&'a str, &'a Escrow>,
    /// The bookings that holds became, whether they stand or not.
    sales: HashMap<&'a str, &'a Booking>,
    audit: Audit,
}

impl<'a> Auditor<'a> {
    fn new(books: &'a Books) -> Self {
        let live = |booking: &&Booking| booking.status == BookingStatus::Booked;
        Self {
            books,
            now_ns: books.read_at_ns.unwrap_or_default(),
            claims: books.claims.iter().map(|claim| ((&claim.show, &claim.seat), claim)).collect(),
            holds: books.holds.iter().map(|hold| (hold.hold.as_str(), hold)).collect(),
            bookings: books.bookings.iter().filter(live).map(|each| (each.hold.as_str(), each)).collect(),
            escrows: books.escrows.iter().map(|escrow| (escrow.escrow.as_str(), escrow)).collect(),
            sales: books.bookings.iter().map(|each| (each.hold.as_str(), each)).collect(),
            audit: Audit::default(),
        }
    }

    fn complain(&mut self, invariant: u8, show: &ShowId, text: String) {
        let complaint = Complaint { at_ns: self.now_ns, invariant, show: Some(show.clone()), text };
        self.audit.complaints.push(complaint);
    }

    /// Claims are of seats that the room has, and the rest of the room is free.
    fn house(&mut self) {
        let books = self.books;
        let rooms: HashMap<&ShowId, (&AuditoriumId, usize)> =
            books.shows.iter().map(|show| (&show.show, (&show.auditorium, show.capacity))).collect();
        for (show, (auditorium, capacity)) in &rooms {
            let seats = books.auditoriums.get(*auditorium).map_or(0, HashSet::len);
            if seats != *capacity {
                self.complain(WHOLE_HOUSE, show, format!("{show} seats {capacity}, its map {seats}"));
            }
        }
        for claim in &books.claims {
            self.audit.checked += 1;
            let room = rooms.get(&claim.show).and_then(|(auditorium, _)| books.auditoriums.get(*auditorium));
            if !room.is_some_and(|seats| seats.contains(&claim.seat)) {
                self.complain(WHOLE_HOUSE, &claim.show, format!("{} is no seat of the room", name(claim)));
            }
        }
    }

    /// Every live hold has its claims, with its token.
    fn holds(&mut self) {
        let now_ns = self.now_ns;
        let live = |hold: &&Hold| hold.status == HoldStatus::OnHold && hold.expires_at_ns > now_ns;
        for hold in self.books.holds.iter().filter(live) {
            for seat in &hold.seats {
                self.audit.checked += 1;
                let claim = self.claims.get(&(&hold.show, seat)).copied();
                if !claim.is_some_and(|claim| held_by(claim, hold)) {
                    let text = format!(
                        "{} has {seat} of {} until {}, token {}; the claim says {}",
                        hold.hold,
                        hold.show,
                        hold.expires_at_ns,
                        hold.token,
                        claim.map_or_else(|| "nothing".to_owned(), said)
                    );
                    self.complain(ONE_HOLD, &hold.show, text);
                }
            }
        }
    }

    /// Of those who had a seat, each got it when the one before was over, and under a greater token: all of it by the
    /// database's clock, so by no grace at all. When one was given back is not written anywhere.
    fn successions(&mut self) {
        let mut seats: HashMap<Place<'a>, Vec<Tenancy<'a>>> = HashMap::new();
        for hold in &self.books.holds {
            let tenancies = self.tenancies(hold);
            for seat in &hold.seats {
                seats.entry((&hold.show, seat)).or_default().extend(&tenancies);
            }
        }
        for ((show, seat), tenancies) in &mut seats {
            tenancies.sort_by_key(|tenancy| tenancy.from_ns);
            self.audit.checked += tenancies.len() as u64;
            for pair in tenancies.windows(2) {
                let (first, second) = (pair[0], pair[1]);
                if second.from_ns < first.over_at_ns {
                    let text = format!(
                        "{seat} of {show} was {}'s, and {} got it at {}, before that was over",
                        first.hold.hold, second.hold.hold, second.from_ns
                    );
                    self.complain(ONE_HOLD, show, text);
                }
            }
            self.tokens_grow(show, seat, tenancies);
        }
    }

    fn tokens_grow(&mut self, show: &ShowId, seat: &SeatId, tenancies: &[Tenancy<'_>]) {
        let mut last = i64::MIN;
        for Tenancy { hold, token, .. } in tenancies {
            let Some(token) = *token else { continue };
            if token <= last {
                let text =
                    format!("{seat} of {show} went to {} under token {token}, after {last}", hold.hold);
                self.complain(ONE_HOLD, show, text);
            }
            last = last.max(token);
        }
    }

    /// When a hold's seats were its own: once, or twice when it lapsed and was sold all the same. Its first token is not
    /// written anywhere then.
    fn tenancies(&self, hold: &'a Hold) -> Vec<Tenancy<'a>> {
        let (from_ns, lapses_at_ns) = (hold.created_at_ns, hold.expires_at_ns);
        let once = |over_at_ns| vec![Tenancy { hold, from_ns, over_at_ns, token: Some(hold.token) }];
        match hold.status {
            HoldStatus::OnHold | HoldStatus::Expired => once(lapses_at_ns),
            HoldStatus::Released => once(0),
            HoldStatus::Booked => {
                let sale = self.sales.get(hold.hold.as_str());
                let over_at_ns = sale.and_then(|sale| sale.cancelled_at_ns).unwrap_or(Nanos::MAX);
                let Some(sale) = sale.filter(|sale| sale.late(hold)) else { return once(over_at_ns) };
                let first = Tenancy { hold, from_ns, over_at_ns: lapses_at_ns, token: None };
                let again = Tenancy { hold, from_ns: sale.booked_at_ns, over_at_ns, token: Some(hold.token) };
                vec![first, again]
            }
        }
    }

    /// Every claim has an owner that has the seat.
    fn claims(&mut self) {
        for claim in &self.books.claims {
            self.audit.checked += 1;
            let owner = claim.owner.as_deref().unwrap_or_default();
            let right = match claim.status {
                ClaimStatus::Free => claim.owner.is_none(),
                ClaimStatus::Held => self.holds.get(owner).is_some_and(|hold| {
                    hold.status == HoldStatus::OnHold && has(&hold.seats, claim) && held_by(claim, hold)
                }),
                ClaimStatus::Booked => {
                    self.bookings.get(owner).is_some_and(|booking| has(&booking.seats, claim))
                }
                ClaimStatus::Escrow => {
                    self.escrows.get(owner).is_some_and(|escrow| escrow.open && has(&escrow.seats, claim))
                }
            };
            if !right {
                let text = format!("{} is {}, which has it not", name(claim), said(claim));
                self.complain(WHOLE_HOUSE, &claim.show, text);
            }
        }
    }

    /// Every live booking has its seats, and nobody else has them.
    fn bookings(&mut self) {
        let mut sold: HashMap<Place<'a>, &'a BookingId> = HashMap::new();
        let books = self.books;
        for booking in books.bookings.iter().filter(|booking| booking.status == BookingStatus::Booked) {
            for seat in &booking.seats {
                self.audit.checked += 1;
                if let Some(other) = sold.insert((&booking.show, seat), &booking.booking) {
                    let text =
                        format!("{seat} of {} is sold to {other} and {}", booking.show, booking.booking);
                    self.complain(ONE_BOOKING, &booking.show, text);
                }
                let claim = self.claims.get(&(&booking.show, seat)).copied();
                if !claim.is_some_and(|claim| booked_by(claim, &booking.hold)) {
                    let says = claim.map_or_else(|| "nothing".to_owned(), said);
                    let text =
                        format!("{} has {seat} of {}; the claim says {says}", booking.booking, booking.show);
                    self.complain(WHOLE_HOUSE, &booking.show, text);
                }
            }
        }
    }

    /// The rows behind the unique index say what the bookings say.
    fn booking_seats(&mut self) {
        let books = self.books;
        let live: HashSet<(&BookingId, &SeatId)> =
            books.booking_seats.iter().filter(|row| row.live).map(|row| (&row.booking, &row.seat)).collect();
        let standing = books.bookings.iter().filter(|booking| booking.status == BookingStatus::Booked);
        let sold: HashMap<(&BookingId, &SeatId), &ShowId> = standing
            .flat_map(|booking| booking.seats.iter().map(|seat| ((&booking.booking, seat), &booking.show)))
            .collect();
        self.audit.checked += live.len() as u64;
        for (booking, seat) in live.iter().filter(|row| !sold.contains_key(row)) {
            let row = books.booking_seats.iter().find(|row| row.booking == **booking);
            let Some(show) = row.map(|row| &row.show) else { continue };
            self.complain(WHOLE_HOUSE, show, format!("{seat} is live for {booking}, which does not stand"));
        }
        for ((booking, seat), show) in sold.iter().filter(|(row, _)| !live.contains(*row)) {
            self.complain(WHOLE_HOUSE, show, format!("{booking} stands, and its row for {seat} is not live"));
        }
    }

    /// Seats in an escrow that has not lapsed are its own.
    fn escrows(&mut self) {
        let now_ns = self.now_ns;
        for escrow in self.books.escrows.iter().filter(|each| each.open && each.expires_at_ns > now_ns) {
            for seat in &escrow.seats {
                self.audit.checked += 1;
                let claim = self.claims.get(&(&escrow.show, seat)).copied();
                let owner = claim.and_then(|claim| claim.owner.as_deref());
                if owner != Some(escrow.escrow.as_str()) {
                    let says = claim.map_or_else(|| "nothing".to_owned(), said);
                    let text =
                        format!("{} keeps {seat} of {}; the claim says {says}", escrow.escrow, escrow.show);
                    self.complain(WHOLE_HOUSE, &escrow.show, text);
                }
            }
        }
    }
}

/// Seats of a hold, for a time.
#[derive(Debug, Clone, Copy)]
struct Tenancy<'a> {
    hold: &'a Hold,
    from_ns: Nanos,
    /// The first moment at which it can have been over.
    over_at_ns: Nanos,
    /// The token, where it is known.
    token: Option<i64>,
}

fn has(seats: &[SeatId], claim: &Claim) -> bool {
    seats.contains(&claim.seat)
}

fn held_by(claim: &Claim, hold: &Hold) -> bool {
    claim.status == ClaimStatus::Held
        && claim.show == hold.show
        && claim.owner.as_deref() == Some(hold.hold.as_str())
        && claim.token == hold.token
        && claim.expires_at_ns == Some(hold.expires_at_ns)
}

fn booked_by(claim: &Claim, hold: &HoldId) -> bool {
    claim.status == ClaimStatus::Booked && claim.owner.as_deref() == Some(hold.as_str())
}

fn name(claim: &Claim) -> String {
    format!("{} of {}", claim.seat, claim.show)
}

fn said(claim: &Claim) -> String {
    let status = match claim.status {
        ClaimStatus::Free => "free",
        ClaimStatus::Held => "held",
        ClaimStatus::Escrow => "in escrow",
        ClaimStatus::Booked => "booked",
    };
    let owner = claim.owner.as_deref().unwrap_or("nobody");
    let until = claim.expires_at_ns.map(|at_ns| format!(" until {at_ns}")).unwrap_or_default();
    format!("{status} by {owner} under token {}{until}", claim.token)
}

#[cfg(test)]
mod tests;
