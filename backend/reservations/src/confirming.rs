//! From hold to booking: authorise, book in Postgres, capture; where Postgres says no, void. One key, one effect, one answer.
//!
//! The key is taken, durably, before money is asked for: an attempt that nobody finishes is found there (`settling`).

use std::time::Duration;

use domain::id::{HoldId, SessionId};
use domain::status::HoldStatus;
use http::StatusCode;
use serde_json::{Value, json};
use service::problem::Problem;
use tokio::time::Instant;

use crate::app::App;
use crate::batch::attempts::Begun;
use crate::batch::bookings::Paid;
use crate::bookings::body::BookingBody;
use crate::error::Error;
use crate::payment::{Authorisation, Order, PaymentError};
use crate::store::bookings::Booking;
use crate::store::holds::Hold;
use crate::store::idempotency::{self, Answer, Known, Lease, Used};
use crate::{names, placing, settling};

/// How long a repetition waits for the first attempt.
const WAIT: Duration = Duration::from_secs(7);
const WAIT_PAUSE: Duration = Duration::from_millis(50);

/// What a buyer confirms.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// Who.
    pub session: SessionId,
    /// Which hold.
    pub hold: HoldId,
    /// The `Idempotency-Key`.
    pub key: String,
    /// Where the ticket goes.
    pub email: String,
    /// The provider's token.
    pub token: String,
}

impl Confirmation {
    fn used(&self) -> Used {
        Used {
            session: self.session.clone(),
            key: self.key.clone(),
            fingerprint: names::derived("confirm", &[self.hold.as_str(), &self.email, &self.token]),
            hold: self.hold.clone(),
        }
    }
}

/// The first answer of a key: computed now, or kept from the first time.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Value,
}

impl Kept {
    fn booking(app: &App, booking: &Booking) -> Self {
        Self { status: StatusCode::CREATED, body: json!(BookingBody::of(booking, &app.tickets)) }
    }
}

/// Confirms a hold, or repeats what was answered before.
pub async fn confirm(app: &App, confirmation: &Confirmation) -> Result<Kept, Error> {
    let used = confirmation.used();
    let (lease, hold) = match known(app, &used).await? {
        First::Ours(lease, hold) => (lease, hold),
        First::Repeated(kept) => return Ok(kept),
    };
    match book(app, confirmation, &used, &lease, hold).await {
        Ok(booking) => Ok(Kept::booking(app, &booking)),
        Err(error) => refused(app, &used, &lease, error).await,
    }
}

/// What becomes of the key when nothing was booked.
async fn refused(app: &App, used: &Used, lease: &Lease, error: Error) -> Result<Kept, Error> {
    match Verdict::of(&error) {
        Verdict::Final => {
            let problem = Problem::from(error);
            let kept = Kept { status: problem.status(), body: problem.body() };
            keep(app, used, &kept).await?;
            Ok(kept)
        }
        Verdict::Nothing => {
            idempotency::forget(&app.connection().await?, used, lease).await?;
            Err(error)
        }
        Verdict::Open => {
            idempotency::leave(&app.connection().await?, used, lease).await?;
            Err(error)
        }
    }
}

/// What a failed attempt means for its key.
enum Verdict {
    /// It stays true: the answer is kept.
    Final,
    /// Nothing was done: the key is as if it were new.
    Nothing,
    /// It may be booked, or money may be set aside. The same key, sent again, goes on; if it never comes, the money is given back.
    Open,
}

impl Verdict {
    fn of(error: &Error) -> Self {
        match error {
            Error::PaymentDeclined
            | Error::PaidTooLate
            | Error::HoldExpired
            | Error::HoldReleased
            | Error::AlreadyBooked(_) => Self::Final,
            Error::Store(_) | Error::Busy | Error::KeyUnderWay | Error::PaymentUnsettled => Self::Open,
            _ => Self::Nothing,
        }
    }
}

/// Whether a request is the first with its key.
enum First {
    Ours(Lease, Option<Box<Hold>>),
    Repeated(Kept),
}

/// What is kept for the key, once no other attempt is at it.
async fn known(app: &App, used: &Used) -> Result<First, Error> {
    let deadline = Instant::now() + WAIT;
    loop {
        match app.queues.attempts.write(used.clone()).await? {
            Begun::First(lease, hold) => return Ok(First::Ours(lease, hold)),
            Begun::Known(Known::Different) => return Err(Error::KeyReused),
            Begun::Known(Known::Answered(status, body)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Ok(First::Repeated(Kept { status, body }));
            }
            Begun::Known(Known::UnderWay | Known::Fresh(_)) if Instant::now() >= deadline => {
                return Err(Error::KeyUnderWay);
            }
            Begun::Known(Known::UnderWay | Known::Fresh(_)) => tokio::time::sleep(WAIT_PAUSE).await,
        }
    }
}

async fn keep(app: &App, used: &Used, kept: &Kept) -> Result<(), Error> {
    let answer = Answer { used, status: kept.status.as_u16(), body: &kept.body };
    Ok(idempotency::finish(&app.connection().await?, &[answer]).await?)
}

async fn book(
    app: &App,
    confirmation: &Confirmation,
    used: &Used,
    lease: &Lease,
    hold: Option<Box<Hold>>,
) -> Result<Booking, Error> {
    let hold = hold.filter(|hold| hold.session == confirmation.session).ok_or(Error::HoldNotFound)?;
    if let Some(booking) = booked_before(app, &hold, confirmation).await? {
        // The answer was dropped after its 24 hours: it is kept anew, for the key is taken anew.
        keep(app, used, &Kept::booking(app, &booking)).await?;
        return Ok(booking);
    }
    let starts_at = app.starts_at(&hold.show).await?;
    let authorisation = authorise(app, &hold, confirmation, lease).await?;
    let paid = Paid {
        used: used.clone(),
        lease: lease.clone(),
        email: confirmation.email.clone(),
        authorisation: authorisation.clone(),
        starts_at,
    };
    let outcome = app.queues.bookings.write(paid).await;
    match &outcome {
        Ok(booking) => {
            app.metrics.confirms.with_label_values(&["booked"]).inc();
            app.note_room(&hold.session);
            app.bell.ring();
            app.captures.submit(booking.clone());
        }
        Err(error) if matches!(Verdict::of(error), Verdict::Open) => {}
        Err(_) => {
            app.metrics.confirms.with_label_values(&["late"]).inc();
            void(app, &hold, lease).await?;
        }
    }
    outcome
}

/// Whether the hold can still be booked; the booking, when this very key has booked it.
async fn booked_before(
    app: &App,
    hold: &Hold,
    confirmation: &Confirmation,
) -> Result<Option<Booking>, Error> {
    match hold.status {
        HoldStatus::OnHold => Ok(None),
        HoldStatus::Expired => Err(Error::HoldExpired),
        HoldStatus::Released => Err(Error::HoldReleased),
        HoldStatus::Booked => {
            let booking = placing::booking_of(&app.connection().await?, &hold.id).await?;
            if booking.idempotency_key == confirmation.key {
                Ok(Some(booking))
            } else {
                Err(Error::AlreadyBooked(booking.id))
            }
        }
    }
}

async fn authorise(
    app: &App,
    hold: &Hold,
    confirmation: &Confirmation,
    lease: &Lease,
) -> Result<Authorisation, Error> {
    let order =
        Order { hold: &hold.id, attempt: &lease.attempt, price: &hold.price, token: &confirmation.token };
    let answer = tokio::time::timeout(app.config.payment_timeout(), app.payment.authorise(&order)).await;
    let (label, error) = match answer.unwrap_or(Err(PaymentError::Unknown)) {
        Ok(authorisation) => return Ok(authorisation),
        Err(PaymentError::Declined) => ("declined", Error::PaymentDeclined),
        Err(PaymentError::UnknownToken) => ("declined", Error::PaymentTokenUnknown),
        Err(PaymentError::Unknown) => {
            void(app, hold, lease).await?;
            ("payment_away", Error::PaymentUnavailable)
        }
    };
    app.metrics.confirms.with_label_values(&[label]).inc();
    Err(error)
}

async fn void(app: &App, hold: &Hold, lease: &Lease) -> Result<(), Error> {
    settling::void(app, &hold.id, lease).await.map_err(|_| Error::PaymentUnsettled)
}
