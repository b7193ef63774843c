//! What became of an offer: bought, given back, or lapsed. Told by events, found again by the backstop; all idempotent.

use domain::id::{EntryId, HoldId};
use domain::status::{EntryStatus, HoldStatus};
use service::postgres;

use crate::metrics::Outcome;
use crate::store::mails::{self, Kind};
use crate::store::{entries, offers, shows};
use crate::{Waitlist, flag};

/// How the hold of an offer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its owner bought.
    Booked,
    /// Its owner gave it back.
    Released,
    /// Its deadline passed.
    Expired,
}

impl Ending {
    /// The ending of a hold, once it is over.
    pub(crate) fn of(status: HoldStatus) -> Option<Self> {
        match status {
            HoldStatus::OnHold => None,
            HoldStatus::Booked => Some(Self::Booked),
            HoldStatus::Released => Some(Self::Released),
            HoldStatus::Expired => Some(Self::Expired),
        }
    }

    fn entry_status(self) -> EntryStatus {
        match self {
            Self::Booked => EntryStatus::Fulfilled,
            Self::Released => EntryStatus::Left,
            Self::Expired => EntryStatus::Closed,
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Booked => Outcome::Fulfilled,
            Self::Released => Outcome::Left,
            Self::Expired => Outcome::Lapsed,
        }
    }
}

/// Ends an entry whose hold is over.
pub(crate) async fn settle(
    waitlist: &Waitlist,
    id: &EntryId,
    hold_id: &HoldId,
    ending: Ending,
) -> Result<(), postgres::Error> {
    let mut connection = waitlist.connection().await?;
    let Some(show_id) = entries::show_of(&connection, id).await? else {
        tracing::warn!(entry_id = %id, %hold_id, "a hold was offered to an entry that is not ours");
        return Ok(());
    };
    let transaction = connection.transaction().await?;
    let flag = shows::lock(&transaction, &show_id).await?;
    let changed = entries::settle(&transaction, id, hold_id, ending.entry_status()).await?;
    offers::settle(&transaction, id).await?;
    let lapsed = changed && ending == Ending::Expired;
    let written = lapsed && mails::put(&transaction, Kind::Lapsed, &[id.as_str()]).await?;
    let flag = flag::close_if_empty(&transaction, flag).await?;
    transaction.commit().await?;
    drop(connection);
    waitlist.mail.ring_if(written);
    if changed {
        waitlist.metrics.offer(ending.outcome());
        tracing::info!(entry_id = %id, %hold_id, ?ending, "an offer is over");
    }
    flag::tell_or_leave(waitlist, &flag).await;
    Ok(())
}
