//! The moment in which a line opens: a seat that comes free after somebody was found to need the line, and before reservations knows
//! that there is one, goes on open sale. Nobody shall wait for what they could have.

use domain::id::{SeatId, ShowId};
use domain::status::EntryStatus;
use service::postgres;

use super::{Answer, Joined, Placed};
use crate::error::Error;
use crate::store::entries::{self, Entry};
use crate::store::{published, shows};
use crate::{Waitlist, available, flag};

/// What the street cannot have of a show whose line reservations has just come to know of. Nothing when it knew, or when that cannot be
/// read, which is as if it had been a moment later.
#[derive(Debug)]
pub(super) struct Opening(Option<Vec<String>>);

impl Opening {
    /// Of this show, when its line opens.
    pub(super) async fn of(waitlist: &Waitlist, opened: Option<ShowId>) -> Self {
        let Some(show_id) = opened else { return Self(None) };
        let taken = async { published::taken(&waitlist.connection().await?, &show_id).await };
        let taken = taken.await.inspect_err(|error| tracing::debug!(%error, "a line opens unseen"));
        Self(taken.ok())
    }

    /// The answer to somebody whom reservations knows of. Who came while it did not, and could have seats by now, is told which,
    /// and does not wait.
    pub(super) async fn checked(&self, waitlist: &Waitlist, placed: Placed) -> Answer {
        if let Joined::New(entry) = &placed.joined
            && entry.status == EntryStatus::Waiting
        {
            let choices = self.choices(waitlist, entry);
            if !choices.is_empty() && undone(waitlist, entry).await? {
                return Err(Error::SeatsAvailable(choices));
            }
        }
        Ok(placed.joined.first_answer())
    }

    fn choices(&self, waitlist: &Waitlist, entry: &Entry) -> Vec<Vec<SeatId>> {
        let plan = waitlist.houses.known(&entry.show_id);
        let (Some(taken), Some(plan)) = (&self.0, plan) else { return Vec::new() };
        available::choices(&plan, &entry.wish, plan.taken(taken.iter().map(String::as_str)))
    }
}

/// As if they had never come. False when they are being offered seats already.
async fn undone(waitlist: &Waitlist, entry: &Entry) -> Result<bool, postgres::Error> {
    let mut connection = waitlist.connection().await?;
    let transaction = connection.transaction().await?;
    let flag = shows::lock(&transaction, &entry.show_id).await?;
    if !entries::undo(&transaction, &entry.id).await? {
        return Ok(false);
    }
    let flag = flag::close_if_empty(&transaction, flag).await?;
    transaction.commit().await?;
    drop(connection);
    flag::tell_or_leave(waitlist, &flag).await;
    Ok(true)
}
