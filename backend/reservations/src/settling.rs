//! Money that follows what was decided: taken for what is booked, given back for what is not. Soon when all goes well, and
//! found again in the books when a process died in between. Every call to the provider may be repeated, so any number of
//! processes may settle.

use std::time::Duration;

use domain::id::HoldId;
use futures_util::{StreamExt, stream};
use service::drain::Drain;
use tokio::sync::{Mutex, mpsc};

use crate::app::App;
use crate::error::Error;
use crate::payment::PaymentError;
use crate::store::bookings::{self, Booking};
use crate::store::idempotency::{self, Lease};
use crate::store::unsettled::{self, Due};

/// Bookings whose money waits to be taken at once; more are found by the next round.
const WAITING_MAX: usize = 4_096;
/// Captures under way at once.
const CONCURRENT_MAX: usize = 64;
/// Between two looks for what was left undone.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Settled in one round, of each kind.
const SETTLED_MAX: i64 = 50;

/// Bookings on their way to be captured.
pub struct Captures {
    sender: mpsc::Sender<Booking>,
    receiver: Mutex<mpsc::Receiver<Booking>>,
}

impl Default for Captures {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        Self { sender, receiver: Mutex::new(receiver) }
    }
}

impl Captures {
    /// Has the money of a booking taken. What finds no place is found in the books.
    pub fn submit(&self, booking: Booking) {
        drop(self.sender.try_send(booking));
    }

    async fn next(&self) -> Option<Booking> {
        self.receiver.lock().await.recv().await
    }
}

/// Takes the money of new bookings until drained.
pub async fn capture_new(app: &App, drain: Drain) {
    let bookings = stream::unfold(&app.captures, async |captures| Some((captures.next().await?, captures)));
    let capturing = bookings.for_each_concurrent(CONCURRENT_MAX, |booking| capture(app, booking));
    tokio::select! {
        () = drain.stopped() => {}
        () = capturing => {}
    }
}

async fn capture(app: &App, booking: Booking) {
    if let Err(error) = in_time(app, app.payment.capture(&booking.payment_reference)).await {
        tracing::warn!(booking = %booking.id, %error, "the money of a booking is not captured yet");
    } else if let Err(error) = app.queues.captures.write(booking.id.clone()).await {
        tracing::debug!(booking = %booking.id, %error, "a capture was not noted");
    }
}

/// Gives back what was set aside for an attempt to pay for a hold.
pub async fn void(app: &App, hold: &HoldId, lease: &Lease) -> Result<(), PaymentError> {
    let voided = in_time(app, app.payment.void(&lease.attempt)).await;
    voided.inspect_err(|error| tracing::warn!(%hold, %error, "an authorisation is not voided yet"))
}

async fn in_time(
    app: &App,
    call: impl Future<Output = Result<(), PaymentError>>,
) -> Result<(), PaymentError> {
    tokio::time::timeout(app.config.payment_timeout(), call).await.unwrap_or(Err(PaymentError::Unknown))
}

/// Settles what was left undone, until drained.
pub async fn settle(app: &App, drain: Drain) {
    while drain.pause(LOOK_PAUSE).await {
        for (what, settled) in [
            ("captures", capture_forgotten(app).await),
            ("refunds", refund(app).await),
            ("voids", void_abandoned(app).await),
        ] {
            if let Err(error) = settled {
                tracing::warn!(what, %error, "payments wait to be settled");
            }
        }
    }
}

async fn capture_forgotten(app: &App) -> Result<(), Error> {
    let forgotten = due(app, Due::Capture, app.config.settle_after()).await?;
    stream::iter(forgotten).for_each_concurrent(CONCURRENT_MAX, |booking| capture(app, booking)).await;
    Ok(())
}

async fn refund(app: &App) -> Result<(), Error> {
    for booking in due(app, Due::Refund, Duration::ZERO).await? {
        match in_time(app, app.payment.refund(&booking.payment_reference)).await {
            Ok(()) => {
                let client = app.connection().await?;
                unsettled::delete(&client, &[booking.id.as_str()], Due::Refund).await?;
            }
            Err(error) => tracing::warn!(booking = %booking.id, %error, "a booking is not refunded yet"),
        }
    }
    Ok(())
}

async fn due(app: &App, due: Due, age: Duration) -> Result<Vec<Booking>, Error> {
    let client = app.connection().await?;
    let ids = unsettled::due(&client, due, age, SETTLED_MAX).await?;
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    Ok(bookings::find_all(&client, &ids).await?)
}

/// Attempts nobody finished: what they set aside is given back, unless it was booked after all.
async fn void_abandoned(app: &App) -> Result<(), Error> {
    let (age, lease) = (app.config.settle_after(), app.config.attempt_lease());
    let abandoned = idempotency::adopt_abandoned(&app.connection().await?, age, lease, SETTLED_MAX).await?;
    for attempt in abandoned {
        let hold = attempt.used.hold.as_str();
        let booked = bookings::find_by_holds(&app.connection().await?, &[hold]).await?;
        let ours = booked.iter().any(|booking| booking.idempotency_key == attempt.used.key);
        if ours || void(app, &attempt.used.hold, &attempt.lease).await.is_ok() {
            idempotency::forget(&app.connection().await?, &attempt.used, &attempt.lease).await?;
        }
    }
    Ok(())
}
