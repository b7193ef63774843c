//! A Postgres: tables, and a clock by which everything is decided. What is done between two steps of the world is one
//! transaction; whoever refuses writes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::claim::show::{Changes, Claims};
use domain::claim::{Onward, Taking, Token};
use domain::deadline::{Deadline, Terms};
use domain::id::{EntryId, OwnerId, SeatId};
use domain::mirror::MirrorSeat;
use domain::status::HoldStatus;
use jiff::Timestamp;

use crate::line::Line;
use crate::planted::Bug;

pub(crate) const TERMS: Terms = Terms {
    hold: Duration::from_secs(3),
    extension: Some(Duration::from_millis(1_500)),
    life_max: Duration::from_secs(4),
    grace: Duration::from_millis(800),
};
/// How long the queue has for what comes free.
const ESCROW: Duration = Duration::from_millis(1_200);
/// How long it has at most, when it asks for more time.
pub(crate) const ESCROW_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) session: u32,
    pub(crate) entry: Option<EntryId>,
    pub(crate) seats: Vec<SeatId>,
    pub(crate) token: Token,
    pub(crate) status: HoldStatus,
    pub(crate) deadline: Deadline,
}

#[derive(Debug, Clone)]
pub(crate) struct Booking {
    pub(crate) hold: OwnerId,
    pub(crate) key: u32,
    pub(crate) attempt: u64,
    pub(crate) seats: Vec<SeatId>,
    pub(crate) live: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Escrow {
    pub(crate) seats: Vec<SeatId>,
    pub(crate) open: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// How far an attempt to pay has come, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptState {
    /// It may be authorised.
    Begun,
    /// It is not to be booked any more.
    Voiding,
    /// It is over, without money.
    Over,
    /// It paid for a booking.
    Booked,
    /// And the money is ours.
    Captured,
}

#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) state: AttemptState,
    pub(crate) begun_at: Timestamp,
}

/// An `Idempotency-Key` of a confirmation.
#[derive(Debug, Clone)]
pub(crate) struct KeyRow {
    pub(crate) lease_until: Timestamp,
    pub(crate) answer: Option<crate::confirming::Final>,
}

/// What is told through the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    HoldExpired(OwnerId),
    HoldReleased(OwnerId),
    Booked(OwnerId),
    Cancelled(OwnerId),
    Escrowed(OwnerId),
    Offered(OwnerId),
}

pub(crate) type Facts = Vec<(SeatId, MirrorSeat)>;

pub(crate) struct Database {
    pub(crate) now: Timestamp,
    /// As the service sees it that is asking.
    pub(crate) redis_there: bool,
    pub(crate) bug: Option<Bug>,
    /// Transactions so far.
    pub(crate) changed: u64,
    pub(crate) claims: Claims,
    pub(crate) holds: BTreeMap<OwnerId, Hold>,
    pub(crate) bookings: BTreeMap<u64, Booking>,
    pub(crate) escrows: BTreeMap<OwnerId, Escrow>,
    pub(crate) attempts: BTreeMap<u64, Attempt>,
    pub(crate) keys: BTreeMap<u32, KeyRow>,
    pub(crate) outbox: Vec<(u64, News)>,
    /// All that was ever put there.
    pub(crate) told: Vec<News>,
    pub(crate) queue_open: bool,
    pub(crate) queue_revision: u64,
    pub(crate) epoch: u64,
    pub(crate) mirrored: u64,
    pub(crate) line: Line,
    fence: Token,
    serial: u64,
}

impl Database {
    pub(crate) fn new(bug: Option<Bug>, seats: &[SeatId]) -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH,
            redis_there: true,
            bug,
            changed: 0,
            claims: Claims::default(),
            holds: BTreeMap::new(),
            bookings: BTreeMap::new(),
            escrows: BTreeMap::new(),
            attempts: BTreeMap::new(),
            keys: BTreeMap::new(),
            outbox: Vec::new(),
            told: Vec::new(),
            queue_open: false,
            queue_revision: 0,
            epoch: 0,
            mirrored: 0,
            line: Line::of(seats),
            fence: 0,
            serial: 0,
        }
    }

    pub(crate) fn begin(&mut self, now: Timestamp, redis_there: bool) {
        (self.now, self.redis_there) = (now, redis_there);
        self.changed += 1;
    }

    pub(crate) fn token(&mut self) -> Token {
        self.fence += 1;
        self.fence
    }

    pub(crate) fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn tell(&mut self, news: News) {
        let id = self.serial();
        self.told.push(news.clone());
        self.outbox.push((id, news));
    }

    /// Writes claims, in an epoch of their own when Redis will not carry them. Returns what the mirror is to say.
    pub(crate) fn write(&mut self, changes: &Changes) -> Facts {
        self.claims.set(changes);
        if !self.redis_there {
            self.epoch += 1;
        }
        facts(changes)
    }

    /// The one way out of a hold, a booking or an offer: to the queue when people wait, else to the street.
    pub(crate) fn let_go(&mut self, owner: &OwnerId) -> Facts {
        let past_the_queue = self.bug == Some(Bug::FreedPastTheQueue);
        if !self.queue_open || past_the_queue {
            return self.write(&self.claims.free(owner));
        }
        let id = OwnerId::parse(format!("escrow_{}", self.serial())).unwrap();
        let expires_at = self.now + ESCROW;
        let taking = Taking { owner: id.clone(), token: self.token(), expires_at };
        let changes = self.claims.pass(owner, Onward::Escrow, &taking, None);
        if !changes.is_empty() {
            let seats = changes.iter().map(|(seat, _)| seat.clone()).collect();
            self.escrows.insert(id.clone(), Escrow { seats, open: true, created_at: self.now, expires_at });
            self.tell(News::Escrowed(id));
        }
        self.write(&changes)
    }

    /// All that was ever claimed, as the mirror should have it.
    pub(crate) fn facts(&self) -> BTreeMap<SeatId, MirrorSeat> {
        self.claims.iter().map(|(seat, claim)| (seat.clone(), MirrorSeat::of(claim))).collect()
    }
}

pub(crate) fn facts(changes: &Changes) -> Facts {
    changes.iter().map(|(seat, claim)| (seat.clone(), MirrorSeat::of(claim))).collect()
}
