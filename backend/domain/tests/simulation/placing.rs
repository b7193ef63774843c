//! A hold, from wish to commit: the gate, then Postgres with all that arrived together, then the mirror.

use std::cell::RefCell;
use std::rc::Rc;

use domain::claim::Taking;
use domain::deadline::Deadline;
use domain::id::{OwnerId, SeatId};
use domain::limits::{LimitReached, Limits, Usage};
use domain::mirror::Claimed;
use domain::status::HoldStatus;
use jiff::Timestamp;

use crate::database::{Database, Facts, Hold, TERMS};
use crate::mirroring;
use crate::planted::Bug;
use crate::process::{Lost, Process};

/// How often a missing mirror is filled before we go on without the gate.
const FILL_ATTEMPTS_MAX: usize = 2;
/// How long whoever waits for the batch sleeps between two looks.
const LOOK_MS: i64 = 5;

const LIMITS: Limits =
    Limits { holds_at_once: 2, seats_at_once: 4, holds_per_minute: 1_000, hold_seconds_per_hour: 1_000_000 };

/// What a visitor wants.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) session: u32,
    pub(crate) key: u32,
    pub(crate) seats: Vec<SeatId>,
}

impl Wish {
    /// The same key is the same hold.
    pub(crate) fn hold(&self) -> OwnerId {
        OwnerId::parse(format!("hold_{}", self.key)).unwrap()
    }
}

/// What a visitor is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Placed {
    Yes { hold: OwnerId, seats: Vec<SeatId>, expires_at: Timestamp },
    Taken,
    Limit(LimitReached),
    Unavailable,
}

/// What Postgres decided.
#[derive(Debug, Clone)]
enum Decision {
    New(Hold, Facts),
    Repeated(Hold),
    Taken,
    Limit(LimitReached),
}

type Answer = Rc<RefCell<Option<Result<Decision, Lost>>>>;

/// Wishes that wait to be written together.
#[derive(Default)]
pub(crate) struct Batch {
    /// Whether the gate knows of it stands beside each.
    waiting: Vec<(Wish, bool, Answer)>,
    writing: bool,
}

pub(crate) async fn place(process: &Process, wish: &Wish) -> Placed {
    let id = wish.hold();
    let claimed = match pass_gate(process, wish).await {
        Ok(Claimed::Taken(_)) => return Placed::Taken,
        Ok(claimed) => claimed,
        Err(Lost) => return Placed::Unavailable,
    };
    let decision = write(process, wish, claimed != Claimed::Missing).await;
    if claimed == Claimed::Pending && !matches!(decision, Ok(Decision::New(..))) {
        let _lapses_by_itself = process.redis("undo", |redis| redis.undo(&id, &wish.seats)).await;
    }
    match decision {
        Ok(Decision::New(hold, facts)) => {
            if claimed == Claimed::Missing {
                process.shared.world.borrow_mut().witness.unknown_at_gate.insert(wish.key, None);
            }
            mirroring::follow(process, &facts).await;
            yes(id, hold)
        }
        Ok(Decision::Repeated(hold)) => {
            mirroring::mend(process, &wish.seats).await;
            yes(id, hold)
        }
        Ok(Decision::Taken) => {
            mirroring::mend(process, &wish.seats).await;
            Placed::Taken
        }
        Ok(Decision::Limit(limit)) => Placed::Limit(limit),
        Err(Lost) => Placed::Unavailable,
    }
}

fn yes(hold: OwnerId, placed: Hold) -> Placed {
    Placed::Yes { hold, seats: placed.seats, expires_at: placed.deadline.expires_at }
}

/// `Missing` means: go on without the gate.
async fn pass_gate(process: &Process, wish: &Wish) -> Result<Claimed, Lost> {
    let owner = wish.hold();
    for _ in 0..FILL_ATTEMPTS_MAX {
        match process.redis("claim", |redis| redis.claim(&owner, &wish.seats)).await {
            Ok((Claimed::Missing, _)) => mirroring::fill(process).await,
            // What Redis forgot Postgres knows: a repetition is no loser.
            Ok((Claimed::Taken(lost), true)) => {
                let placed =
                    process.postgres("find the hold", |database| database.holds.contains_key(&owner)).await?;
                return Ok(if placed { Claimed::Mine } else { Claimed::Taken(lost) });
            }
            Ok((claimed, _)) => return Ok(claimed),
            Err(Lost) => break,
        }
    }
    Ok(Claimed::Missing)
}

/// Whoever comes first writes for all who have come by then.
async fn write(process: &Process, wish: &Wish, gated: bool) -> Result<Decision, Lost> {
    let answer = Answer::default();
    let leads = process.memory(|service| {
        service.batch.waiting.push((wish.clone(), gated, Rc::clone(&answer)));
        !std::mem::replace(&mut service.batch.writing, true)
    });
    if leads {
        process.sleep(LOOK_MS).await;
        let batch = process.memory(|service| {
            service.batch.writing = false;
            std::mem::take(&mut service.batch.waiting)
        });
        write_batch(process, batch).await;
    }
    loop {
        if let Some(answer) = answer.borrow_mut().take() {
            return answer;
        }
        process.sleep(LOOK_MS).await;
    }
}

async fn write_batch(process: &Process, batch: Vec<(Wish, bool, Answer)>) {
    let decided = process
        .postgres("place", |database| {
            batch.iter().map(|(wish, gated, _)| decide(database, wish, *gated)).collect::<Vec<_>>()
        })
        .await;
    for (at, (.., answer)) in batch.iter().enumerate() {
        let decision = decided.as_ref().map(|decisions| decisions[at].clone()).map_err(|lost| *lost);
        *answer.borrow_mut() = Some(decision);
    }
}

fn decide(database: &mut Database, wish: &Wish, gated: bool) -> Decision {
    let id = wish.hold();
    if let Some(hold) = database.holds.get(&id) {
        return Decision::Repeated(hold.clone());
    }
    if let Err(limit) = LIMITS.check(&usage(database, wish.session), wish.seats.len()) {
        return Decision::Limit(limit);
    }
    let (token, deadline) = (database.token(), Deadline::new(database.now, &TERMS));
    let taking = Taking { owner: id.clone(), token, expires_at: deadline.expires_at };
    let now = if database.bug == Some(Bug::TakeIgnoresTheDeadline) { Timestamp::MAX } else { database.now };
    let changes = match database.claims.take(&wish.seats, &taking, now, database.queue_open) {
        Ok(changes) => changes,
        Err(_) if database.bug == Some(Bug::PartOfAHoldIsTaken) => {
            let one_by_one = wish.seats.iter().map(|seat| {
                database.claims.take(std::slice::from_ref(seat), &taking, now, database.queue_open)
            });
            one_by_one.filter_map(Result::ok).flatten().collect()
        }
        Err(_) => return Decision::Taken,
    };
    let facts = database.write(&changes);
    if facts.len() < wish.seats.len() {
        return Decision::Taken;
    }
    let seats = wish.seats.clone();
    let hold =
        Hold { session: wish.session, entry: None, seats, token, status: HoldStatus::OnHold, deadline };
    database.holds.insert(id, hold.clone());
    // What the gate does not know of has its mirror begun anew.
    database.epoch += u64::from(!gated);
    Decision::New(hold, facts)
}

fn usage(database: &Database, session: u32) -> Usage {
    let live = |hold: &&Hold| {
        hold.session == session && hold.status == HoldStatus::OnHold && !hold.deadline.lapsed(database.now)
    };
    let live: Vec<_> = database.holds.values().filter(live).collect();
    Usage {
        holds_live: live.len() as u64,
        seats_live: live.iter().map(|hold| hold.seats.len() as u64).sum(),
        ..Usage::default()
    }
}
