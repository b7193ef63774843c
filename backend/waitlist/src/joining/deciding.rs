//! Joins of many in one line, in one transaction: the sessions locked in one order, then the line, so that nobody waits in a circle;
//! then decided one after the other in plain Rust; then written together.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Transaction;
use domain::id::{EntryId, SessionId, ShowId};
use service::postgres;

use super::{Job, Joined, Joining, Placed};
use crate::error::Error;
use crate::store::entries::{self, Entry, Fresh};
use crate::store::lines;
use crate::store::published::{self, Show};
use crate::store::shows::{self, Flag};
use crate::{Waitlist, available, flag, wish};

/// One outcome for each, in their order. An error means that nothing was written.
pub(super) async fn attempt(
    waitlist: &Waitlist,
    show_id: &ShowId,
    jobs: &[Job],
) -> Result<Vec<Result<Placed, Error>>, postgres::Error> {
    let mut connection = waitlist.connection().await?;
    let transaction = connection.transaction().await?;
    let mut table = Table::look(waitlist, &transaction, show_id, jobs).await?;
    let decided: Vec<_> = jobs.iter().map(|job| table.decide(job)).collect();
    let fresh = std::mem::take(&mut table.fresh);
    let made: HashMap<_, _> = entries::insert_all(&transaction, &fresh)
        .await?
        .into_iter()
        .map(|entry| (entry.id.clone(), entry))
        .collect();
    let flag = if fresh.is_empty() { table.flag } else { flag::open(&transaction, table.flag).await? };
    transaction.commit().await?;
    let placed = |(job, decision): (&Job, Result<Decision, Error>)| {
        let joined = match decision? {
            Decision::Enter => Joined::New(made[&job.id].clone()),
            Decision::Known(entry) => Joined::New(entry),
            Decision::Here(entry) => Joined::Before(entry),
            Decision::Same(id) => Joined::Before(made[&id].clone()),
        };
        Ok(Placed { joined, flag: flag.clone() })
    };
    Ok(std::iter::zip(jobs, decided).map(placed).collect())
}

/// What becomes of a join.
enum Decision {
    /// At the end of the line.
    Enter,
    /// An earlier request under the same key made this entry.
    Known(Entry),
    /// They stand in this line for the same.
    Here(Entry),
    /// They do from now on, by another request.
    Same(EntryId),
}

/// All that the decisions need to know, locked; and what was decided so far.
struct Table<'a> {
    line_max: u32,
    session_max: u32,
    flag: Flag,
    /// While it is on the program.
    show: Option<Show>,
    waiting: i64,
    /// Seats that the street cannot have.
    taken: Vec<String>,
    by_id: HashMap<EntryId, (SessionId, Entry)>,
    /// Live entries of the sessions.
    live: HashMap<SessionId, BTreeMap<ShowId, Entry>>,
    /// In this batch, by session.
    entering: HashMap<SessionId, &'a Job>,
    fresh: Vec<Fresh<'a>>,
}

impl<'a> Table<'a> {
    async fn look(
        waitlist: &Waitlist,
        transaction: &Transaction<'_>,
        show_id: &ShowId,
        jobs: &'a [Job],
    ) -> Result<Self, postgres::Error> {
        let sessions: Vec<_> = jobs.iter().map(|job| job.joining.session_id.as_str()).collect();
        let keyed = jobs.iter().filter(|job| job.joining.key.is_some());
        let ids: Vec<_> = keyed.map(|job| job.id.as_str()).collect();
        entries::lock_sessions(transaction, &sessions).await?;
        let flag = shows::lock(transaction, show_id).await?;
        let (show, waiting, taken, known, live) = tokio::try_join!(
            published::show(transaction, show_id),
            lines::waiting(transaction, show_id),
            published::taken(transaction, show_id),
            entries::find_all(transaction, &ids),
            entries::live_of_sessions(transaction, &sessions),
        )?;
        let mut table = Self {
            line_max: waitlist.config.line_entries_max,
            session_max: waitlist.config.session_entries_max,
            flag,
            show,
            waiting,
            taken,
            by_id: known.into_iter().map(|(session, entry)| (entry.id.clone(), (session, entry))).collect(),
            live: HashMap::new(),
            entering: HashMap::new(),
            fresh: Vec::new(),
        };
        for (session, entry) in live {
            table.live.entry(session).or_default().insert(entry.show_id.clone(), entry);
        }
        Ok(table)
    }

    /// Who comes first in the batch is first in line.
    fn decide(&mut self, job: &'a Job) -> Result<Decision, Error> {
        let Joining { show_id, session_id, wish, .. } = &job.joining;
        if let Some((session, entry)) = self.by_id.get(&job.id) {
            let same = session == session_id && entry.wish == *wish;
            return if same { Ok(Decision::Known(entry.clone())) } else { Err(Error::KeyReused) };
        }
        if let Some(first) = self.entering.get(session_id) {
            return again(first, job);
        }
        let live = self.live.get(session_id);
        if let Some(here) = live.and_then(|live| live.get(show_id)) {
            let same = here.wish == *wish;
            return if same {
                Ok(Decision::Here(here.clone()))
            } else {
                Err(Error::AlreadyWaiting(here.id.clone()))
            };
        }
        if live.map_or(0, BTreeMap::len) >= self.session_max as usize {
            return Err(Error::TooManyEntries(self.session_max));
        }
        self.enter(job)
    }

    fn enter(&mut self, job: &'a Job) -> Result<Decision, Error> {
        let Joining { session_id, wish, .. } = &job.joining;
        let show = self.show.as_ref().ok_or(Error::ShowCancelled)?;
        if show.begun() {
            return Err(Error::ShowStarted);
        }
        wish::affordable(wish, &show.price)?;
        if self.waiting >= i64::from(self.line_max) {
            return Err(Error::LineFull(self.line_max));
        }
        let taken = job.plan.taken(self.taken.iter().map(String::as_str));
        let choices = available::choices(&job.plan, wish, taken);
        if !choices.is_empty() {
            return Err(Error::SeatsAvailable(choices));
        }
        self.waiting += 1;
        self.entering.insert(session_id.clone(), job);
        self.fresh.push(Fresh { id: &job.id, joining: &job.joining, position: self.waiting });
        Ok(Decision::Enter)
    }
}

/// Somebody who is about to enter asks once more.
fn again(first: &Job, job: &Job) -> Result<Decision, Error> {
    match (first.id == job.id, first.joining.wish == job.joining.wish) {
        (true, true) => Ok(Decision::Enter),
        (true, false) => Err(Error::KeyReused),
        (false, true) => Ok(Decision::Same(first.id.clone())),
        (false, false) => Err(Error::AlreadyWaiting(first.id.clone())),
    }
}
