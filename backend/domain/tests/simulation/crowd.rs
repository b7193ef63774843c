//! Thousands in one line, beside the visitors: they join, and nobody hears of them until it is their turn.

use std::collections::BTreeSet;
use std::ops::Range;

use domain::hold::Party;
use domain::id::{EntryId, OwnerId};
use domain::queue::Wish;

use crate::confirming::{Confirmed, Final};
use crate::freeing;
use crate::line::Place;
use crate::placing::Placed;
use crate::planted::Bug;
use crate::process::Process;
use crate::run::{Story, first, run, spawn};
use crate::serving;
use crate::visitors::{ask, drawn, hold, pay_once, release};
use crate::world::World;

/// Who waits.
const CROWD: u32 = 3_000;
/// So many are at least offered something; fewer would prove little.
const OFFERED_MIN: usize = 50;
/// Seeds that are told of a crowd.
const SEEDS: u64 = 8;
/// The crowd comes in so many parts.
const PARTS: u32 = 6;
/// Sessions below this are the visitors'.
const FIRST_SESSION: u32 = 1_000;
/// The longest pause between two who come.
const PAUSE_MS_MAX: i64 = 10;
/// So many of each part hold seats before anybody waits; their sessions are those of no waiter.
const EARLY: u32 = 8;
const EARLY_SESSIONS: u32 = 100_000;
const LOOK_MS: i64 = 60;
/// In each look, one in so many parts has somebody leave.
const LEAVES_ONE_IN: usize = 4;
/// How often a line is closed once the doors are: somebody may be joining.
const CLOSINGS: usize = 40;

/// The sessions of each part of a crowd.
pub(crate) fn parts(crowd: u32) -> impl Iterator<Item = Range<u32>> {
    let size = crowd.div_ceil(PARTS);
    let part = move |at: u32| FIRST_SESSION + at * size..FIRST_SESSION + (at * size + size).min(crowd);
    (0..PARTS).map(part).filter(|sessions| !sessions.is_empty())
}

/// All of one part, from their joining to the end of the line.
pub(crate) async fn attend(process: Process, sessions: Range<u32>) {
    for at in 0..EARLY {
        let early = Process { name: format!("early {} {at}", sessions.start).into(), ..process.clone() };
        spawn(early.clone(), be_early(early, sessions.start + EARLY_SESSIONS + at));
    }
    let joining = process.clone();
    spawn(joining.clone(), arrive(joining, sessions.clone()));
    let mut known = BTreeSet::new();
    while !drawn(&process, |world| world.faults_are_over) {
        process.sleep(LOOK_MS).await;
        for (entry, session, hold) in drawn(&process, |world| offered(world, &sessions)) {
            if known.insert(entry) {
                let waiter = Process { name: format!("waiter {session}").into(), ..process.clone() };
                spawn(waiter.clone(), async move { decide(&waiter, hold).await });
            }
        }
        if let Some(entry) = drawn(&process, |world| whoever_leaves(world, &sessions)) {
            at_some_service(&process, "leave", |server| async move {
                let _or_not = serving::leave(&server, &entry).await;
            });
        }
    }
    for _ in 0..CLOSINGS {
        let _next_time = process.postgres("close the line", |database| database.line.close()).await;
        process.sleep(LOOK_MS).await;
    }
}

/// Somebody who has what the others wait for.
async fn be_early(process: Process, session: u32) {
    if let Some(Placed::Yes { hold, .. }) = hold(&process, session).await {
        decide(&process, hold).await;
    }
}

/// They come one after the other; some are not let in, and some never learn that they are in.
async fn arrive(process: Process, sessions: Range<u32>) {
    for session in sessions {
        let pause_ms = drawn(&process, |world| world.chance.between(0, PAUSE_MS_MAX));
        process.sleep(pause_ms).await;
        if drawn(&process, |world| world.faults_are_over) {
            return;
        }
        while drawn(&process, |world| world.up().is_empty()) {
            process.sleep(LOOK_MS).await;
        }
        let wish = drawn(&process, some_wish);
        at_some_service(&process, "join", |server| async move {
            let _or_not = serving::join(&server, session, wish).await;
        });
    }
}

fn at_some_service<F: Future<Output = ()> + 'static>(
    process: &Process,
    what: &str,
    request: impl FnOnce(Process) -> F,
) {
    let service = drawn(process, |world| {
        let up = world.up();
        up.get(world.chance.below(up.len().max(1))).copied()
    });
    if let Some(service) = service {
        let name = format!("{} {what} at {service}", process.name).into();
        let server = Process { service: Some(service), name, ..process.clone() };
        spawn(server.clone(), request(server));
    }
}

/// Most pass; some buy, and think better of it, so that seats come free all evening; some let it lapse.
async fn decide(process: &Process, hold: OwnerId) {
    let (dawdles_ms, course) =
        drawn(process, |world| (world.chance.of(&[0, 20, 100, 400, 1_990]), world.chance.below(10)));
    process.sleep(dawdles_ms).await;
    match course {
        0..=5 => release(process, &hold).await,
        6 => {}
        _ => {
            if let Some(Confirmed::Final(Final::Booked(booking))) = pay_once(process, &hold).await {
                ask(process, "cancel", |server| async move { freeing::cancel(&server, booking).await }).await;
            }
        }
    }
}

fn offered(world: &World, sessions: &Range<u32>) -> Vec<(EntryId, u32, OwnerId)> {
    let ours = world.database.line.entries.iter().filter(|entry| sessions.contains(&entry.session));
    let offered = ours.filter_map(|entry| match &entry.place {
        Place::Offered(hold) => Some((entry.waiter.entry_id.clone(), entry.session, hold.clone())),
        Place::Waiting | Place::Chosen | Place::Gone => None,
    });
    offered.collect()
}

fn whoever_leaves(world: &mut World, sessions: &Range<u32>) -> Option<EntryId> {
    if !world.chance.one_in(LEAVES_ONE_IN) {
        return None;
    }
    let session = sessions.start + world.chance.below(sessions.len()) as u32;
    let mut entries = world.database.line.entries.iter();
    let theirs = entries.find(|entry| entry.session == session && entry.place == Place::Waiting)?;
    Some(theirs.waiter.entry_id.clone())
}

/// Most are one or two; some are many, some sit together, some name seats.
fn some_wish(world: &mut World) -> Wish {
    let size = world.chance.of(&[1, 1, 1, 1, 2, 2, 2, 3, 4, 6]);
    let together = size > 1 && world.chance.one_in(2);
    let mut wish = Wish { together, ..Wish::any(Party::try_from(size).unwrap()) };
    if world.chance.one_in(8) {
        let first = world.chance.below(world.seats.len() - size);
        wish.seats = world.seats[first..first + size].to_vec();
        wish.seats.sort();
    }
    wish
}

fn story(seed: u64, bug: Option<Bug>) -> Story {
    run(seed, CROWD, bug, false)
}

#[test]
fn thousands_in_one_line_are_offered_seats_in_order_of_arrival() {
    let violated = first(SEEDS, |seed| {
        let story = story(seed, None);
        let served = story.waited > CROWD as usize / 2 && story.offered > OFFERED_MIN;
        let Story { waited, offered, .. } = story;
        assert!(
            served || story.violation.is_some(),
            "seed {seed}: of {waited} only {offered} were offered seats"
        );
        story.violation.is_some()
    });
    if let Some(seed) = violated {
        panic!("{}", run(seed, CROWD, None, true).ending());
    }
}

#[test]
fn whoever_is_passed_over_among_thousands_is_found() {
    let violation = story(0, Some(Bug::TheLastInLineIsServedFirst)).violation;
    assert!(violation.is_some_and(|text| text.contains("passed over")));
}
