//! The waiting list at work: who joins, who is offered what comes free, and what became of it. Any step may be repeated by any
//! service: decisions are read, not made again.

use std::time::Duration;

use domain::claim::{Onward, Taking};
use domain::deadline::Deadline;
use domain::id::{EntryId, OwnerId, SeatId};
use domain::queue::Wish;
use domain::status::HoldStatus;
use jiff::Timestamp;

use crate::database::{Database, ESCROW_MAX, Facts, Hold, News};
use crate::freeing::release;
use crate::line::{Offer, OfferState, Parts, Place, Plan, plan};
use crate::mirroring;
use crate::planted::Bug;
use crate::process::{Lost, Process};

/// How long somebody has to take an offer.
const OFFER: Duration = Duration::from_secs(2);
/// Between two rounds of looking at everything.
const PAUSE_MS: i64 = 400;

pub(crate) async fn join(process: &Process, session: u32, wish: Wish) -> Result<EntryId, Lost> {
    let entry = process.postgres("join", |database| database.line.join(session, wish)).await?;
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
    let (waiting, offered, unsaid) = process.postgres("look around", |database| work(database)).await?;
    if waiting {
        serve(process).await?;
    }
    for entry in offered {
        settle(process, &entry).await?;
    }
    if unsaid { say_whether_open(process).await } else { Ok(()) }
}

fn work(database: &Database) -> (bool, Vec<EntryId>, bool) {
    let line = &database.line;
    let open = database.escrows.values().any(|escrow| escrow.open && escrow.expires_at > database.now);
    let pending = line.offers.iter().any(|offer| offer.state == OfferState::Decided);
    let offered = line.entries.iter().filter(|entry| matches!(entry.place, Place::Offered(_)));
    let offered = offered.map(|entry| entry.waiter.entry_id.clone()).collect();
    (open || pending, offered, line.heard < line.revision)
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

/// Gives away the seats that are free for the line, until nothing is left to be done.
pub(crate) async fn serve(process: &Process) -> Result<(), Lost> {
    loop {
        let Plan { offers, releases, keeps } = process.postgres("plan", plan).await?;
        for offer in &offers {
            make(process, offer).await?;
        }
        if !releases.is_empty() {
            let facts = process.postgres("release seats", |database| open_sale(database, &releases)).await?;
            mirroring::follow(process, &facts).await;
        }
        if let Some((escrows, until)) = keeps {
            let facts = process.postgres("keep", |database| keep(database, &escrows, until)).await?;
            mirroring::follow(process, &facts).await;
        }
        if offers.is_empty() {
            break;
        }
    }
    say_whether_open(process).await
}

/// Keeps escrows for longer, none past its bound.
fn keep(database: &mut Database, escrows: &[OwnerId], until: Timestamp) -> Facts {
    let (now, mut changes) = (database.now, Vec::new());
    let for_ever = database.bug == Some(Bug::EscrowsAreKeptPastTheirBound);
    for id in escrows {
        let Some(escrow) = database.escrows.get_mut(id) else { continue };
        let bound = escrow.created_at + ESCROW_MAX;
        let until = if for_ever { bound + OFFER } else { until.min(bound) };
        if escrow.open && escrow.expires_at > now && escrow.expires_at < until {
            escrow.expires_at = until;
            changes.extend(database.claims.keep(id, until, now));
        }
    }
    database.write(&changes)
}

/// Puts seats of escrows on open sale, as far as they are still there.
fn open_sale(database: &mut Database, parts: &Parts) -> Facts {
    let mut changes = Vec::new();
    for (id, seats) in parts {
        let freed = database.claims.free(id).into_iter().filter(|(seat, _)| seats.contains(seat));
        changes.extend(freed);
        take_out(database, id, seats);
    }
    database.write(&changes)
}

/// What is in no escrow any more is not the line's; an escrow without seats is over.
fn take_out(database: &mut Database, id: &OwnerId, seats: &[SeatId]) {
    if let Some(escrow) = database.escrows.get_mut(id) {
        escrow.seats.retain(|seat| !seats.contains(seat));
        escrow.open &= !escrow.seats.is_empty();
    }
}

async fn make(process: &Process, offer: &Offer) -> Result<(), Lost> {
    let id = OwnerId::parse(format!("hold_{}_{}", offer.first(), offer.entry)).unwrap();
    let placed = process.postgres("offer", |database| place(database, offer, &id)).await?;
    let Some(facts) = placed else {
        return process.postgres("offer is gone", |database| note_gone(database, offer)).await;
    };
    mirroring::follow(process, &facts).await;
    let wanted = process.postgres("offer is made", |database| note_made(database, offer, &id)).await?;
    if wanted { Ok(()) } else { release(process, &id).await }
}

/// A hold in the name of somebody who waits; the same offer is the same hold. Nothing when any of its seats is gone.
fn place(database: &mut Database, offer: &Offer, id: &OwnerId) -> Option<Facts> {
    if database.holds.contains_key(id) {
        return Some(Facts::new());
    }
    let has = |(escrow, seats): (&OwnerId, &Vec<SeatId>)| {
        let escrow = &database.escrows[escrow];
        escrow.open && seats.iter().all(|seat| escrow.seats.contains(seat))
    };
    if !offer.parts.iter().all(has) {
        return None;
    }
    let expires_at = database.now + OFFER;
    let token = database.token();
    let taking = Taking { owner: id.clone(), token, expires_at };
    let pass = |(escrow, seats): (&OwnerId, &Vec<SeatId>)| {
        database.claims.pass(escrow, Onward::Held, &taking, Some(seats))
    };
    let changes: Vec<_> = offer.parts.iter().flat_map(pass).collect();
    if changes.len() < offer.seats().len() {
        return None;
    }
    let facts = database.write(&changes);
    let emptied = if database.bug == Some(Bug::OnlyTheFirstEscrowIsEmptied) { 1 } else { usize::MAX };
    for (escrow, seats) in offer.parts.iter().take(emptied) {
        take_out(database, escrow, seats);
    }
    let hold = Hold {
        session: database.line.entry(&offer.entry).session,
        entry: Some(offer.entry.clone()),
        seats: offer.seats(),
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
    let row = database.line.offer(offer.first(), &offer.entry);
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
    let row = database.line.offer(offer.first(), &offer.entry);
    if row.state == OfferState::Decided {
        row.state = OfferState::Gone;
        if database.line.entry(&offer.entry).place == Place::Chosen {
            database.line.place(&offer.entry, Place::Waiting);
        }
    }
}
