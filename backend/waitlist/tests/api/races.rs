//! Many at once: joins, repeats, and instances that serve the same seats.

use std::collections::BTreeSet;

use domain::hold::Party;
use domain::id::{EntryId, SeatId, SessionId};
use domain::queue::{Waiter, assign};
use serde_json::json;
use tokio::task::JoinSet;

use crate::reservations::Mood;
use crate::world::{SHOW, Visitor, World};

#[tokio::test(flavor = "multi_thread")]
async fn arrival_is_one_order_for_everybody() {
    let mut world = World::fresh().await;
    let instances = [world.start().await, world.start().await];
    let mut joins = JoinSet::new();
    for at in 0..24 {
        let visitor = Visitor::new(&format!("v{at}"), instances[at % 2]);
        joins.spawn(async move { (visitor.try_join(SHOW, None, &json!({ "party": 1 })).await, visitor) });
    }
    let mut line = Vec::new();
    while let Some(joined) = joins.join_next().await {
        let (answer, visitor) = joined.expect("it joins");
        assert_eq!(answer.status, 201, "{}", answer.body);
        let position = answer.body["position"].as_i64().expect("a position");
        line.push((position, answer.text("id").to_owned(), visitor));
    }
    line.sort_by_key(|(position, ..)| *position);
    assert!(line.iter().map(|(position, ..)| *position).eq(1..=24), "nobody shares a place");
    for (position, id, visitor) in &line {
        assert_eq!(visitor.entry(id).await["position"], *position);
    }
    for (escrow, seat) in [("e", "A1"), ("f", "A2"), ("g", "A3")] {
        world.reservations.escrow(escrow, SHOW, &[seat], 60).await;
        world.served(escrow).await;
    }
    let offered: Vec<_> = world.reservations.deeds().await.offered.iter().map(|(id, _)| id.clone()).collect();
    assert!(offered.iter().eq(line.iter().take(3).map(|(_, id, _)| id)), "the first three, in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_at_the_same_time_makes_one_entry() {
    let mut world = World::fresh().await;
    let instances = [world.start().await, world.start().await];
    let mut joins = JoinSet::new();
    for at in 0..12 {
        let visitor = Visitor::new("ann", instances[at % 2]);
        joins.spawn(async move { visitor.try_join(SHOW, Some("k"), &json!({ "party": 1 })).await });
    }
    let mut answers = BTreeSet::new();
    while let Some(answer) = joins.join_next().await {
        let answer = answer.expect("it joins");
        assert_eq!(answer.status, 201, "{}", answer.body);
        answers.insert(answer.body.to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_joins_everywhere_at_once_gets_into_as_many_lines_as_it_may() {
    let mut world = World::fresh().await;
    world.config.session_entries_max = 3;
    let instances = [world.start().await, world.start().await];
    let mut joins = JoinSet::new();
    for at in 0..8 {
        let show = format!("s{at}");
        world.add_show(&show, "1 day").await;
        let visitor = Visitor::new("ann", instances[at % 2]);
        joins.spawn(async move { visitor.try_join(&show, None, &json!({ "party": 1 })).await });
    }
    let statuses: Vec<_> = joins.join_all().await.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 3, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 5, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_serve_the_same_seats_offer_each_once_and_by_the_rule() {
    let mut world = World::fresh().await;
    let instances = [world.start().await, world.start().await, world.start().await];
    let wishes = [
        (2, vec![]),
        (1, vec!["A4", "B1"]),
        (4, vec![]),
        (1, vec![]),
        (3, vec![]),
        (1, vec!["B6"]),
        (2, vec![]),
    ];
    let mut line = Vec::new();
    for (at, (party, names)) in wishes.iter().enumerate() {
        let name = format!("v{at}");
        let mut wish = json!({ "party": party });
        if !names.is_empty() {
            wish["seats"] = json!(names);
        }
        let joined = Visitor::new(&name, instances[at % 3]).try_join(SHOW, None, &wish).await;
        line.push(Waiter {
            entry_id: EntryId::parse(joined.text("id")).expect("an id"),
            session_id: SessionId::parse(name).expect("an id"),
            party: Party::try_from(*party).expect("a party"),
            seats: names.iter().map(|seat| SeatId::parse(seat).expect("an id")).collect(),
        });
    }
    for (escrow, freed) in
        [("e", vec!["A1", "A2", "A3", "A4", "A5"]), ("f", vec!["B1", "B2", "B6"]), ("g", vec!["A6"])]
    {
        let before = world.reservations.deeds().await.offered.len();
        let (given, rest) =
            assign(&line, freed.iter().map(|seat| SeatId::parse(seat).expect("an id")).collect());
        world.reservations.escrow(escrow, SHOW, &freed, 60).await;
        world.served(escrow).await;
        let deeds = world.reservations.deeds().await;
        let expected: Vec<_> = given
            .iter()
            .map(|each| {
                (
                    each.waiter.entry_id.to_string(),
                    each.seats.iter().map(ToString::to_string).collect::<Vec<_>>(),
                )
            })
            .collect();
        let mut offered = deeds.offered[before..].to_vec();
        offered.sort();
        let mut sorted = expected.clone();
        sorted.sort();
        assert_eq!(offered, sorted, "{escrow}");
        assert!(rest.iter().all(|seat| deeds.on_sale.contains(&seat.to_string())), "{escrow}");
        line.retain(|waiter| !given.iter().any(|each| each.waiter == *waiter));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_that_come_free_together_go_to_different_people() {
    let mut world = World::fresh().await;
    let instances = [world.start().await, world.start().await];
    let (ann, bob) = (Visitor::new("ann", instances[0]), Visitor::new("bob", instances[1]));
    let (first, second) = (ann.join(1).await, bob.join(1).await);
    // While nobody can be asked, all decisions stand side by side.
    world.reservations.be(Mood::NoOffers);
    for (escrow, seat) in [("e", "A1"), ("f", "A2"), ("g", "A3")] {
        world.reservations.escrow(escrow, SHOW, &[seat], 60).await;
    }
    world.served_or_decided(3).await;
    world.reservations.be(Mood::Well);
    ann.until(&first, "offered").await;
    bob.until(&second, "offered").await;
    for escrow in ["e", "f", "g"] {
        world.served(escrow).await;
    }
    let deeds = world.reservations.deeds().await;
    let offered: BTreeSet<_> = deeds.offered.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!((deeds.offered.len(), offered), (2, BTreeSet::from([first, second])));
    assert_eq!(deeds.on_sale.len(), 1);
}
