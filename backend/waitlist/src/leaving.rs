//! Leaving a line; an offer that was made is given back, so that it goes to the next.

use std::sync::Arc;

use domain::id::{EntryId, HoldId, SessionId};
use domain::status::EntryStatus;
use service::postgres;

use crate::error::Error;
use crate::metrics::Outcome;
use crate::reservations_client::{self, GivenBack};
use crate::settling::{self, Ending};
use crate::store::{entries, offers, shows};
use crate::{Waitlist, flag, serving};

/// Why a hold is not given back yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreturned {
    /// Reservations did not take it.
    #[error(transparent)]
    Reservations(#[from] reservations_client::Error),
    /// It took it, but that could not be noted; it will be given back again.
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
}

/// Ends this session's entry. Leaving again, or after the end, changes nothing.
///
/// It is done once it is written: what reservations then cannot be told at once, the backstop tells.
pub(crate) async fn leave(
    waitlist: &Arc<Waitlist>,
    id: &EntryId,
    session_id: &SessionId,
) -> Result<(), Error> {
    let mut connection = waitlist.connection().await?;
    let entry = entries::find_mine(&connection, id, session_id).await?.ok_or(Error::EntryNotFound)?;
    let transaction = connection.transaction().await.map_err(postgres::Error::from)?;
    let flag = shows::lock(&transaction, &entry.show_id).await?;
    if !entries::end(&transaction, id, EntryStatus::Left).await? {
        return Ok(());
    }
    let hold_id = offers::abandon(&transaction, id).await?;
    let flag = flag::close_if_empty(&transaction, flag).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    drop(connection);
    flag::tell_or_leave(waitlist, &flag).await;
    // Seats may have been kept for them.
    serving::begin(waitlist, entry.show_id);
    if let Some(hold_id) = hold_id {
        waitlist.metrics.offer(Outcome::Left);
        give_back_or_leave(waitlist, id, &hold_id).await;
    }
    Ok(())
}

/// Gives a hold back if that works at once; else the backstop does.
pub(crate) async fn give_back_or_leave(waitlist: &Waitlist, id: &EntryId, hold_id: &HoldId) {
    if let Err(error) = give_back(waitlist, id, hold_id).await {
        tracing::warn!(entry_id = %id, %hold_id, %error, "a hold waits to be given back");
    }
}

/// Gives a hold back and notes it; a hold that was bought in the same moment stays bought.
pub(crate) async fn give_back(waitlist: &Waitlist, id: &EntryId, hold_id: &HoldId) -> Result<(), Unreturned> {
    match waitlist.reservations.give_back(hold_id).await? {
        GivenBack::Released => offers::returned(&waitlist.connection().await?, hold_id).await?,
        GivenBack::AlreadyBooked => settling::settle(waitlist, id, hold_id, Ending::Booked).await?,
    }
    Ok(())
}
