//! Joining a line: durable, at the end, and known to reservations before it is acknowledged.
//!
//! Joins of one line that come together are written together: a join that finds nobody writing is written at once, and those that come
//! meanwhile by the next transaction, in the order in which they came ([`queue`]). So a crowd costs a lock and a commit for many, and
//! everybody's place is still decided under the lock of the line.

mod deciding;
mod opening;
mod queue;

use std::sync::Arc;

use domain::id::{EntryId, SessionId, ShowId};
use domain::plan::Plan;
use domain::queue::Wish;
use domain::status::EntryStatus;
use service::postgres;
use tokio::sync::oneshot;

pub(crate) use queue::Queue;
use queue::{Pushed, Turn};

use crate::Waitlist;
use crate::error::Error;
use crate::flag::{self, Untold};
use crate::idempotency::{self, Key};
use crate::store::entries::Entry;
use crate::store::shows;
use crate::wish::{Email, InvalidWish};

/// How often a batch is tried that stood in another's way.
const ATTEMPTS_MAX: usize = 3;

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

/// A join on its way to the writer.
#[derive(Debug)]
struct Job {
    id: EntryId,
    joining: Joining,
    /// The places of the show.
    plan: Arc<Plan>,
}

type Answer = Result<Joined, Error>;
type Waiting = (Job, oneshot::Sender<Answer>);

/// Puts somebody in line, unless the show has what they want. A repeat under the same key gets the first answer again.
///
/// When reservations cannot be told that somebody waits, the entry stays, but is not acknowledged: a seat could still be
/// sold past it. The backstop tells reservations later, and a repeat under the same key is then acknowledged.
pub(crate) async fn join(waitlist: &Arc<Waitlist>, joining: Joining) -> Answer {
    let id = idempotency::entry_id(&joining.session_id, &joining.show_id, joining.key.as_ref());
    let plan = places(waitlist, &joining.show_id).await?;
    joining.wish.possible(&plan).map_err(InvalidWish::from)?;
    let (answer, answered) = oneshot::channel();
    let show_id = joining.show_id.clone();
    match waitlist.joins.push(&show_id, (Job { id, joining, plan }, answer)) {
        Pushed::Behind => {}
        Pushed::First => waitlist.drain.spawn(write(Arc::clone(waitlist), show_id)),
        Pushed::Full => return Err(Error::Busy),
    }
    answered.await.unwrap_or_else(|_| Err(postgres::Error::Away("this server stops".to_owned()).into()))
}

async fn places(waitlist: &Waitlist, show_id: &ShowId) -> Result<Arc<Plan>, Error> {
    if let Some(plan) = waitlist.houses.known(show_id) {
        return Ok(plan);
    }
    let connection = waitlist.connection().await?;
    if let Some(plan) = waitlist.houses.of(&connection, show_id).await? {
        return Ok(plan);
    }
    // A show that people waited for was on the program once.
    let known = shows::find(&connection, show_id).await?.is_some();
    Err(if known { Error::ShowCancelled } else { Error::ShowNotFound })
}

/// Writes a line until nobody waits for it.
async fn write(waitlist: Arc<Waitlist>, show_id: ShowId) {
    let mut turn = Turn { queue: &waitlist.joins, show_id: &show_id, over: false };
    loop {
        let _place = waitlist.joins.place().await;
        let (jobs, answers): (Vec<_>, Vec<_>) = turn.next().into_iter().unzip();
        if jobs.is_empty() {
            return;
        }
        let outcomes = put_in_line(&waitlist, &show_id, &jobs).await;
        let waitlist = Arc::clone(&waitlist);
        waitlist.drain.clone().spawn(async move {
            let outcomes = acknowledged(&waitlist, outcomes).await;
            for (answer, outcome) in std::iter::zip(answers, outcomes) {
                // Nobody waits for it when the request is gone.
                drop(answer.send(outcome));
            }
        });
    }
}

/// One after the other, when all of them together are refused: nobody pays for a neighbour.
async fn put_in_line(waitlist: &Waitlist, show_id: &ShowId, jobs: &[Job]) -> Vec<Result<Placed, Error>> {
    match attempts(waitlist, show_id, jobs).await {
        Err(postgres::Error::Refused(error)) if jobs.len() > 1 => {
            tracing::warn!(jobs = jobs.len(), %error, "joins were refused together; each is tried alone");
            let mut outcomes = Vec::with_capacity(jobs.len());
            for job in jobs {
                outcomes.extend(settled(attempts(waitlist, show_id, std::slice::from_ref(job)).await, 1));
            }
            outcomes
        }
        outcome => settled(outcome, jobs.len()),
    }
}

fn settled(
    outcome: Result<Vec<Result<Placed, Error>>, postgres::Error>,
    jobs: usize,
) -> Vec<Result<Placed, Error>> {
    outcome.unwrap_or_else(|error| {
        // Everybody is told what went wrong.
        let why = error.to_string();
        let mut all: Vec<_> = (1..jobs).map(|_| Err(postgres::Error::Away(why.clone()).into())).collect();
        all.push(Err(error.into()));
        all
    })
}

async fn attempts(
    waitlist: &Waitlist,
    show_id: &ShowId,
    jobs: &[Job],
) -> Result<Vec<Result<Placed, Error>>, postgres::Error> {
    let mut last = deciding::attempt(waitlist, show_id, jobs).await;
    for _ in 1..ATTEMPTS_MAX {
        if !matches!(last, Err(postgres::Error::Again(_))) {
            break;
        }
        last = deciding::attempt(waitlist, show_id, jobs).await;
    }
    last
}

/// An entry that is committed, and the flag of its line.
#[derive(Debug)]
struct Placed {
    joined: Joined,
    flag: shows::Flag,
}

/// Tells reservations, if it does not know. Who has been offered something, or is out, was acknowledged or needs it no more: a repeated
/// answer of theirs does not depend on reservations.
async fn acknowledged(waitlist: &Waitlist, outcomes: Vec<Result<Placed, Error>>) -> Vec<Answer> {
    let needing = outcomes.iter().flatten().find(|placed| placed.needs_reservations());
    let flag = needing.map(|placed| placed.flag.clone());
    let told = match &flag {
        Some(flag) => flag::tell(waitlist, flag).await,
        None => Ok(()),
    };
    let opened = flag.filter(|flag| !flag.synced).map(|flag| flag.show_id);
    let opening = opening::Opening::of(waitlist, opened).await;
    let answer = |placed: Placed| match told.as_ref().err().filter(|_| placed.needs_reservations()) {
        Some(Untold::Reservations(error)) => Err(Error::Unsynced(error.to_string())),
        Some(Untold::Postgres(error)) => Err(postgres::Error::Away(error.to_string()).into()),
        None => Ok(placed),
    };
    let mut answers = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        answers.push(match outcome.and_then(answer) {
            Ok(placed) => opening.checked(waitlist, placed).await,
            Err(error) => Err(error),
        });
    }
    answers
}

impl Placed {
    fn needs_reservations(&self) -> bool {
        let (Joined::New(entry) | Joined::Before(entry)) = &self.joined;
        entry.status == EntryStatus::Waiting && self.flag.open
    }
}

impl Joined {
    /// A new entry as it was when it was made, whatever became of it.
    fn first_answer(self) -> Self {
        match self {
            Self::New(entry) => Self::New(Entry {
                status: EntryStatus::Waiting,
                position: Some(entry.joined_position),
                offer: None,
                closed: None,
                ..entry
            }),
            before @ Self::Before(_) => before,
        }
    }
}
