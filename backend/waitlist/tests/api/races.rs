//! Many at once: joins, repeats, and instances that serve the same seats.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::hold::Party;
use domain::id::{EntryId, SeatId, SessionId};
use domain::money::Money;
use domain::queue::{Assignment, Freed, House, Round, Terms, Waiter, Wish, serve};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::wait;
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

/// Many at once are written together: whoever came after others were answered stands behind them, and the line is in the order of the
/// places that were told.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_stands_in_the_order_in_which_it_came() {
    const CROWD: usize = 60;
    let mut world = World::fresh().await;
    let instances = [world.start().await, world.start().await];
    for wave in 0..4 {
        let mut joins = JoinSet::new();
        for at in 0..CROWD {
            let visitor = Visitor::new(&format!("v{wave}_{at}"), instances[at % 2]);
            joins.spawn(async move { visitor.try_join(SHOW, None, &json!({ "party": 1 })).await });
        }
        let told = joins.join_all().await;
        let places: BTreeSet<_> =
            told.iter().map(|answer| answer.body["position"].as_u64().expect("a place")).collect();
        let first = (wave * CROWD) as u64 + 1;
        assert!(
            places.into_iter().eq(first..first + CROWD as u64),
            "everybody of the wave, behind those before"
        );
    }
    let out_of_order =
        "SELECT count(*) FROM (SELECT joined_position, row_number() OVER (ORDER BY seq) AS place
                        FROM waitlist.entries WHERE show_id = $1) AS line WHERE joined_position <> place";
    let client = world.pool.get().await.expect("the test database answers");
    assert_eq!(
        client.query_one(out_of_order, &[&SHOW]).await.expect("the query is good").get::<_, i64>(0),
        0
    );
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
        json!({ "party": 2 }),
        json!({ "party": 1, "seats": ["A4", "B1"] }),
        json!({ "party": 4, "together": true }),
        json!({ "party": 1 }),
        json!({ "party": 3 }),
        json!({ "party": 1, "seats": ["B6"] }),
        json!({ "party": 2, "together": true }),
    ];
    let mut line = Vec::new();
    for (at, wish) in wishes.iter().enumerate() {
        let name = format!("v{at}");
        let joined = Visitor::new(&name, instances[at % 3]).try_join(SHOW, None, wish).await;
        line.push(waiter(joined.text("id"), &name, wish));
    }
    let (plan, price) = (world.plan(SHOW).await, Money { amount: 1_250, currency: "USD".to_owned() });
    let (mut kept, mut offered, mut on_sale) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (escrow, freed) in
        [("e", vec!["A1", "A2", "A3", "A4", "A5"]), ("f", vec!["B1", "B2", "B6"]), ("g", vec!["A6"])]
    {
        world.reservations.escrow(escrow, SHOW, &freed, 60).await;
        let freed: Vec<_> =
            freed.into_iter().map(|seat| SeatId::parse(seat).expect("an id")).chain(kept).collect();
        let keep = |seat: &SeatId| Freed { seat: seat.clone(), keep_until: Timestamp::MAX };
        let freed: Vec<_> = freed.iter().map(keep).collect();
        let terms = Terms { gather: Duration::from_mins(1), rest: Duration::from_mins(1) };
        let round = Round::new(House { plan: &plan, price: &price }, &freed, Timestamp::UNIX_EPOCH, terms);
        let (given, left) = serve(round, &line);
        line.retain(|waiter| given.iter().all(|each| each.entry_id != waiter.entry_id));
        let text = |each: Assignment| {
            let mut seats: Vec<_> = each.seats.iter().map(ToString::to_string).collect();
            seats.sort();
            (each.entry_id.to_string(), seats)
        };
        offered.extend(given.into_iter().map(text));
        on_sale.extend(left.rest.iter().map(ToString::to_string));
        kept = left.gathering.map(|gathering| gathering.seats).unwrap_or_default();
        wait::until("all to be done as the rule says", async || {
            let deeds = world.reservations.deeds().await;
            let sold: BTreeSet<_> = deeds.on_sale.iter().cloned().collect();
            (deeds.offered == offered && sold == on_sale).then_some(())
        })
        .await;
    }
    assert!(!kept.is_empty() && !offered.is_empty(), "{kept:?} {offered:?}");
}

fn waiter(id: &str, session: &str, wish: &Value) -> Waiter {
    let party = wish["party"].as_u64().expect("a number") as usize;
    let names = wish["seats"].as_array().cloned().unwrap_or_default();
    let seat = |name: &Value| SeatId::parse(name.as_str().expect("a name")).expect("an id");
    Waiter {
        entry_id: EntryId::parse(id).expect("an id"),
        session_id: SessionId::parse(session).expect("an id"),
        wish: Wish {
            together: wish["together"] == true,
            seats: names.iter().map(seat).collect(),
            ..Wish::any(Party::try_from(party).expect("a party"))
        },
        gathers_until: None,
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
