//! Ways out of a hold or a booking, and the sweepers that announce what has lapsed.

use domain::id::OwnerId;
use domain::status::HoldStatus;
use jiff::Timestamp;

use crate::database::{Database, Facts, News, TERMS};
use crate::mirroring;
use crate::planted::Bug;
use crate::process::{Lost, Process};

/// Between two rounds of a sweeper.
const SWEEP_PAUSE_MS: i64 = 250;

/// Ends a hold without a sale, in the caller's transaction.
fn end(database: &mut Database, id: &OwnerId, status: HoldStatus) -> Facts {
    database.holds.get_mut(id).unwrap().status = status;
    let news = match status {
        HoldStatus::Expired => News::HoldExpired(id.clone()),
        _ => News::HoldReleased(id.clone()),
    };
    database.tell(news);
    database.let_go(id)
}

/// Releases a hold; one that is over already stays as it is.
pub(crate) async fn release(process: &Process, id: &OwnerId) -> Result<(), Lost> {
    let facts = process
        .postgres("release", |database| {
            let hold = database.holds.get(id)?;
            let open = hold.status == HoldStatus::OnHold && !hold.deadline.lapsed(database.now);
            open.then(|| end(database, id, HoldStatus::Released))
        })
        .await?;
    mirroring::follow(process, &facts.unwrap_or_default()).await;
    Ok(())
}

/// Cancels a booking. One that was cancelled before stays so.
pub(crate) async fn cancel(process: &Process, booking: u64) -> Result<(), Lost> {
    let facts = process
        .postgres("cancel", |database| {
            let row = database.bookings.get_mut(&booking)?;
            if !std::mem::replace(&mut row.live, false) {
                return None;
            }
            let hold = row.hold.clone();
            database.tell(News::Cancelled(hold.clone()));
            Some(database.let_go(&hold))
        })
        .await?;
    mirroring::follow(process, &facts.unwrap_or_default()).await;
    Ok(())
}

/// Extends a hold, once. Says until when it lasts, when it does.
pub(crate) async fn extend(process: &Process, id: &OwnerId) -> Result<Option<Timestamp>, Lost> {
    let extended = process
        .postgres("extend", |database| {
            let hold = database.holds.get(id)?;
            let open = hold.status == HoldStatus::OnHold && hold.entry.is_none();
            let deadline = open.then(|| hold.deadline.extend(database.now, &TERMS).ok())??;
            move_deadline(database, id, deadline)
        })
        .await?;
    let Some((until, facts)) = extended else { return Ok(None) };
    mirroring::follow(process, &facts).await;
    Ok(Some(until))
}

/// Writes a later deadline into a hold and its claims, all or none.
pub(crate) fn move_deadline(
    database: &mut Database,
    id: &OwnerId,
    deadline: domain::deadline::Deadline,
) -> Option<(Timestamp, Facts)> {
    let hold = database.holds.get(id)?.clone();
    let until = deadline.expires_at;
    let changes = database.claims.extend(&hold.seats, id, hold.token, until, database.now).ok()?;
    let facts = database.write(&changes);
    database.holds.get_mut(id)?.deadline = deadline;
    Some((until, facts))
}

/// Announces what has lapsed, soon and once. No seat depends on it to be free.
pub(crate) async fn sweep(process: Process) {
    loop {
        process.sleep(SWEEP_PAUSE_MS).await;
        let bug = process.shared.world.borrow().bug;
        let swept = match bug {
            Some(Bug::SweepersAnnounceWhatTheyRead) => sweep_in_two_steps(&process).await,
            _ => process.postgres("sweep", sweep_once).await,
        };
        match swept {
            Ok(facts) => mirroring::follow(&process, &facts).await,
            // As good as no sweeper: expiry is late by as much.
            Err(Lost) => process.world(|world| world.invariants.sweeper_failed(world.now_ms)).await,
        }
    }
}

fn due(database: &Database) -> Vec<OwnerId> {
    let early = database.bug == Some(Bug::SweepersAreEarly);
    let now = if early { database.now + TERMS.grace } else { database.now };
    let due = database
        .holds
        .iter()
        .filter(|(_, hold)| hold.status == HoldStatus::OnHold && hold.deadline.lapsed(now));
    due.map(|(id, _)| id.clone()).collect()
}

fn sweep_once(database: &mut Database) -> Facts {
    let mut facts = Facts::new();
    for id in due(database) {
        facts.extend(end(database, &id, HoldStatus::Expired));
    }
    facts.extend(lapse_escrows(database));
    facts
}

/// What the queue did not take in time goes on open sale.
fn lapse_escrows(database: &mut Database) -> Facts {
    let now = database.now;
    let due = database.escrows.iter().filter(|(_, escrow)| escrow.open && escrow.expires_at <= now);
    let due: Vec<_> = due.map(|(id, _)| id.clone()).collect();
    due.iter().flat_map(|id| close(database, id)).collect()
}

/// Puts what is left of an escrow on open sale.
pub(crate) fn close(database: &mut Database, id: &OwnerId) -> Facts {
    if let Some(escrow) = database.escrows.get_mut(id) {
        escrow.open = false;
        escrow.seats.clear();
    }
    let changes = database.claims.free(id);
    database.write(&changes)
}

/// The planted way: what was due a moment ago is announced without a second look.
async fn sweep_in_two_steps(process: &Process) -> Result<Facts, Lost> {
    let due = process.postgres("read what is due", |database| due(database)).await?;
    process
        .postgres("announce it", |database| {
            let ended: Vec<_> = due.iter().flat_map(|id| end(database, id, HoldStatus::Expired)).collect();
            ended.into_iter().chain(lapse_escrows(database)).collect()
        })
        .await
}
