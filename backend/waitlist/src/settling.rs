//! What became of an offer: bought, given back, or lapsed. Told by events, found again by the backstop; all idempotent.

use domain::id::{EntryId, HoldId};
use domain::status::EntryStatus;
use service::postgres;

use crate::store::{entries, offers, shows};
use crate::{Waitlist, flag};

/// Ends an entry whose hold is over.
pub(crate) async fn settle(
    waitlist: &Waitlist,
    id: &EntryId,
    hold_id: &HoldId,
    status: EntryStatus,
) -> Result<(), postgres::Error> {
    let mut connection = waitlist.connection().await?;
    let Some(show_id) = entries::show_of(&connection, id).await? else {
        tracing::warn!(entry_id = %id, %hold_id, "a hold was offered to an entry that is not ours");
        return Ok(());
    };
    let transaction = connection.transaction().await?;
    let flag = shows::lock(&transaction, &show_id).await?;
    let changed = entries::settle(&transaction, id, hold_id, status).await?;
    offers::settle(&transaction, id).await?;
    let flag = flag::close_if_empty(&transaction, flag).await?;
    transaction.commit().await?;
    drop(connection);
    if changed {
        waitlist.metrics.offers.with_label_values(&[status.as_str()]).inc();
        tracing::info!(entry_id = %id, %hold_id, status = status.as_str(), "an offer is over");
    }
    flag::tell_or_leave(waitlist, &flag).await;
    Ok(())
}
