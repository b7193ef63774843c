//! Visitors: they hold, pay, dawdle, give back, wait in line, lose patience, and ask again with the same key elsewhere.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use domain::hold::Party;
use domain::id::{EntryId, OwnerId, SeatId};
use domain::queue::Wish as Line;

use crate::confirming::{Confirmation, Confirmed, Final, confirm};
use crate::freeing;
use crate::line::Place;
use crate::placing::{Placed, Wish, place};
use crate::process::Process;
use crate::run::spawn;
use crate::serving;
use crate::world::World;

/// How often a request is sent before its visitor gives up.
const ATTEMPTS_MAX: usize = 5;
/// How long somebody stands in line.
const PATIENCE_MS: i64 = 5_000;
const LOOK_MS: i64 = 60;

/// Comes again and again until the doors close.
pub(crate) async fn visit(process: Process, session: u32) {
    loop {
        let pause = drawn(&process, |world| world.chance.between(10, 900));
        process.sleep(pause).await;
        if process.shared.world.borrow().faults_are_over {
            return;
        }
        match hold(&process, session).await {
            Some(Placed::Yes { hold, .. }) => use_hold(&process, hold).await,
            Some(Placed::Taken) if drawn(&process, |world| world.chance.one_in(2)) => {
                wait_in_line(&process, session).await;
            }
            _ => {}
        }
    }
}

pub(crate) fn drawn<T>(process: &Process, draw: impl FnOnce(&mut World) -> T) -> T {
    draw(&mut process.shared.world.borrow_mut())
}

/// Sends a request to some service. Nothing when the service dies, or takes longer than this visitor waits.
pub(crate) async fn ask<T: 'static, F: Future<Output = T> + 'static>(
    process: &Process,
    what: &str,
    request: impl FnOnce(Process) -> F,
) -> Option<T> {
    let (service, patience) = drawn(process, |world| {
        let up = world.up();
        let patience = world.chance.of(&[80, 400, 3_000]);
        (up.get(world.chance.below(up.len().max(1))).copied(), patience)
    });
    let answer = Rc::new(RefCell::new(None));
    let server = Process {
        shared: Rc::clone(&process.shared),
        service: Some(service?),
        name: format!("{} {what} at {}", process.name, service?).into(),
    };
    let (done, running) = (Rc::clone(&answer), request(server.clone()));
    spawn(server, async move { *done.borrow_mut() = Some(running.await) });
    let mut waited = 0;
    loop {
        process.sleep(LOOK_MS).await;
        waited += LOOK_MS;
        let answered = answer.borrow_mut().take();
        if answered.is_some() || Rc::strong_count(&answer) == 1 || waited > patience {
            return answered;
        }
    }
}

/// A wish, repeated with its key where no answer comes. Sometimes it is sent once more although one came.
pub(crate) async fn hold(process: &Process, session: u32) -> Option<Placed> {
    let wish = drawn(process, |world| Wish { session, key: world.next_key(), seats: some_seats(world) });
    let mut last = None;
    for _ in 0..ATTEMPTS_MAX {
        let wish = wish.clone();
        let answer = ask(process, "place", |server| async move {
            let asked_ms = server.shared.world.borrow().now_ms;
            let answer = place(&server, &wish).await;
            server.shared.world.borrow_mut().note_placed(wish.key, asked_ms, &answer);
            answer
        });
        last = answer.await.or(last);
        let settled = !matches!(last, None | Some(Placed::Unavailable));
        if settled && !drawn(process, |world| world.chance.one_in(6)) {
            break;
        }
    }
    last
}

fn some_seats(world: &mut World) -> Vec<SeatId> {
    let first = world.chance.below(world.seats.len());
    let mut seats = vec![world.seats[first].clone()];
    let second = world.chance.below(world.seats.len());
    if second != first && world.chance.one_in(2) {
        seats.push(world.seats[second].clone());
    }
    seats.sort();
    seats
}

/// One to three people, together or not, who want any seats or a few certain ones.
fn some_wish(world: &mut World) -> Line {
    let party = (1 + world.chance.below(3)).min(world.seats.len());
    let mut seats = Vec::new();
    if world.chance.one_in(4) {
        seats = world.seats[..party + world.chance.below(world.seats.len() - party + 1)].to_vec();
    }
    let together = party > 1 && world.chance.one_in(2);
    Line { together, seats, ..Line::any(Party::try_from(party).unwrap()) }
}

pub(crate) async fn use_hold(process: &Process, hold: OwnerId) {
    let (dawdles_ms, course) =
        drawn(process, |world| (world.chance.of(&[0, 200, 900, 2_500, 2_950]), world.chance.below(10)));
    process.sleep(dawdles_ms).await;
    match course {
        0 => {}
        1 => release(process, &hold).await,
        2..=4 => {
            extend(process, &hold).await;
            pay(process, &hold).await;
        }
        _ => pay(process, &hold).await,
    }
}

pub(crate) async fn release(process: &Process, hold: &OwnerId) {
    let hold = hold.clone();
    ask(process, "release", |server| async move { freeing::release(&server, &hold).await }).await;
}

async fn extend(process: &Process, hold: &OwnerId) {
    let hold = hold.clone();
    ask(process, "extend", |server| async move {
        if let Ok(Some(until)) = freeing::extend(&server, &hold).await {
            server.shared.world.borrow_mut().note_extended(&hold, until);
        }
    })
    .await;
}

/// Pays, with a new key where the card is declined. Of what is bought some is taken back.
async fn pay(process: &Process, hold: &OwnerId) {
    for _ in 0..2 {
        match pay_once(process, hold).await {
            Some(Confirmed::Final(Final::Declined)) => {}
            Some(Confirmed::Final(Final::Booked(booking))) => {
                if drawn(process, |world| world.chance.one_in(2)) {
                    let later = drawn(process, |world| world.chance.between(0, 1_500));
                    process.sleep(later).await;
                    ask(process, "cancel", |server| async move { freeing::cancel(&server, booking).await })
                        .await;
                }
                return;
            }
            _ => return,
        }
    }
}

pub(crate) async fn pay_once(process: &Process, hold: &OwnerId) -> Option<Confirmed> {
    let confirmation = Confirmation { hold: hold.clone(), key: drawn(process, World::next_key) };
    let mut last = None;
    for _ in 0..ATTEMPTS_MAX {
        let confirmation = confirmation.clone();
        let answer = ask(process, "confirm", |server| async move {
            let answer = confirm(&server, &confirmation).await;
            server.shared.world.borrow_mut().note_confirmed(confirmation.key, &confirmation.hold, answer);
            answer
        });
        last = answer.await.or(last);
        let settled = matches!(last, Some(Confirmed::Final(_)));
        if settled && !drawn(process, |world| world.chance.one_in(5)) {
            break;
        }
    }
    last
}

async fn wait_in_line(process: &Process, session: u32) {
    let wish = drawn(process, some_wish);
    let joined = ask(process, "join", |server| async move { serving::join(&server, session, wish).await });
    let Some(Ok(entry)) = joined.await else { return };
    let mut waited = 0;
    while waited < PATIENCE_MS {
        process.sleep(LOOK_MS).await;
        waited += LOOK_MS;
        let (place, closing) =
            drawn(process, |world| (world.database.line.entry(&entry).place.clone(), world.faults_are_over));
        match place {
            Place::Offered(hold) => return use_hold(process, hold).await,
            Place::Gone => return,
            Place::Waiting | Place::Chosen if closing => break,
            Place::Waiting | Place::Chosen => {}
        }
    }
    leave(process, &entry).await;
}

async fn leave(process: &Process, entry: &EntryId) {
    for _ in 0..ATTEMPTS_MAX {
        let entry = entry.clone();
        let left = ask(process, "leave", |server| async move { serving::leave(&server, &entry).await });
        if let Some(Ok(())) = left.await {
            return;
        }
    }
}
