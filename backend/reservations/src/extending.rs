//! More time for a hold: once on its buyer's request, once when a payment begins at the last moment.

use deadpool_postgres::Transaction;
use domain::id::{HoldId, SessionId};
use domain::status::HoldStatus;
use service::postgres;

use crate::app::App;
use crate::error::Error;
use crate::store::claims::{self, Claim};
use crate::store::holds::{self, Hold};
use crate::{mirror, placing};

/// Extends a session's hold; once, however often it is asked for under one key.
pub async fn extend(app: &App, session: &SessionId, id: &HoldId, key: Option<&str>) -> Result<Hold, Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let hold = holds::lock(&transaction, id).await?.filter(|hold| hold.session == *session);
    let mut hold = hold.ok_or(Error::HoldNotFound)?;
    if key.is_some() && hold.extension_key.as_deref() == key {
        return Ok(Hold { status: HoldStatus::OnHold, ..hold });
    }
    match hold.status {
        HoldStatus::OnHold => {}
        HoldStatus::Expired => return Err(Error::HoldExpired),
        HoldStatus::Released => return Err(Error::HoldReleased),
        HoldStatus::Booked => {
            return Err(Error::AlreadyBooked(placing::booking_of(&transaction, id).await?.id));
        }
    }
    hold.deadline = hold.deadline.extend(hold.read_at, &app.config.terms())?;
    let claims = move_deadlines(app, &transaction, std::slice::from_ref(&hold)).await?;
    if claims.len() < hold.seats.len() {
        return Err(Error::HoldExpired);
    }
    if let Some(key) = key {
        holds::note_extension(&transaction, id, key).await?;
    }
    transaction.commit().await.map_err(postgres::Error::from)?;
    mirror::follow(app, &hold.show, &claims).await;
    Ok(hold)
}

/// Writes the deadlines of locked holds as they are to be, for their seats too. Returns the claims that changed. Where the seats
/// lapsed just now, nothing changes, neither of them nor of their hold.
pub async fn move_deadlines(
    app: &App,
    transaction: &Transaction<'_>,
    locked: &[Hold],
) -> Result<Vec<Claim>, postgres::Error> {
    let owned: Vec<_> = locked.iter().map(Hold::owned).collect();
    claims::lock(transaction, &owned).await?;
    let shows: Vec<_> = locked.iter().map(|hold| hold.show.as_str()).collect();
    let until: Vec<_> = locked.iter().map(|hold| hold.deadline.expires_at).collect();
    let claims = claims::extend(transaction, &owned, &until).await?;
    let moved: Vec<_> = locked.iter().filter(|hold| moved(hold, &claims)).collect();
    let ids: Vec<_> = moved.iter().map(|hold| hold.id.as_str()).collect();
    let deadlines: Vec<_> = moved.iter().map(|hold| hold.deadline).collect();
    holds::move_deadlines(transaction, &ids, &deadlines).await?;
    placing::without_gate(app, transaction, &shows).await?;
    Ok(claims)
}

/// Whether the seats of a hold are among the claims that changed: all of them are, or none.
pub fn moved(hold: &Hold, claims: &[Claim]) -> bool {
    claims.iter().any(|claim| claim.owner.as_deref() == Some(hold.id.as_str()))
}
