//! From hold to booking: authorise, book in Postgres, capture; where Postgres says no, void. One key, one effect, one answer.

use std::time::Duration;

use deadpool_postgres::GenericClient;
use domain::id::{BookingId, HoldId, SessionId};
use domain::status::{BookingStatus, HoldStatus};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use service::problem::Problem;
use service::{outbox, postgres};
use tokio::time::Instant;

use crate::app::App;
use crate::bookings::body::BookingBody;
use crate::error::Error;
use crate::payment::{Authorisation, Order, PaymentError};
use crate::store::SCHEMA;
use crate::store::bookings::{self, Booking};
use crate::store::claims::{self, Claim};
use crate::store::holds::{self, Hold};
use crate::store::idempotency::{self, Known, Lease};
use crate::{mirror, names, placing, telling};

/// How long one attempt may take before another one with the same key thinks it dead.
const LEASE: Duration = Duration::from_secs(5);
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
    fn fingerprint(&self) -> String {
        names::derived("confirm", &[self.hold.as_str(), &self.email, &self.token])
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

/// Confirms a hold, or repeats what was answered before.
pub async fn confirm(app: &App, confirmation: &Confirmation) -> Result<Kept, Error> {
    let Confirmation { session, key, .. } = confirmation;
    let lease = match known(app, confirmation).await? {
        Begun::First(lease) => lease,
        Begun::Repeated(kept) => return Ok(kept),
    };
    match book(app, confirmation).await {
        Ok(booking) => Ok(answer_of(&booking)),
        Err(error) if final_for_key(&error) => {
            let problem = Problem::from(error);
            let kept = Kept { status: problem.status(), body: problem.body() };
            let client = app.connection().await?;
            idempotency::finish(&client, session, key, kept.status.as_u16(), &kept.body).await?;
            Ok(kept)
        }
        Err(error) => {
            idempotency::forget(&app.connection().await?, session, key, &lease).await?;
            Err(error)
        }
    }
}

/// Whether a request is the first with its key.
enum Begun {
    First(Lease),
    Repeated(Kept),
}

/// What is kept for the key, once no other attempt is at it.
async fn known(app: &App, confirmation: &Confirmation) -> Result<Begun, Error> {
    let deadline = Instant::now() + WAIT;
    let fingerprint = confirmation.fingerprint();
    loop {
        let client = app.connection().await?;
        let Confirmation { session, key, .. } = confirmation;
        match idempotency::begin(&client, session, key, &fingerprint, LEASE).await? {
            Known::Fresh(lease) => return Ok(Begun::First(lease)),
            Known::Different => return Err(Error::KeyReused),
            Known::Answered(status, body) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return Ok(Begun::Repeated(Kept { status, body }));
            }
            Known::UnderWay if Instant::now() >= deadline => return Err(Error::KeyUnderWay),
            Known::UnderWay => drop(client),
        }
        tokio::time::sleep(WAIT_PAUSE).await;
    }
}

/// A refusal that stays true for this key. The others were our trouble or can be mended: the key is given back.
fn final_for_key(error: &Error) -> bool {
    matches!(
        error,
        Error::PaymentDeclined | Error::HoldExpired | Error::HoldReleased | Error::AlreadyBooked(_)
    )
}

async fn book(app: &App, confirmation: &Confirmation) -> Result<Booking, Error> {
    let hold = placing::find(app, &confirmation.session, &confirmation.hold).await?;
    let before = booked_before(&app.connection().await?, &hold, confirmation).await?;
    if let Some(booking) = before {
        return Ok(booking);
    }
    let order =
        Order { hold: &hold.id, key: &confirmation.key, price: &hold.price, token: &confirmation.token };
    let authorisation = authorise(app, &order).await?;
    match commit(app, &hold, confirmation, &authorisation).await {
        Ok((booking, claims)) => {
            app.metrics.confirms.with_label_values(&["booked"]).inc();
            app.note_room(&hold.session);
            mirror::follow(app, &hold.show, &claims).await;
            app.bell.ring();
            capture(app, &booking, &authorisation).await;
            Ok(booking)
        }
        // The commit may have happened although its answer was lost: the money stays set aside, and the same key, sent
        // again, finds the booking or books.
        Err(Error::Store(error)) => Err(Error::Store(error)),
        Err(error) => {
            app.metrics.confirms.with_label_values(&["late"]).inc();
            void(app, &order).await;
            Err(error)
        }
    }
}

/// Whether the hold can still be booked; the booking, when this very key has booked it.
async fn booked_before(
    client: &impl GenericClient,
    hold: &Hold,
    confirmation: &Confirmation,
) -> Result<Option<Booking>, Error> {
    match hold.status {
        HoldStatus::OnHold => Ok(None),
        HoldStatus::Expired => Err(Error::HoldExpired),
        HoldStatus::Released => Err(Error::HoldReleased),
        HoldStatus::Booked => {
            let booking = placing::booking_of(client, &hold.id).await?;
            if booking.idempotency_key == confirmation.key {
                Ok(Some(booking))
            } else {
                Err(Error::AlreadyBooked(booking.id))
            }
        }
    }
}

async fn authorise(app: &App, order: &Order<'_>) -> Result<Authorisation, Error> {
    let (label, error) = match app.payment.authorise(order).await {
        Ok(authorisation) => return Ok(authorisation),
        Err(PaymentError::Declined) => ("declined", Error::PaymentDeclined),
        Err(PaymentError::UnknownToken) => ("declined", Error::PaymentTokenUnknown),
        Err(PaymentError::Unknown) => {
            void(app, order).await;
            ("payment_away", Error::PaymentUnavailable)
        }
    };
    app.metrics.confirms.with_label_values(&[label]).inc();
    Err(error)
}

/// One transaction: the claims are sold, the booking written, the event put, the answer kept.
async fn commit(
    app: &App,
    hold: &Hold,
    confirmation: &Confirmation,
    authorisation: &Authorisation,
) -> Result<(Booking, Vec<Claim>), Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let locked = holds::lock(&transaction, &hold.id).await?.ok_or(Error::HoldNotFound)?;
    if let Some(booking) = booked_before(&transaction, &locked, confirmation).await? {
        return Ok((booking, Vec::new()));
    }
    claims::lock(&transaction, &[hold.show.as_str()], &[hold.id.as_str()]).await?;
    let claims = claims::book(&transaction, &hold.show, hold.id.as_str(), hold.token).await?;
    if claims.len() < hold.seats.len() {
        return Err(Error::HoldExpired);
    }
    holds::set_status(&transaction, &hold.id, HoldStatus::Booked).await?;
    let booking = bookings::insert(&transaction, &draft(hold, confirmation, authorisation)).await?;
    outbox::put(&transaction, SCHEMA, &telling::confirmed(&booking, hold)).await?;
    let kept = answer_of(&booking);
    let Confirmation { session, key, .. } = confirmation;
    idempotency::finish(&transaction, session, key, kept.status.as_u16(), &kept.body).await?;
    placing::without_gate(app, &transaction, &hold.show).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    Ok((booking, claims))
}

/// A booking as it will be; its time and state are the database's to set.
fn draft(hold: &Hold, confirmation: &Confirmation, authorisation: &Authorisation) -> Booking {
    Booking {
        id: BookingId::parse(names::fresh("booking")).expect("a generated id has the form of one"),
        hold: hold.id.clone(),
        show: hold.show.clone(),
        session: hold.session.clone(),
        email: confirmation.email.clone(),
        seats: hold.seats.clone(),
        status: BookingStatus::Booked,
        price: hold.price.clone(),
        payment_reference: authorisation.reference.clone(),
        idempotency_key: confirmation.key.clone(),
        booked_at: Timestamp::UNIX_EPOCH,
        cancelled_at: None,
    }
}

fn answer_of(booking: &Booking) -> Kept {
    Kept { status: StatusCode::CREATED, body: json!(BookingBody::of(booking)) }
}

async fn capture(app: &App, booking: &Booking, authorisation: &Authorisation) {
    if let Err(error) = app.payment.capture(authorisation).await {
        tracing::error!(booking = %booking.id, %error, "the money of a booking was not captured");
        return;
    }
    let noted =
        async { Ok::<_, Error>(bookings::set_captured(&app.connection().await?, &booking.id).await?) }.await;
    if let Err(error) = noted {
        tracing::warn!(booking = %booking.id, %error, "a capture was not noted");
    }
}

async fn void(app: &App, order: &Order<'_>) {
    if let Err(error) = app.payment.void(order).await {
        tracing::error!(hold = %order.hold, %error, "an authorisation was not voided");
    }
}
