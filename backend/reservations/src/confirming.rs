//! From hold to booking: authorise, then book in Postgres. One key, one effect, one answer.
//!
//! The key is taken, durably, before money is asked for: an attempt that nobody finishes is found there (`settling`). What
//! follows of the money is written down with what was decided, the capture with the booking and the void with the refusal, and
//! nobody here waits for it.

use std::time::Duration;

use domain::id::{HoldId, SessionId};
use domain::status::HoldStatus;
use http::StatusCode;
use serde_json::{Value, json};
use service::problem::Problem;
use service::{postgres, traces};
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
use crate::store::unsettled::{self, Due, Unsettled};
use crate::{names, placing};

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
    fn booked(body: Value) -> Self {
        Self { status: StatusCode::CREATED, body }
    }
}

/// Why nothing was booked.
struct Failed {
    error: Error,
    /// Whether this attempt may have set money aside.
    asked: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, asked: false }
    }
}

impl Failed {
    fn asked(error: Error) -> Self {
        Self { error, asked: true }
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
        Ok(kept) => Ok(kept),
        Err(failed) => refused(app, &used, &lease, failed).await,
    }
}

/// What becomes of the key when nothing was booked.
async fn refused(app: &App, used: &Used, lease: &Lease, failed: Failed) -> Result<Kept, Error> {
    let Failed { error, asked } = failed;
    let void = asked || lease.taken_over();
    match Verdict::of(&error) {
        Verdict::Final => {
            let problem = Problem::from(error);
            let kept = Kept { status: problem.status(), body: problem.body() };
            end(app, used, lease, Some(&kept), void).await?;
            Ok(kept)
        }
        Verdict::Nothing => {
            end(app, used, lease, None, void).await?;
            Err(error)
        }
        Verdict::Open => {
            idempotency::leave(&app.connection().await?, used, lease).await?;
            Err(error)
        }
    }
}

/// The key gets its answer, or is as if it were new. With that, in one commit, it is due that what the attempt may have set aside
/// is given back: nobody takes up an attempt that is voided, and who hears that nothing was charged can rely on it.
async fn end(app: &App, used: &Used, lease: &Lease, kept: Option<&Kept>, void: bool) -> Result<(), Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let ended = match kept {
        Some(Kept { status, body }) => {
            let answer = Answer { used, lease, status: status.as_u16(), body };
            idempotency::finish(&transaction, &[answer]).await?
        }
        None => idempotency::forget(&transaction, used, lease).await?,
    };
    if ended == 0 {
        // Whoever has the key now answers for its attempt.
        return Err(Error::KeyUnderWay);
    }
    if void {
        unsettled::insert(&transaction, &[&lease.attempt], Due::Void, app.config.settle_after()).await?;
    }
    transaction.commit().await.map_err(postgres::Error::from)?;
    if void {
        app.prompt.submit(Unsettled::void(&lease.attempt));
    }
    Ok(())
}

/// What a failed attempt means for its key.
enum Verdict {
    /// It stays true: the answer is kept.
    Final,
    /// Nothing was done: the key is as if it were new.
    Nothing,
    /// It may be booked. The same key, sent again, goes on with the same attempt; if it never comes, the attempt is given up.
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
            Error::Store(_) | Error::Busy | Error::KeyUnderWay => Self::Open,
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

async fn book(
    app: &App,
    confirmation: &Confirmation,
    used: &Used,
    lease: &Lease,
    hold: Option<Box<Hold>>,
) -> Result<Kept, Failed> {
    let hold = hold.ok_or(Error::HoldNotFound)?;
    if let Some(booking) = booked_before(app, &hold, confirmation).await? {
        // The answer was dropped after its 24 hours: it is kept anew, for the key is taken anew.
        let kept = Kept::booked(json!(BookingBody::of(&booking, &app.tickets)));
        end(app, used, lease, Some(&kept), false).await?;
        return Ok(kept);
    }
    let starts_at = app.starts_at(&hold.show).await?;
    let authorisation = authorise(app, &hold, confirmation, lease).await?;
    let paid = Paid {
        used: used.clone(),
        lease: lease.clone(),
        email: confirmation.email.clone(),
        authorisation,
        starts_at,
        trace: traces::current(),
    };
    let outcome = app.queues.bookings.write(paid).await;
    match &outcome {
        Ok(sale) => {
            app.metrics.confirms.with_label_values(&["booked"]).inc();
            app.note_room(&hold.session);
            app.bell.ring();
            app.prompt.submit(Unsettled::capture(&sale.booking));
        }
        Err(error) if matches!(Verdict::of(error), Verdict::Open) => {}
        Err(_) => app.metrics.confirms.with_label_values(&["late"]).inc(),
    }
    outcome.map(|sale| Kept::booked(sale.body)).map_err(Failed::asked)
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
) -> Result<Authorisation, Failed> {
    let order =
        Order { hold: &hold.id, attempt: &lease.attempt, price: &hold.price, token: &confirmation.token };
    let answer = tokio::time::timeout(app.config.payment_timeout(), app.payment.authorise(&order)).await;
    let (label, failed) = match answer.unwrap_or(Err(PaymentError::Unknown)) {
        Ok(authorisation) => return Ok(authorisation),
        Err(PaymentError::Declined) => ("declined", Error::PaymentDeclined.into()),
        Err(PaymentError::UnknownToken) => ("declined", Error::PaymentTokenUnknown.into()),
        Err(PaymentError::Unknown) => ("payment_away", Failed::asked(Error::PaymentUnavailable)),
    };
    app.metrics.confirms.with_label_values(&[label]).inc();
    Err(failed)
}
