//! Holds that are paid for: many of them sold together. What lapsed while its buyer paid is claimed anew, if it is still there.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use deadpool_postgres::Transaction;
use domain::event::Event;
use domain::id::{BookingId, HoldId, SeatId, ShowId};
use domain::status::{BookingStatus, HoldStatus};
use jiff::Timestamp;
use serde_json::{Value, json};
use service::{outbox, postgres};

use super::{Write, Written};
use crate::app::App;
use crate::bookings::body::BookingBody;
use crate::error::Error;
use crate::payment::Authorisation;
use crate::store::bookings::{self, Booking};
use crate::store::claims::{self, Claim, ClaimStatus};
use crate::store::holds::{self, Hold};
use crate::store::idempotency::{self, Answer, Lease, Used};
use crate::store::unsettled::{self, Due};
use crate::store::{SCHEMA, queues};
use crate::{names, placing, telling};

/// What a confirmation that books is answered with.
const CREATED: u16 = 201;

/// How long a seat that is claimed anew is held: it is sold by the same transaction.
const SELLING: Duration = Duration::from_secs(10);

/// Selling what is held.
#[derive(Debug)]
pub struct Bookings;

/// A hold whose money is set aside.
#[derive(Debug)]
pub struct Paid {
    /// Whose key, and which hold.
    pub used: Used,
    /// The right to answer the key.
    pub lease: Lease,
    /// Where the ticket goes.
    pub email: String,
    /// The money.
    pub authorisation: Authorisation,
    /// When its show begins, for the ticket.
    pub starts_at: Option<Timestamp>,
    /// Which request it was, where that is recorded.
    pub trace: Option<String>,
}

/// A hold that was sold.
#[derive(Debug)]
pub struct Sale {
    /// What it is now.
    pub booking: Booking,
    /// What its buyer is told, as it is kept for the key.
    pub body: Value,
}

impl Sale {
    fn of(app: &App, booking: Booking) -> Self {
        let body = json!(BookingBody::of(&booking, &app.tickets));
        Self { booking, body }
    }
}

impl Write for Bookings {
    type Job = Paid;
    type Answer = Sale;
    const NAME: &'static str = "bookings";

    async fn attempt(app: &App, jobs: &[Paid]) -> Result<Option<Written<Sale>>, Error> {
        attempt(app, jobs).await
    }
}

/// Nothing when a deadline passed between looking and writing: all is rolled back, and looked at anew.
async fn attempt(app: &App, jobs: &[Paid]) -> Result<Option<Written<Sale>>, Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let mut table = Table::look(&transaction, jobs).await?;
    let mut answers = Vec::with_capacity(jobs.len());
    for (job, ours) in std::iter::zip(jobs, std::mem::take(&mut table.ours)) {
        answers.push(if ours { table.decide(app, job) } else { Err(Error::KeyUnderWay) });
    }
    if !table.sold.is_empty() {
        let written = table.write(app, &transaction).await;
        if !written.inspect_err(|error| note_double_sale(app, jobs, error))? {
            return Ok(None);
        }
    }
    transaction.commit().await.map_err(postgres::Error::from)?;
    let claims = table.sales.iter().map(sold).collect();
    Ok(Some(Written { answers, claims }))
}

/// The last line of defence has held. A batch that is refused is tried again job by job, and counted then.
fn note_double_sale(app: &App, jobs: &[Paid], error: &Error) {
    let (Error::Store(store), [job]) = (error, jobs) else { return };
    if store.violated() == Some(bookings::ONE_LIVE_BOOKING) {
        app.metrics.double_sales_refused.inc();
        tracing::error!(
            hold = job.used.hold.as_str(),
            "a seat would have been sold twice: postgres refused it"
        );
    }
}

fn sold(claim: &Claim) -> Claim {
    Claim { status: ClaimStatus::Booked, expires_at: None, ..claim.clone() }
}

/// All that the decisions need to know, locked; and what was decided so far.
struct Table<'a> {
    now: Timestamp,
    ours: Vec<bool>,
    holds: HashMap<HoldId, Hold>,
    claims: HashMap<(ShowId, SeatId), Claim>,
    booked: HashMap<HoldId, Booking>,
    queues_open: HashSet<ShowId>,
    tokens: std::vec::IntoIter<i64>,
    sold: Vec<Booking>,
    /// What is answered for each of these.
    bodies: Vec<Value>,
    /// For whom each of these is sold.
    buyers: Vec<&'a Paid>,
    /// What is claimed anew.
    claimed: Vec<Claim>,
    /// What is sold, as it is held.
    sales: Vec<Claim>,
}

impl<'a> Table<'a> {
    async fn look(transaction: &Transaction<'_>, jobs: &[Paid]) -> Result<Self, Error> {
        let leased: Vec<_> = jobs.iter().map(|job| (&job.used, &job.lease)).collect();
        let ids: Vec<_> = jobs.iter().map(|job| job.used.hold.as_str()).collect();
        let ours = idempotency::lock(transaction, &leased).await?;
        let holds = holds::lock_all(transaction, &ids).await?;
        let owned: Vec<_> = holds.iter().map(Hold::owned).collect();
        let shows: Vec<_> = holds.iter().map(|hold| hold.show.as_str()).collect();
        let over: Vec<_> = holds
            .iter()
            .filter(|hold| hold.status == HoldStatus::Booked)
            .map(|hold| hold.id.as_str())
            .collect();
        let (claims, booked, queues_open, (tokens, now)) = tokio::try_join!(
            claims::lock(transaction, &owned),
            booked(transaction, &over),
            queues::open_among(transaction, &shows),
            claims::tokens(transaction, jobs.len()),
        )?;
        Ok(Self {
            now,
            ours,
            claims: claims
                .into_iter()
                .map(|claim| ((claim.show.clone(), claim.seat.clone()), claim))
                .collect(),
            booked: booked.into_iter().map(|booking| (booking.hold.clone(), booking)).collect(),
            holds: holds.into_iter().map(|hold| (hold.id.clone(), hold)).collect(),
            queues_open,
            tokens: tokens.into_iter(),
            sold: Vec::new(),
            bodies: Vec::new(),
            buyers: Vec::new(),
            claimed: Vec::new(),
            sales: Vec::new(),
        })
    }

    fn decide(&mut self, app: &App, job: &'a Paid) -> Result<Sale, Error> {
        let hold = self.holds.get(&job.used.hold).cloned().ok_or(Error::HoldNotFound)?;
        if let Some(booking) = self.booked.get(&hold.id) {
            let same = booking.idempotency_key == job.used.key;
            return if same {
                Ok(Sale::of(app, booking.clone()))
            } else {
                Err(Error::AlreadyBooked(booking.id.clone()))
            };
        }
        let token = match hold.status {
            HoldStatus::Released => return Err(Error::HoldReleased),
            HoldStatus::OnHold if self.still_held(&hold) => hold.token,
            HoldStatus::OnHold | HoldStatus::Expired | HoldStatus::Booked => self.claim_anew(&hold)?,
        };
        Ok(self.sell(app, job, &hold, token))
    }

    fn claim(&self, hold: &Hold, seat: &SeatId) -> Option<&Claim> {
        self.claims.get(&(hold.show.clone(), seat.clone()))
    }

    fn still_held(&self, hold: &Hold) -> bool {
        let still = |claim: &Claim| claim.held_by(hold.id.as_str(), hold.token, self.now);
        hold.seats.iter().all(|seat| self.claim(hold, seat).is_some_and(still))
    }

    /// The deadline passed while the buyer paid: the same seats under a new token, if nobody has them and nobody waits for them.
    fn claim_anew(&mut self, hold: &Hold) -> Result<i64, Error> {
        let queue_open = self.queues_open.contains(&hold.show);
        let takeable = |claim: &Claim| claim.takeable(self.now, queue_open);
        if !hold.seats.iter().all(|seat| self.claim(hold, seat).is_none_or(takeable)) {
            return Err(Error::PaidTooLate);
        }
        let token = self.tokens.next().expect("there is a token for each job");
        for seat in &hold.seats {
            // For as long as this transaction takes; then it is sold.
            let until = self.now + SELLING;
            self.claimed.push(Claim::held(&hold.show, seat, hold.id.as_str(), token, until));
        }
        Ok(token)
    }

    fn sell(&mut self, app: &App, job: &'a Paid, hold: &Hold, token: i64) -> Sale {
        for seat in &hold.seats {
            let claim = Claim::held(&hold.show, seat, hold.id.as_str(), token, hold.deadline.expires_at);
            self.claims.insert((hold.show.clone(), seat.clone()), sold(&claim));
            self.sales.push(claim);
        }
        let booking = draft(job, hold, self.now);
        self.booked.insert(hold.id.clone(), booking.clone());
        let sale = Sale::of(app, booking);
        self.sold.push(sale.booking.clone());
        self.bodies.push(sale.body.clone());
        self.buyers.push(job);
        if let Some(hold) = self.holds.get_mut(&hold.id) {
            hold.token = token;
        }
        sale
    }

    /// Says whether all was as it was seen.
    async fn write(&self, app: &App, transaction: &Transaction<'_>) -> Result<bool, Error> {
        if !self.claimed.is_empty()
            && claims::take(transaction, &self.claimed).await? < self.claimed.len() as u64
        {
            return Ok(false);
        }
        let ids: Vec<_> = self.sold.iter().map(|booking| booking.hold.as_str()).collect();
        let tokens: Vec<_> = self.sold.iter().map(|booking| self.holds[&booking.hold].token).collect();
        let shows: Vec<_> = self.sold.iter().map(|booking| booking.show.as_str()).collect();
        let answers: Vec<_> = std::iter::zip(&self.buyers, &self.bodies)
            .map(|(job, body)| Answer { used: &job.used, lease: &job.lease, status: CREATED, body })
            .collect();
        let sold: Vec<_> = self.sold.iter().map(|booking| booking.id.as_str()).collect();
        let told = self.told();
        let (booked, ..) = tokio::try_join!(
            claims::book(transaction, &self.sales),
            holds::book(transaction, &ids, &tokens),
            bookings::insert(transaction, &self.sold),
            unsettled::insert(transaction, &sold, Due::Capture, app.config.settle_after()),
            outbox::put_all(transaction, SCHEMA, &told),
            idempotency::finish(transaction, &answers),
            placing::without_gate(app, transaction, &shows),
        )?;
        Ok(booked == self.sales.len() as u64)
    }

    fn told(&self) -> Vec<Event> {
        let each = std::iter::zip(&self.sold, &self.buyers);
        let told = |(booking, job): (&Booking, &&Paid)| {
            telling::confirmed(booking, &self.holds[&booking.hold], job.trace.as_ref())
        };
        each.map(told).collect()
    }
}

async fn booked(transaction: &Transaction<'_>, holds: &[&str]) -> Result<Vec<Booking>, postgres::Error> {
    if holds.is_empty() { Ok(Vec::new()) } else { bookings::find_by_holds(transaction, holds).await }
}

fn draft(job: &Paid, hold: &Hold, now: Timestamp) -> Booking {
    Booking {
        id: BookingId::parse(names::fresh("booking")).expect("a generated id has the form of one"),
        hold: hold.id.clone(),
        show: hold.show.clone(),
        session: hold.session.clone(),
        email: job.email.clone(),
        seats: hold.seats.clone(),
        status: BookingStatus::Booked,
        price: hold.price.clone(),
        payment_reference: job.authorisation.reference.clone(),
        idempotency_key: job.used.key.clone(),
        booked_at: now,
        cancelled_at: None,
        starts_at: job.starts_at,
    }
}
