//! Payments about to begin: many buyers' keys are taken together, and the holds they confirm found. A hold that has little time
//! left gets enough of it to pay.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Transaction;
use domain::id::HoldId;
use domain::status::HoldStatus;
use service::postgres;

use super::{Write, Written};
use crate::app::App;
use crate::error::Error;
use crate::extending;
use crate::store::claims::Claim;
use crate::store::holds::{self, Hold};
use crate::store::idempotency::{self, Known, Lease, Used};

/// Beginning to confirm.
#[derive(Debug)]
pub struct Attempts;

/// Whether a request is the first with its key.
#[derive(Debug)]
pub enum Begun {
    /// It is; and the hold, if there is one and it is theirs.
    First(Lease, Option<Box<Hold>>),
    /// What is known of the key.
    Known(Known),
}

impl Write for Attempts {
    type Job = Used;
    type Answer = Begun;
    const NAME: &'static str = "attempts";

    async fn attempt(app: &App, jobs: &[Used]) -> Result<Option<Written<Begun>>, Error> {
        let mut client = app.connection().await?;
        let transaction = client.transaction().await?;
        let used: Vec<&Used> = jobs.iter().collect();
        let known = idempotency::begin(&transaction, &used, app.term()).await?;
        let mut found = find(&transaction, jobs, &known).await?;
        let claims = grace(app, &transaction, &mut found).await?;
        transaction.commit().await.map_err(postgres::Error::from)?;
        let answer = |(used, known): (&Used, Known)| match known {
            Known::Fresh(lease) => Ok(Begun::First(lease, theirs(used, &found).cloned().map(Box::new))),
            known => Ok(Begun::Known(known)),
        };
        Ok(Some(Written { answers: std::iter::zip(jobs, known).map(answer).collect(), claims }))
    }
}

/// The holds of those who are first, where they are theirs: nobody's request moves another's deadline.
async fn find(
    transaction: &Transaction<'_>,
    jobs: &[Used],
    known: &[Known],
) -> Result<HashMap<HoldId, Hold>, Error> {
    let first = |(_, known): &(&Used, &Known)| matches!(known, Known::Fresh(_));
    let theirs: HashSet<_> = std::iter::zip(jobs, known)
        .filter(first)
        .map(|(used, _)| (used.hold.as_str(), used.session.as_str()))
        .collect();
    let ids: Vec<_> = theirs.iter().map(|(hold, _)| *hold).collect();
    let found = holds::find_all(transaction, &ids).await?.into_iter();
    let found = found.filter(|hold| theirs.contains(&(hold.id.as_str(), hold.session.as_str())));
    Ok(found.map(|hold| (hold.id.clone(), hold)).collect())
}

fn theirs<'a>(used: &Used, found: &'a HashMap<HoldId, Hold>) -> Option<&'a Hold> {
    found.get(&used.hold).filter(|hold| hold.session == used.session)
}

/// Moves the deadlines that a payment needs later, in the books and among `found`. Returns the claims that changed.
async fn grace(
    app: &App,
    transaction: &Transaction<'_>,
    found: &mut HashMap<HoldId, Hold>,
) -> Result<Vec<Claim>, Error> {
    let terms = app.config.terms();
    let later = |hold: &Hold| hold.deadline.for_payment(hold.read_at, &terms).ok();
    let needy: Vec<_> =
        found.values().filter(|hold| later(hold).is_some_and(|at| at != hold.deadline)).collect();
    if needy.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = needy.iter().map(|hold| hold.id.as_str()).collect();
    let mut locked = holds::lock_all(transaction, &ids).await?;
    locked.retain_mut(|hold| match (hold.status, later(hold)) {
        (HoldStatus::OnHold, Some(deadline)) => {
            hold.deadline = deadline;
            true
        }
        _ => false,
    });
    let claims = extending::move_deadlines(app, transaction, &locked).await?;
    locked.retain(|hold| extending::moved(hold, &claims));
    found.extend(locked.into_iter().map(|hold| (hold.id.clone(), hold)));
    Ok(claims)
}
