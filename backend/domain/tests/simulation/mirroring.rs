//! Keeping Redis' picture equal to Postgres': filling it, reading it, mending it.

use std::collections::BTreeMap;

use domain::id::SeatId;
use domain::live::Seats;
use domain::mirror::{Mirror, SWEPT_WITHIN_MS};
use domain::status::SeatStatus;

use domain::claim::State;

use crate::database::{Database, Facts};
use crate::planted::Bug;
use crate::process::{Lost, Process};
use crate::redis::Reading;

/// Between two looks for drift.
const LOOK_PAUSE_MS: i64 = 500;

/// What the show looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) version: u64,
    pub(crate) seats: Seats,
}

pub(crate) fn first_version(epoch: u64) -> u64 {
    epoch << 32
}

/// Fills the mirror from Postgres, in a new epoch.
pub(crate) async fn load(process: &Process) -> Result<(), Lost> {
    let unknown = process.shared.world.borrow().witness.unknown_now();
    let (epoch, queue_open, seats) = process
        .postgres("begin an epoch", |database| {
            if database.bug != Some(Bug::EpochsStandStill) || database.epoch == 0 {
                database.epoch += 1;
            }
            (database.epoch, database.queue_open, database.facts())
        })
        .await?;
    let loaded = Mirror { version: first_version(epoch), queue_open, seats };
    if process.redis("load", |redis| redis.load(loaded)).await? {
        let mut world = process.shared.world.borrow_mut();
        let now_ms = world.now_ms;
        world.witness.note_loaded(&unknown, now_ms);
    }
    // What was committed between reading and loading found no mirror, or one that is gone.
    let facts: Facts =
        process.postgres("read claims", |database| database.facts()).await?.into_iter().collect();
    process.redis("apply all", |redis| redis.apply(&facts)).await?;
    process.postgres("note the epoch", |database| database.mirrored = database.mirrored.max(epoch)).await
}

/// Fills the mirror where it is missing. What fails is done by the next who needs it.
pub(crate) async fn fill(process: &Process) {
    if let Ok(None) = read(process).await {
        let _ = load(process).await;
    }
}

/// Tells the mirror what Postgres committed. Where that fails, a new epoch says that something changed.
pub(crate) async fn follow(process: &Process, facts: &Facts) {
    if facts.is_empty() || process.redis("apply", |redis| redis.apply(facts)).await.is_ok() {
        return;
    }
    let _the_reconciler_finds_it = process.postgres("begin an epoch", |database| database.epoch += 1).await;
}

/// Makes the mirror agree with Postgres about seats it was wrong about. Where that fails, the reconciler will.
pub(crate) async fn mend(process: &Process, seats: &[SeatId]) {
    let Ok(Some(read)) = read(process).await else { return };
    let Ok(right) = process.postgres("read claims", |database| database.facts()).await else { return };
    let mut drifts = read.mirror.drifts(right, read.now_ms);
    drifts.retain(|drift| seats.contains(&drift.seat));
    if !drifts.is_empty() {
        let _ = process.redis("mend", |redis| redis.mend(&drifts)).await;
    }
}

async fn read(process: &Process) -> Result<Option<Reading>, Lost> {
    process.redis("read", |redis| redis.read()).await
}

/// From the mirror when there is one, else from Postgres in an epoch of its own.
pub(crate) async fn picture(process: &Process) -> Result<Picture, Lost> {
    match read(process).await {
        Ok(Some(read)) if shown(process) <= read.mirror.version => return Ok(of_mirror(&read)),
        // Redis is back with what it had: the epoch in which we showed the show without it is above that.
        Ok(Some(_)) => load(process).await?,
        Ok(None) => fill(process).await,
        Err(Lost) => return of_postgres(process).await,
    }
    match read(process).await {
        Ok(Some(read)) if shown(process) <= read.mirror.version => Ok(of_mirror(&read)),
        Ok(_) | Err(Lost) => of_postgres(process).await,
    }
}

fn shown(process: &Process) -> u64 {
    process.memory(|service| service.shown_without_redis)
}

fn of_mirror(read: &Reading) -> Picture {
    Picture { version: read.mirror.version, seats: read.mirror.picture(read.now_ms) }
}

/// An epoch that a mirror has counted up in is left first, so that nobody is shown a lower version than before.
async fn of_postgres(process: &Process) -> Result<Picture, Lost> {
    process
        .postgres("leave the mirror's epoch", |database| {
            if database.epoch <= database.mirrored {
                database.epoch += 1;
            }
        })
        .await?;
    let picture = process.postgres("read a picture", |database| of_claims(database)).await?;
    process.memory(|service| {
        service.shown_without_redis = service.shown_without_redis.max(picture.version);
    });
    Ok(picture)
}

fn of_claims(database: &Database) -> Picture {
    let swept = database.now - std::time::Duration::from_millis(SWEPT_WITHIN_MS);
    let status = |state: &State| match state {
        State::Booked(_) => Some(SeatStatus::Booked),
        State::Held(_) if database.queue_open => Some(SeatStatus::Held),
        State::Held(kept) | State::Escrow(kept) if kept.expires_at > swept => Some(SeatStatus::Held),
        State::Free | State::Held(_) | State::Escrow(_) => None,
    };
    let seats =
        database.claims.iter().filter_map(|(seat, claim)| Some((seat.clone(), status(&claim.state)?)));
    Picture { version: first_version(database.epoch), seats: seats.collect() }
}

/// Looks for drift, and mends what differs in two looks running.
pub(crate) async fn reconcile(process: Process) {
    loop {
        process.sleep(LOOK_PAUSE_MS).await;
        if look(&process).await.is_err() {
            process.memory(|service| service.suspicions.clear());
        }
    }
}

async fn look(process: &Process) -> Result<(), Lost> {
    let stale =
        process.postgres("look for new epochs", |database| database.epoch > database.mirrored).await?;
    if stale {
        load(process).await?;
    }
    let Some(read) = read(process).await? else { return Ok(()) };
    let (queue_open, mirrored, right): (bool, u64, BTreeMap<_, _>) = process
        .postgres("read claims", |database| (database.queue_open, database.mirrored, database.facts()))
        .await?;
    // Somebody slow has filled an emptied Redis with an epoch that others have left.
    if read.mirror.version < first_version(mirrored) {
        return load(process).await;
    }
    if queue_open != read.mirror.queue_open {
        let _the_next_look_does_it = process.redis("set queue", |redis| redis.set_queue(queue_open)).await;
    }
    let drifts = read.mirror.drifts(right, read.now_ms);
    let before = process.memory(|service| std::mem::take(&mut service.suspicions));
    let (again, fresh): (Vec<_>, Vec<_>) = drifts.into_iter().partition(|drift| before.contains(drift));
    process.memory(|service| service.suspicions = fresh);
    if !again.is_empty() {
        let mended = process.redis("mend drift", |redis| redis.mend(&again)).await?;
        process.world(|world| world.witness.drift += mended).await;
    }
    Ok(())
}
