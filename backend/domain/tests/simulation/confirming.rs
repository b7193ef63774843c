//! From hold to booking: take the key, move the deadline, authorise, book, capture; where Postgres says no, void.
//!
//! What was begun stands in Postgres before the bank hears of it, so that whatever is left over is found (`settling`).

use std::time::Duration;

use domain::claim::Taking;
use domain::id::OwnerId;
use domain::status::HoldStatus;

use crate::bank::Payment;
use crate::database::{Attempt, AttemptState, Booking, Database, Facts, Hold, KeyRow, News, TERMS};
use crate::freeing::move_deadline;
use crate::mirroring;
use crate::planted::Bug;
use crate::process::{Lost, Process};

/// How long one attempt may take before another one with the same key thinks it dead.
pub(crate) const LEASE: Duration = Duration::from_millis(1_200);

#[derive(Debug, Clone)]
pub(crate) struct Confirmation {
    pub(crate) hold: OwnerId,
    pub(crate) key: u32,
}

/// The one answer of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Final {
    Booked(u64),
    BookedBefore(u64),
    Declined,
    Expired,
    Released,
}

/// What a visitor is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmed {
    Final(Final),
    UnderWay,
    Unavailable,
}

#[derive(Debug)]
enum Begun {
    Attempt(u64, Facts),
    Answered(Final),
    UnderWay,
}

#[derive(Debug)]
enum Outcome {
    Booked(u64, Facts),
    Refused(Final),
    /// Somebody thought this attempt dead.
    Overtaken,
}

pub(crate) async fn confirm(process: &Process, confirmation: &Confirmation) -> Confirmed {
    match attempt(process, confirmation).await {
        Ok(confirmed) => confirmed,
        Err(Lost) => Confirmed::Unavailable,
    }
}

async fn attempt(process: &Process, confirmation: &Confirmation) -> Result<Confirmed, Lost> {
    let attempt = match process.postgres("begin to confirm", |database| begin(database, confirmation)).await?
    {
        Begun::Answered(answer) => return Ok(Confirmed::Final(answer)),
        Begun::UnderWay => return Ok(Confirmed::UnderWay),
        Begun::Attempt(attempt, facts) => {
            mirroring::follow(process, &facts).await;
            attempt
        }
    };
    if process.bank("authorise", |bank| bank.authorise(attempt)).await? != Payment::Authorised {
        let keep = |database: &mut Database| refuse(database, confirmation, attempt, Final::Declined);
        return process.postgres("declined", keep).await.map(Confirmed::Final);
    }
    match process.postgres("book", |database| book(database, confirmation, attempt)).await? {
        Outcome::Booked(booking, facts) => {
            mirroring::follow(process, &facts).await;
            capture(process, attempt).await?;
            Ok(Confirmed::Final(Final::Booked(booking)))
        }
        Outcome::Refused(answer) => {
            void(process, attempt).await?;
            Ok(Confirmed::Final(answer))
        }
        Outcome::Overtaken => Ok(Confirmed::Unavailable),
    }
}

/// One transaction: the key is ours, the hold is long enough for a payment, the attempt is known.
fn begin(database: &mut Database, confirmation: &Confirmation) -> Begun {
    let key = confirmation.key;
    if let Some(row) = database.keys.get(&key)
        && database.bug != Some(Bug::ConfirmForgetsTheKey)
    {
        if let Some(answer) = row.answer {
            return Begun::Answered(answer);
        }
        if row.lease_until > database.now {
            return Begun::UnderWay;
        }
    }
    let hold = database.holds[&confirmation.hold].clone();
    let attempt = database.serial();
    let row = KeyRow { lease_until: database.now + LEASE, answer: None };
    if let Some(answer) = over(database, &hold, confirmation) {
        database.keys.insert(key, KeyRow { answer: Some(answer), ..row });
        return Begun::Answered(answer);
    }
    let Ok(deadline) = hold.deadline.for_payment(database.now, &TERMS) else {
        database.keys.insert(key, KeyRow { answer: Some(Final::Expired), ..row });
        return Begun::Answered(Final::Expired);
    };
    let moved = (deadline != hold.deadline).then(|| move_deadline(database, &confirmation.hold, deadline));
    let (_, facts) = moved.flatten().unwrap_or((database.now, Facts::new()));
    database.keys.insert(key, row);
    database.attempts.insert(attempt, Attempt { state: AttemptState::Begun, begun_at: database.now });
    Begun::Attempt(attempt, facts)
}

/// What a key is told of a hold that is not open any more.
fn over(database: &Database, hold: &Hold, confirmation: &Confirmation) -> Option<Final> {
    match hold.status {
        HoldStatus::OnHold => None,
        HoldStatus::Expired => Some(Final::Expired),
        HoldStatus::Released => Some(Final::Released),
        HoldStatus::Booked => {
            let of_hold = |(_, booking): &(&u64, &Booking)| booking.hold == confirmation.hold;
            let (id, booking) = database.bookings.iter().find(of_hold).unwrap();
            let same = booking.key == confirmation.key;
            Some(if same { Final::Booked(*id) } else { Final::BookedBefore(*id) })
        }
    }
}

/// One transaction: the claims are sold, the booking written, the event put, the answer kept.
fn book(database: &mut Database, confirmation: &Confirmation, attempt: u64) -> Outcome {
    if database.attempts[&attempt].state != AttemptState::Begun {
        return Outcome::Overtaken;
    }
    let id = &confirmation.hold;
    let hold = database.holds[id].clone();
    let kept = database.keys[&confirmation.key].answer;
    if let Some(answer) = kept.filter(|_| database.bug != Some(Bug::ConfirmForgetsTheKey)) {
        return Outcome::Refused(give_up(database, attempt, answer));
    }
    if let Some(answer @ (Final::Released | Final::Booked(_) | Final::BookedBefore(_))) =
        over(database, &hold, confirmation)
    {
        return Outcome::Refused(refuse(database, confirmation, attempt, answer));
    }
    let Some((changes, token)) = sellable(database, id, &hold) else {
        return Outcome::Refused(refuse(database, confirmation, attempt, Final::Expired));
    };
    let facts = database.write(&changes);
    let row = database.holds.get_mut(id).unwrap();
    (row.status, row.token) = (HoldStatus::Booked, token);
    let booking = database.serial();
    let seats = hold.seats;
    let key = confirmation.key;
    database.bookings.insert(booking, Booking { hold: id.clone(), key, attempt, seats, live: true });
    database.tell(News::Booked(id.clone()));
    database.attempts.get_mut(&attempt).unwrap().state = AttemptState::Booked;
    database.keys.get_mut(&key).unwrap().answer = Some(Final::Booked(booking));
    Outcome::Booked(booking, facts)
}

/// The hold's claims, sold. Money that is late finds a hold that has lapsed: its seats are claimed once more, under a new token,
/// where nobody has them.
fn sellable(
    database: &mut Database,
    id: &OwnerId,
    hold: &Hold,
) -> Option<(domain::claim::show::Changes, i64)> {
    let now = database.now;
    if let Ok(changes) = database.claims.book(&hold.seats, id, hold.token, now) {
        return Some((changes, hold.token));
    }
    let token = database.token();
    let taking = Taking { owner: id.clone(), token, expires_at: now + TERMS.grace };
    let by = if database.bug == Some(Bug::LateMoneyTakesAnything) { jiff::Timestamp::MAX } else { now };
    let mut claims = database.claims.clone();
    claims.set(&claims.take(&hold.seats, &taking, by, database.queue_open).ok()?);
    Some((claims.book(&hold.seats, id, token, now).ok()?, token))
}

/// Keeps the answer of a key that gets no booking.
fn refuse(database: &mut Database, confirmation: &Confirmation, attempt: u64, answer: Final) -> Final {
    let row = database.keys.get_mut(&confirmation.key).unwrap();
    let answer = *row.answer.get_or_insert(answer);
    give_up(database, attempt, answer)
}

fn give_up(database: &mut Database, attempt: u64, answer: Final) -> Final {
    let row = database.attempts.get_mut(&attempt).unwrap();
    if row.state == AttemptState::Begun {
        row.state = AttemptState::Voiding;
    }
    answer
}

pub(crate) async fn capture(process: &Process, attempt: u64) -> Result<(), Lost> {
    process.bank("capture", |bank| bank.capture(attempt)).await?;
    process.postgres("captured", |database| set(database, attempt, AttemptState::Captured)).await
}

pub(crate) async fn void(process: &Process, attempt: u64) -> Result<(), Lost> {
    if process.shared.world.borrow().bug == Some(Bug::NothingIsVoided) {
        return Ok(());
    }
    process.bank("void", |bank| bank.void(attempt)).await?;
    process.postgres("voided", |database| set(database, attempt, AttemptState::Over)).await
}

fn set(database: &mut Database, attempt: u64, state: AttemptState) {
    database.attempts.get_mut(&attempt).unwrap().state = state;
}
