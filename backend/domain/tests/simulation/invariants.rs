//! What must hold after every step, by numbers of the design.

use std::collections::{BTreeMap, BTreeSet};

use domain::claim::show::Claims;
use domain::claim::{Claim, State};
use domain::id::SeatId;
use domain::live::Seats;
use domain::mirror::Kind;
use domain::status::{HoldStatus, SeatStatus};

use crate::books;
use crate::database::{ESCROW_MAX, News};
use crate::world::World;

/// How late an expiry may be announced while somebody sweeps.
const ANNOUNCED_WITHIN_MS: i64 = 1_000;
/// When nothing has changed for so long, every view shows what Postgres has: a claim whose process died lapses after two
/// seconds, is found by the second look after that, and its frame by the second check after that.
pub(crate) const QUIET_MS: i64 = 5_500;
/// The clocks of Postgres and Redis are no further apart.
pub(crate) const SKEW_MS: i64 = 300;

#[derive(Default)]
pub(crate) struct Invariants {
    before: Claims,
    queue_was_open: bool,
    transactions: u64,
    /// Events looked at, and how often each hold's expiry was among them.
    told: usize,
    expiries: BTreeMap<domain::id::OwnerId, usize>,
    /// Since when somebody sweeps.
    swept_since_ms: i64,
    /// When a claim, or the mirror, last changed.
    pub(crate) changed_ms: i64,
    version: Option<u64>,
    pub(crate) fault_ms: i64,
}

impl Invariants {
    pub(crate) fn since(now_ms: i64) -> Self {
        Self { swept_since_ms: now_ms, changed_ms: now_ms, ..Self::default() }
    }

    pub(crate) fn sweeper_failed(&mut self, now_ms: i64) {
        self.swept_since_ms = now_ms;
    }
}

type Checked = Result<(), String>;

/// Checks all; the first violation stays.
pub(crate) fn check(world: &mut World) {
    if world.up().is_empty() {
        world.invariants.swept_since_ms = world.now_ms;
    }
    let version = world.redis.gate.mirror.as_ref().map(|mirror| mirror.version);
    if world.invariants.version != version {
        (world.invariants.version, world.invariants.changed_ms) = (version, world.now_ms);
    }
    let outcome = if world.database.changed == world.invariants.transactions {
        Ok(())
    } else {
        after_a_transaction(world)
    };
    let outcome = outcome.and_then(|()| at_any_time(world));
    if let Err(text) = outcome {
        world.violate(text);
    }
}

fn after_a_transaction(world: &mut World) -> Checked {
    world.invariants.transactions = world.database.changed;
    one_live_booking(world)?;
    acknowledged_is_kept(world)?;
    claims_changed_hands_well(world)?;
    announced_once(world)?;
    order_of_the_line(world)?;
    offered_once(world)?;
    escrows_end(world)?;
    live_holds_are_honoured(world)?;
    books::capacity(world)?;
    books::money(world)?;
    if world.invariants.before != world.database.claims {
        world.invariants.before = world.database.claims.clone();
        world.invariants.changed_ms = world.now_ms;
    }
    world.invariants.queue_was_open = world.database.queue_open;
    Ok(())
}

fn at_any_time(world: &World) -> Checked {
    announced_in_time(world)?;
    mirror_gives_nothing_away(world)?;
    nothing_drifts(world)?;
    views_are_right(world)
}

/// 1. One live booking per seat; and the claims say the same.
fn one_live_booking(world: &World) -> Checked {
    let mut sold = BTreeMap::new();
    for (id, booking) in world.database.bookings.iter().filter(|(_, booking)| booking.live) {
        for seat in &booking.seats {
            if let Some(other) = sold.insert(seat.clone(), id) {
                return Err(format!("{seat} is booked twice, by {other} and {id}"));
            }
            if world.database.claims.of(seat).state != State::Booked(booking.hold.clone()) {
                return Err(format!("{seat} is booked by {id}, and its claim does not say so"));
            }
        }
    }
    Ok(())
}

/// 2. An acknowledged booking is never lost.
fn acknowledged_is_kept(world: &World) -> Checked {
    for (id, hold) in &world.witness.booked {
        if world.database.bookings.get(id).is_none_or(|booking| booking.hold != *hold) {
            return Err(format!("booking {id} of {hold} was acknowledged and is not there"));
        }
    }
    Ok(())
}

/// 3. Tokens only grow, and a seat has a new owner under a new one. 6. What comes free while people wait is theirs.
fn claims_changed_hands_well(world: &World) -> Checked {
    for (seat, new) in world.database.claims.iter() {
        let old = world.invariants.before.of(seat);
        if *new == old {
            continue;
        }
        let new_owner = new.owner().is_some() && new.owner() != old.owner();
        if new.token < old.token || (new_owner && new.token == old.token) {
            return Err(format!("{seat} went from {old:?} to {new:?}: tokens only grow"));
        }
        past_the_queue(world, seat, &old, new)?;
    }
    Ok(())
}

fn past_the_queue(world: &World, seat: &SeatId, old: &Claim, new: &Claim) -> Checked {
    let queue_open = world.database.queue_open && world.invariants.queue_was_open;
    let was_somebodys = matches!(old.state, State::Held(_) | State::Booked(_));
    let of_hold = |claim: &Claim| claim.owner().and_then(|owner| world.database.holds.get(owner)).cloned();
    let to_street = match &new.state {
        State::Free => true,
        State::Held(_) => new.owner() != old.owner() && of_hold(new).is_some_and(|hold| hold.entry.is_none()),
        State::Escrow(_) | State::Booked(_) => false,
    };
    if queue_open && was_somebodys && to_street && !old.live(world.now()) {
        return Err(format!("{seat} lapsed and went past those who wait: {new:?}"));
    }
    if queue_open && was_somebodys && new.state == State::Free {
        return Err(format!("{seat} came free past those who wait"));
    }
    Ok(())
}

/// 4. A hold is honoured until it is confirmed, released or past its deadline; two never have the same seat.
fn live_holds_are_honoured(world: &World) -> Checked {
    let now = world.now();
    for (id, hold) in &world.database.holds {
        if hold.status != HoldStatus::OnHold || hold.deadline.lapsed(now) {
            continue;
        }
        for seat in &hold.seats {
            let claim = world.database.claims.of(seat);
            let kept = matches!(&claim.state, State::Held(kept)
                if kept.owner == *id && kept.expires_at == hold.deadline.expires_at);
            if !kept || claim.token != hold.token {
                return Err(format!("{id} is live, and {seat} is {claim:?}"));
            }
        }
        if world.witness.promised.get(id).is_some_and(|promised| *promised > hold.deadline.expires_at) {
            return Err(format!("{id} is live for less than was promised"));
        }
    }
    let broken = |id: &&domain::id::OwnerId| !world.database.holds.contains_key(*id);
    match world.witness.promised.keys().find(broken) {
        Some(id) => Err(format!("{id} was promised and is not there")),
        None => Ok(()),
    }
}

/// 5. Expiry is announced once, and never early.
fn announced_once(world: &mut World) -> Checked {
    let now = world.now();
    let told = world.database.told[world.invariants.told..].to_vec();
    world.invariants.told = world.database.told.len();
    for news in told {
        let News::HoldExpired(id) = news else { continue };
        let times = world.invariants.expiries.entry(id.clone()).or_default();
        *times += 1;
        if *times > 1 {
            return Err(format!("the expiry of {id} was announced {times} times"));
        }
        if !world.database.holds[&id].deadline.lapsed(now) {
            return Err(format!("{id} expired before its deadline"));
        }
    }
    Ok(())
}

/// 5. … and within a second, while a sweeper lives.
fn announced_in_time(world: &World) -> Checked {
    let late = |at: jiff::Timestamp| {
        world.now_ms - at.as_millisecond().max(world.invariants.swept_since_ms) > ANNOUNCED_WITHIN_MS
    };
    let mut open = world.database.holds.iter().filter(|(_, hold)| hold.status == HoldStatus::OnHold);
    match open.find(|(_, hold)| late(hold.deadline.expires_at)) {
        Some((id, _)) => Err(format!("{id} lapsed, and nobody announced it in time")),
        None => Ok(()),
    }
}

/// 6. Offers go in order of arrival.
fn order_of_the_line(world: &World) -> Checked {
    match &world.database.line.skipped {
        Some((passed, chosen)) => Err(format!("{passed} was passed over for {chosen}")),
        None => Ok(()),
    }
}

/// 6. Nobody is offered seats twice: an entry ends with its offer.
fn offered_once(world: &World) -> Checked {
    let mut offered = BTreeSet::new();
    let mut entries = world.database.holds.values().filter_map(|hold| hold.entry.as_ref());
    match entries.find(|entry| !offered.insert(*entry)) {
        Some(entry) => Err(format!("{entry} was offered seats twice")),
        None => Ok(()),
    }
}

/// No seat waits in escrow past a bound, whatever is asked for; sweepers announce the end as they do any.
fn escrows_end(world: &World) -> Checked {
    let mut open = world.database.escrows.iter().filter(|(_, escrow)| escrow.open);
    match open.find(|(_, escrow)| escrow.expires_at > escrow.created_at + ESCROW_MAX) {
        Some((id, _)) => Err(format!("{id} is kept past its bound")),
        None => Ok(()),
    }
}

/// 7. Two seconds after the last change (here: [`QUIET_MS`], see there) every view equals Postgres.
fn views_are_right(world: &World) -> Checked {
    let last = world.invariants.changed_ms.max(world.invariants.fault_ms);
    if world.now_ms - last < QUIET_MS || world.redis.away {
        return Ok(());
    }
    let status = |claim: &Claim| match claim.state {
        State::Free => None,
        State::Held(_) | State::Escrow(_) => Some(SeatStatus::Held),
        State::Booked(_) => Some(SeatStatus::Booked),
    };
    let claims = world.database.claims.iter();
    let right: Seats = claims.filter_map(|(seat, claim)| Some((seat.clone(), status(claim)?))).collect();
    match world.watchers.iter().position(|watcher| watcher.seen.seats != right) {
        Some(at) => {
            let seen = &world.watchers[at].seen.seats;
            Err(format!("watcher {at} sees {seen:?}, and all has been quiet with {right:?}"))
        }
        None => Ok(()),
    }
}

/// The mirror never shows as free what it has seen held under the same token, unless it was extended meanwhile.
fn mirror_gives_nothing_away(world: &World) -> Checked {
    let Some(mirror) = &world.redis.gate.mirror else { return Ok(()) };
    for (seat, shown) in mirror.seats.iter().filter(|(_, shown)| shown.kind == Kind::Free) {
        let claim = world.database.claims.of(seat);
        let State::Held(kept) = &claim.state else { continue };
        let moved = world
            .database
            .holds
            .get(&kept.owner)
            .is_none_or(|hold| hold.deadline.extended || hold.deadline.graced);
        let left_ms = kept.expires_at.as_millisecond() - world.now_ms;
        if shown.token == claim.token && left_ms > SKEW_MS && !moved {
            return Err(format!("the mirror gives away {seat}, which {} holds", kept.owner));
        }
    }
    Ok(())
}

/// Without a crash or a lost answer the mirror is never wrong for long.
fn nothing_drifts(world: &World) -> Checked {
    if world.calm && world.witness.drift > 0 {
        return Err(format!("{} seats drift in a calm world", world.witness.drift));
    }
    Ok(())
}
