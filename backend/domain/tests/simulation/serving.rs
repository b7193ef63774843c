//! The waiting list at work: who joins, who is offered what comes free, and what became of it. Any step may be repeated by any
//! service: decisions are read, not made again.

use std::time::Duration;

use domain::claim::{Onward, Taking};
use domain::deadline::Deadline;
use domain::id::{EntryId, OwnerId};
use domain::status::HoldStatus;

use crate::database::{Database, Facts, Hold, News};
use crate::freeing::{close, release};
use crate::line::{Offer, OfferState, Place, Plan, Progress, plan};
use crate::mirroring;
use crate::process::{Lost, Process};

/// How long somebody has to take an offer.
const OFFER: Duration = Duration::from_secs(2);
/// Between two rounds of looking at everything.
const PAUSE_MS: i64 = 400;

pub(crate) async fn join(process: &Process, session: u32, party: usize) -> Result<EntryId, Lost> {
    let entry = process.postgres("join", |database| database.line.join(session, party)).await?;
    let _the_backstop_says_so = say_whether_open(process).await;
    Ok(entry)
}

pub(crate) async fn leave(process: &Process, entry: &EntryId) -> Result<(), Lost> {
    let hold = process
        .postgres("leave", |database| {
            let left = std::mem::replace(&mut database.line.entry(entry).place, Place::Gone);
            database.line.place(entry, Place::Gone);
            if let Place::Offered(hold) = left { Some(hold) } else { None }
        })
        .await?;
    if let Some(hold) = hold {
        release(process, &hold).await?;
    }
    say_whether_open(process).await
}

/// Tells reservations whether people wait. An older revision than the last changes nothing there.
async fn say_whether_open(process: &Process) -> Result<(), Lost> {
    let said = process
        .postgres("look at the line", |database| {
            let line = &database.line;
            (line.heard < line.revision).then_some((line.open, line.revision))
        })
        .await?;
    let Some((open, revision)) = said else { return Ok(()) };
    let open = process
        .postgres("set queue", |database| {
            if database.queue_revision < revision {
                (database.queue_open, database.queue_revision) = (open, revision);
            }
            database.queue_open
        })
        .await?;
    let _the_reconciler_says_so = process.redis("set queue", |redis| redis.set_queue(open)).await;
    process
        .postgres("queue is set", |database| {
            database.line.heard = database.line.heard.max(revision);
        })
        .await
}

/// Looks at everything that may have been missed.
pub(crate) async fn backstop(process: Process) {
    loop {
        process.sleep(PAUSE_MS).await;
        let _next_time = round(&process).await;
    }
}

async fn round(process: &Process) -> Result<(), Lost> {
    let (escrows, offered, unsaid) = process.postgres("look around", |database| work(database)).await?;
    for escrow in escrows {
        serve(process, &escrow).await?;
    }
    for entry in offered {
        settle(process, &entry).await?;
    }
    if unsaid { say_whether_open(process).await } else { Ok(()) }
}

fn work(database: &Database) -> (Vec<OwnerId>, Vec<EntryId>, bool) {
    let line = &database.line;
    let done = |id: &OwnerId| line.progress.get(id) == Some(&Progress::Done);
    let begun = |id: &OwnerId| line.progress.contains_key(id);
    let open = database
        .escrows
        .iter()
        .filter(|(id, escrow)| !done(id) && (begun(id) || (escrow.open && escrow.expires_at > database.now)));
    let offered = line.entries.iter().filter(|entry| matches!(entry.place, Place::Offered(_)));
    (
        open.map(|(id, _)| id.clone()).collect(),
        offered.map(|entry| entry.waiter.entry_id.clone()).collect(),
        line.heard < line.revision,
    )
}

/// What became of an offer.
async fn settle(process: &Process, id: &EntryId) -> Result<(), Lost> {
    process
        .postgres("settle an offer", |database| {
            let Place::Offered(hold) = database.line.entry(id).place.clone() else { return };
            if database.holds[&hold].status != HoldStatus::OnHold {
                database.line.place(id, Place::Gone);
            }
        })
        .await
}

/// Serves an escrow until nothing is left of it. Every round but the last uses up a seat.
pub(crate) async fn serve(process: &Process, escrow: &OwnerId) -> Result<(), Lost> {
    loop {
        match process.postgres("plan", |database| plan(database, escrow)).await? {
            Plan::Nothing => return Ok(()),
            Plan::Clear => break,
            Plan::Offer(offers) => {
                for offer in offers {
                    make(process, &offer).await?;
                }
            }
        }
    }
    let facts = process.postgres("clear", |database| close(database, escrow)).await?;
    mirroring::follow(process, &facts).await;
    process
        .postgres("served", |database| {
            database.line.progress.insert(escrow.clone(), Progress::Done);
        })
        .await?;
    say_whether_open(process).await
}

async fn make(process: &Process, offer: &Offer) -> Result<(), Lost> {
    let id = OwnerId::parse(format!("hold_{}_{}", offer.escrow, offer.entry)).unwrap();
    let placed = process.postgres("offer", |database| place(database, offer, &id)).await?;
    let Some(facts) = placed else {
        return process.postgres("offer is gone", |database| note_gone(database, offer)).await;
    };
    mirroring::follow(process, &facts).await;
    let wanted = process.postgres("offer is made", |database| note_made(database, offer, &id)).await?;
    if wanted { Ok(()) } else { release(process, &id).await }
}

/// A hold in the name of somebody who waits; the same offer is the same hold. Nothing when the seats are gone.
fn place(database: &mut Database, offer: &Offer, id: &OwnerId) -> Option<Facts> {
    if database.holds.contains_key(id) {
        return Some(Facts::new());
    }
    let escrow = database.escrows.get(&offer.escrow)?;
    if !escrow.open || !offer.seats.iter().all(|seat| escrow.seats.contains(seat)) {
        return None;
    }
    let expires_at = database.now + OFFER;
    let token = database.token();
    let taking = Taking { owner: id.clone(), token, expires_at };
    let changes = database.claims.pass(&offer.escrow, Onward::Held, &taking, Some(&offer.seats));
    if changes.len() < offer.seats.len() {
        return None;
    }
    let facts = database.write(&changes);
    let escrow = database.escrows.get_mut(&offer.escrow)?;
    escrow.seats.retain(|seat| !offer.seats.contains(seat));
    let hold = Hold {
        session: database.line.entry(&offer.entry).session,
        entry: Some(offer.entry.clone()),
        seats: offer.seats.clone(),
        token,
        status: HoldStatus::OnHold,
        deadline: Deadline { created_at: database.now, expires_at, extended: false, graced: false },
    };
    database.holds.insert(id.clone(), hold);
    database.tell(News::Offered(id.clone()));
    Some(facts)
}

/// Says whether the offer is wanted: its owner may have gone.
fn note_made(database: &mut Database, offer: &Offer, hold: &OwnerId) -> bool {
    let row = database.line.offer(&offer.escrow, &offer.entry);
    if row.state != OfferState::Decided {
        return true;
    }
    row.state = OfferState::Made;
    let wanted = database.line.entry(&offer.entry).place == Place::Chosen;
    if wanted {
        database.line.place(&offer.entry, Place::Offered(hold.clone()));
    }
    wanted
}

/// The seats are not there any more: the waiter waits on, at their old place.
fn note_gone(database: &mut Database, offer: &Offer) {
    let row = database.line.offer(&offer.escrow, &offer.entry);
    if row.state == OfferState::Decided {
        row.state = OfferState::Gone;
        if database.line.entry(&offer.entry).place == Place::Chosen {
            database.line.place(&offer.entry, Place::Waiting);
        }
    }
}
