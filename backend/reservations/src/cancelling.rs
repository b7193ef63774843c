//! Taking a booking back: its seats go to the queue first, else to the street.

use std::time::Duration;

use domain::id::{BookingId, SessionId};
use service::{outbox, postgres};

use crate::app::App;
use crate::error::Error;
use crate::store::SCHEMA;
use crate::store::bookings::{self, Booking};
use crate::store::claims;
use crate::store::unsettled::{self, Due};
use crate::{freeing, mirror, telling};

/// A session's booking; somebody else's is as if it were not.
pub async fn find(app: &App, session: &SessionId, id: &BookingId) -> Result<Booking, Error> {
    let booking = bookings::find(&app.connection().await?, id).await?;
    booking.filter(|booking| booking.session == *session).ok_or(Error::BookingNotFound)
}

/// Cancels a booking. One that was cancelled before stays so.
pub async fn cancel(app: &App, session: &SessionId, id: &BookingId) -> Result<Booking, Error> {
    let booking = find(app, session, id).await?;
    let show = app.show(&booking.show).await?;
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let now: jiff::Timestamp = transaction.query_one("SELECT clock_timestamp()", &[]).await?.get(0);
    if now >= show.starts_at {
        return Err(Error::ShowStarted);
    }
    let Some(cancelled) = bookings::cancel(&transaction, id).await? else {
        drop(transaction);
        drop(client);
        return find(app, session, id).await;
    };
    claims::lock(&transaction, &[booking.owned()]).await?;
    unsettled::insert(&transaction, &[id.as_str()], Due::Refund, Duration::ZERO).await?;
    outbox::put(&transaction, SCHEMA, &telling::cancelled(&booking)).await?;
    let claims = freeing::free(app, &transaction, &[booking.owned()]).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    mirror::follow(app, &booking.show, &claims).await;
    app.bell.ring();
    Ok(cancelled)
}
