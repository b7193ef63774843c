//! Seats that come free: to the queue when people wait, else to the street. The one way out of a hold, a booking or an escrow.

use deadpool_postgres::Transaction;
use domain::id::{EscrowId, HoldId, SeatId, ShowId};
use domain::status::HoldStatus;
use service::{outbox, postgres};

use crate::app::App;
use crate::error::Error;
use crate::store::claims::{self, Claim, Passing};
use crate::store::escrows::{self, Escrow};
use crate::store::holds::{self, Hold};
use crate::store::{SCHEMA, queues};
use crate::{mirror, names, placing, telling};

/// Gives everything `owner` has of a show to whoever is next. Returns the claims as they are now.
pub async fn free(
    app: &App,
    transaction: &Transaction<'_>,
    show: &ShowId,
    owner: &str,
) -> Result<Vec<Claim>, Error> {
    claims::lock(transaction, &[show.as_str()], &[owner]).await?;
    let claims = if queues::lock_open(transaction, show).await? {
        escrow(app, transaction, show, owner).await?
    } else {
        claims::free(transaction, show, owner).await?
    };
    placing::without_gate(app, transaction, show).await?;
    Ok(claims)
}

/// Keeps seats for the queue.
async fn escrow(
    app: &App,
    transaction: &Transaction<'_>,
    show: &ShowId,
    owner: &str,
) -> Result<Vec<Claim>, Error> {
    let (token, now) = claims::token(transaction).await?;
    let id = EscrowId::parse(names::fresh("escrow")).expect("a generated id has the form of one");
    let expires_at = now + app.config.escrow();
    let passing = Passing { from: owner, to: id.as_str(), status: "escrow", token, expires_at };
    let claims = claims::pass(transaction, show, passing, None).await?;
    if !claims.is_empty() {
        let seats: Vec<SeatId> = claims.iter().map(|claim| claim.seat.clone()).collect();
        let escrow = Escrow { id, show: show.clone(), seats, expires_at, live: true };
        escrows::insert(transaction, &escrow).await?;
        outbox::put(transaction, SCHEMA, &telling::escrowed(&escrow)).await?;
    }
    Ok(claims)
}

/// Ends a hold without a sale, in the caller's transaction.
pub async fn end(
    app: &App,
    transaction: &Transaction<'_>,
    hold: &Hold,
    status: HoldStatus,
) -> Result<Vec<Claim>, Error> {
    holds::set_status(transaction, &hold.id, status).await?;
    outbox::put(transaction, SCHEMA, &telling::ended(hold, status)).await?;
    free(app, transaction, &hold.show, hold.id.as_str()).await
}

/// Releases a hold; one that is over already stays as it is.
pub async fn release(app: &App, id: &HoldId) -> Result<(), Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let hold = holds::lock(&transaction, id).await?.ok_or(Error::HoldNotFound)?;
    match hold.status {
        HoldStatus::Booked => {
            return Err(Error::AlreadyBooked(placing::booking_of(&transaction, id).await?.id));
        }
        HoldStatus::Released | HoldStatus::Expired => return Ok(()),
        HoldStatus::OnHold => {}
    }
    let claims = end(app, &transaction, &hold, HoldStatus::Released).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    app.note_room(&hold.session);
    mirror::follow(app, &hold.show, &claims).await;
    app.bell.ring();
    Ok(())
}
