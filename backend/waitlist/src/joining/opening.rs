//! The moment in which a line opens: a seat that comes free after somebody was found to need the line, and before reservations knows
//! that there is one, goes on open sale. Nobody shall wait for what they could have.

use std::collections::HashMap;

use domain::id::{SeatId, ShowId};
use domain::status::EntryStatus;
use service::postgres;

use super::{Answer, Joined, Placed};
use crate::error::Error;
use crate::store::entries::{self, Entry};
use crate::store::{published, shows};
use crate::{Waitlist, available, flag};

/// What the street cannot have of shows whose lines reservations has just come to know of; nothing when that cannot be read, which
/// is as if it had been a moment later.
#[derive(Debug, Default)]
pub(super) struct Opening(HashMap<ShowId, Vec<String>>);

impl Opening {
    /// Of these shows.
    pub(super) async fn of(waitlist: &Waitlist, show_ids: Vec<ShowId>) -> Self {
        if show_ids.is_empty() {
            return Self::default();
        }
        let names: Vec<_> = show_ids.iter().map(ShowId::as_str).collect();
        let taken = async { published::taken_of(&waitlist.connection().await?, &names).await };
        match taken.await {
            // Where nothing is taken there is no row.
            Ok(mut taken) => {
                let each = show_ids.into_iter().map(|id| (taken.remove(&id).unwrap_or_default(), id));
                Self(each.map(|(seats, id)| (id, seats)).collect())
            }
            Err(error) => {
                tracing::debug!(%error, "a line opens unseen");
                Self::default()
            }
        }
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
        let (taken, plan) = (self.0.get(&entry.show_id), waitlist.houses.known(&entry.show_id));
        let (Some(taken), Some(plan)) = (taken, plan) else { return Vec::new() };
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
