//! Joining a line: durable, at the end, and known to reservations before it is acknowledged.

use std::sync::Arc;

use deadpool_postgres::Transaction;
use domain::id::{EntryId, SessionId, ShowId};
use domain::plan::Plan;
use domain::queue::Wish;
use domain::status::EntryStatus;
use service::postgres::{self, Connection};

use crate::Waitlist;
use crate::available;
use crate::error::Error;
use crate::flag::{self, Untold};
use crate::idempotency::{self, Key};
use crate::store::entries::{self, Entry};
use crate::store::published;
use crate::store::shows::{self, Flag};
use crate::wish::{self, Email, InvalidWish};

/// Somebody wants to wait.
#[derive(Debug)]
pub(crate) struct Joining {
    /// For which show.
    pub(crate) show_id: ShowId,
    /// Who.
    pub(crate) session_id: SessionId,
    /// For what.
    pub(crate) wish: Wish,
    /// Where an offer is told besides.
    pub(crate) email: Option<Email>,
    /// Their name for this intent.
    pub(crate) key: Option<Key>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Joined {
    /// They are in line now, or were put there by an earlier request under the same key: its answer.
    New(Entry),
    /// They stand in this line for the same already: the entry as it is.
    Before(Entry),
}

/// Puts somebody in line, unless the show has what they want. A repeat under the same key gets the first answer again.
///
/// When reservations cannot be told that somebody waits, the entry stays, but is not acknowledged: a seat could still be
/// sold past it. The backstop tells reservations later, and a repeat under the same key is then acknowledged.
pub(crate) async fn join(waitlist: &Waitlist, joining: &Joining) -> Result<Joined, Error> {
    let id = idempotency::entry_id(&joining.session_id, &joining.show_id, joining.key.as_ref());
    let (entry, flag) = match known(waitlist, joining, &id).await? {
        Some(known) => known,
        None => enter(waitlist, joining, &id).await?,
    };
    let before = entry.id != id;
    // Who has been offered something, or is out, was acknowledged or needs it no more: a repeated answer of theirs does
    // not depend on reservations.
    if entry.status == EntryStatus::Waiting && flag.open {
        flag::tell(waitlist, &flag).await.map_err(|error| match error {
            Untold::Reservations(error) => Error::Unsynced(error),
            Untold::Postgres(error) => Error::Postgres(error),
        })?;
    }
    Ok(if before { Joined::Before(entry) } else { Joined::New(as_joined(entry)) })
}

/// The entry as it was when it was made, whatever became of it.
fn as_joined(entry: Entry) -> Entry {
    Entry { status: EntryStatus::Waiting, position: Some(entry.joined_position), offer: None, ..entry }
}

/// The entry that an earlier request under the same key made.
async fn known(waitlist: &Waitlist, joining: &Joining, id: &EntryId) -> Result<Option<(Entry, Flag)>, Error> {
    if joining.key.is_none() {
        return Ok(None);
    }
    let connection = waitlist.connection().await?;
    let Some(entry) = entries::find_mine(&connection, id, &joining.session_id).await? else {
        return Ok(None);
    };
    let flag =
        shows::find(&connection, &joining.show_id).await?.expect("an entry's show has a row: a foreign key");
    same_wish(entry, &joining.wish).map(|entry| Some((entry, flag)))
}

fn same_wish(entry: Entry, wish: &Wish) -> Result<Entry, Error> {
    if entry.wish == *wish { Ok(entry) } else { Err(Error::KeyReused) }
}

async fn enter(waitlist: &Waitlist, joining: &Joining, id: &EntryId) -> Result<(Entry, Flag), Error> {
    let mut connection = waitlist.connection().await?;
    let plan = possible(waitlist, &connection, joining).await?;
    let transaction = connection.transaction().await.map_err(postgres::Error::from)?;
    entries::lock_session(&transaction, &joining.session_id).await?;
    let flag = shows::lock(&transaction, &joining.show_id).await?;
    if let Some(entry) = entries::find_mine(&transaction, id, &joining.session_id).await? {
        return same_wish(entry, &joining.wish).map(|entry| (entry, flag));
    }
    let here = entries::live_of_session(&transaction, &joining.session_id, Some(&joining.show_id), 1).await?;
    if let Some(entry) = here.into_iter().next() {
        let same = entry.wish == joining.wish;
        return if same { Ok((entry, flag)) } else { Err(Error::AlreadyWaiting(entry.id)) };
    }
    let position = 1 + room(waitlist, joining, &transaction).await?;
    let choices = available::fitting(&transaction, &joining.show_id, &plan, &joining.wish).await?;
    if !choices.is_empty() {
        return Err(Error::SeatsAvailable(choices));
    }
    entries::insert(&transaction, id, joining, position).await?;
    let flag = flag::open(&transaction, flag).await?;
    let entry = entries::find_mine(&transaction, id, &joining.session_id).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    Ok((entry.expect("it was inserted in the same transaction"), flag))
}

/// The places of the show, if it is to come and the wish can come true there.
async fn possible(
    waitlist: &Waitlist,
    connection: &Connection,
    joining: &Joining,
) -> Result<Arc<Plan>, Error> {
    let Some(show) = published::show(connection, &joining.show_id).await? else {
        // A show that people waited for was on the program once.
        let known = shows::find(connection, &joining.show_id).await?.is_some();
        return Err(if known { Error::ShowCancelled } else { Error::ShowNotFound });
    };
    if show.begun() {
        return Err(Error::ShowStarted);
    }
    let plan = waitlist.houses.of(connection, &joining.show_id).await?.ok_or(Error::ShowNotFound)?;
    joining.wish.possible(&plan).map_err(InvalidWish::from)?;
    wish::affordable(&joining.wish, &show.price)?;
    Ok(plan)
}

/// How many wait in the locked line, when one more may.
async fn room(waitlist: &Waitlist, joining: &Joining, transaction: &Transaction<'_>) -> Result<i64, Error> {
    let live = entries::live_count_of_session(transaction, &joining.session_id).await?;
    let session_max = waitlist.config.session_entries_max;
    if live >= i64::from(session_max) {
        return Err(Error::TooManyEntries(session_max));
    }
    let line_max = waitlist.config.line_entries_max;
    let waiting = entries::waiting_count(transaction, &joining.show_id).await?;
    if waiting >= i64::from(line_max) { Err(Error::LineFull(line_max)) } else { Ok(waiting) }
}
