//! Seats that come free: to the queue when people wait, else to the street. The one way out of a hold, a booking or an escrow.

use deadpool_postgres::Transaction;
use domain::id::{EscrowId, HoldId, SeatId};
use domain::status::HoldStatus;
use jiff::Timestamp;
use service::{outbox, postgres};

use crate::app::App;
use crate::error::Error;
use crate::store::claims::{self, Claim, Owned, Passing};
use crate::store::escrows::{self, Escrow};
use crate::store::holds::{self, Hold};
use crate::store::{SCHEMA, queues};
use crate::{mirror, names, placing, telling};

/// Gives everything that is still its owners' to whoever is next. The caller has locked it, and told of it since. Returns the claims
/// as they are now.
pub async fn free(
    app: &App,
    transaction: &Transaction<'_>,
    owned: &[Owned<'_>],
) -> Result<Vec<Claim>, Error> {
    let shows: Vec<_> = owned.iter().map(|owned| owned.show.as_str()).collect();
    let queues_open = queues::lock_open_among(transaction, &shows).await?;
    let (waited_for, others): (Vec<_>, Vec<_>) =
        owned.iter().copied().partition(|owned| queues_open.contains(owned.show));
    let mut claims = Vec::new();
    if !others.is_empty() {
        claims.extend(claims::free(transaction, &others).await?);
    }
    if !waited_for.is_empty() {
        claims.extend(escrow(app, transaction, &waited_for).await?);
    }
    placing::without_gate(app, transaction, &shows).await?;
    Ok(claims)
}

/// Keeps seats for the queue, those of each owner in an escrow of their own.
async fn escrow(
    app: &App,
    transaction: &Transaction<'_>,
    waited_for: &[Owned<'_>],
) -> Result<Vec<Claim>, Error> {
    let (tokens, now) = claims::tokens(transaction, waited_for.len()).await?;
    let ids: Vec<EscrowId> = waited_for.iter().map(|_| fresh()).collect();
    let expires_at = now + app.config.escrow();
    let each = waited_for.iter().zip(&ids).zip(tokens);
    let passings: Vec<_> = each
        .map(|((owned, id), token)| Passing { from: *owned, to: id.as_str(), token, expires_at })
        .collect();
    let claims = claims::pass(transaction, "escrow", &passings).await?;
    let bound_at = now + app.config.escrow_max();
    let escrows = escrows_of(&claims, ids, expires_at, bound_at);
    let told: Vec<_> = escrows.iter().map(telling::escrowed).collect();
    escrows::insert(transaction, &escrows).await?;
    outbox::put_all(transaction, SCHEMA, &told).await?;
    Ok(claims)
}

fn fresh() -> EscrowId {
    EscrowId::parse(names::fresh("escrow")).expect("a generated id has the form of one")
}

/// The escrows that got anything.
fn escrows_of(
    claims: &[Claim],
    ids: Vec<EscrowId>,
    expires_at: Timestamp,
    bound_at: Timestamp,
) -> Vec<Escrow> {
    let escrow = |id: EscrowId| {
        let own: Vec<_> = claims.iter().filter(|claim| claim.owner.as_deref() == Some(id.as_str())).collect();
        let show = own.first()?.show.clone();
        let seats: Vec<SeatId> = own.iter().map(|claim| claim.seat.clone()).collect();
        Some(Escrow { id, show, seats, expires_at, bound_at, live: true })
    };
    ids.into_iter().filter_map(escrow).collect()
}

/// Ends holds without a sale, in the caller's transaction.
pub async fn end(
    app: &App,
    transaction: &Transaction<'_>,
    ended: &[Hold],
    status: HoldStatus,
) -> Result<Vec<Claim>, Error> {
    let ids: Vec<_> = ended.iter().map(|hold| hold.id.as_str()).collect();
    let owned: Vec<_> = ended.iter().map(Hold::owned).collect();
    let told: Vec<_> = ended.iter().map(|hold| telling::ended(hold, status)).collect();
    holds::end(transaction, &ids, status).await?;
    claims::lock(transaction, &owned).await?;
    outbox::put_all(transaction, SCHEMA, &told).await?;
    free(app, transaction, &owned).await
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
    let claims = end(app, &transaction, std::slice::from_ref(&hold), HoldStatus::Released).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    app.note_room(&hold.session);
    mirror::follow(app, &hold.show, &claims).await;
    app.bell.ring();
    Ok(())
}
