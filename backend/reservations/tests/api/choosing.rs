//! The best seats, alternatives, and seats left alone.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::client::Answer;
use testkit::wait::until;

use crate::world::{SHOW, World, holds, seats};

const HOUSE: &str = "show_house";
const GATE_CLAIMS: &str = "marquee_reservations_gate_claims_total";
const NO_REDIS: &str = "redis://127.0.0.1:1";

fn names(seats: &Value) -> Vec<&str> {
    seats.as_array().unwrap().iter().map(|seat| seat.as_str().unwrap()).collect()
}

/// What an answer offers instead.
fn alternatives(answer: &Answer) -> Vec<Vec<&str>> {
    answer.body["alternatives"].as_array().unwrap().iter().map(names).collect()
}

async fn place(world: &World, wish: &Value) -> Answer {
    world.visitor().post(&holds(HOUSE), wish).await
}

/// Takes seats, each for somebody else.
async fn take(world: &World, names: &[&str]) {
    for name in names {
        let answer = place(world, &json!({ "seats": [name] })).await;
        assert_eq!(answer.status, 201, "{name}: {}", answer.body);
    }
}

/// Buyers of the best for two, all at once, on all instances.
async fn crowd(world: &World, buyers: usize, instances: usize) -> Vec<Answer> {
    let visitors: Vec<_> = (0..buyers).map(|at| world.visitor_of(at % instances)).collect();
    let (path, wish) = (holds(HOUSE), json!({ "best": 2 }));
    join_all(visitors.iter().map(|visitor| visitor.post(&path, &wish))).await
}

fn all_got_seats_of_their_own(answers: &[Answer]) -> BTreeSet<&str> {
    let taken: Vec<_> = answers
        .iter()
        .flat_map(|answer| {
            assert_eq!(answer.status, 201, "{}", answer.body);
            names(&answer.body["seats"])
        })
        .collect();
    let distinct: BTreeSet<_> = taken.iter().copied().collect();
    assert_eq!(taken.len(), distinct.len());
    distinct
}

#[tokio::test]
async fn each_of_a_crowd_gets_the_best_that_are_left_in_one_gate_call_and_no_seat_stays_alone() {
    let world = World::start(2).await;
    world.publish(HOUSE, &["oooooooooooo"; 8], false).await;
    world.visitor().get(&seats(HOUSE)).await;
    let answers = crowd(&world, 24, 2).await;
    let taken = all_got_seats_of_their_own(&answers);
    assert_eq!(world.counted(GATE_CLAIMS).await, 24);
    for row in "ABCDEFGH".chars() {
        let free =
            |column: usize| (1..=12).contains(&column) && !taken.contains(format!("{row}{column}").as_str());
        let alone = (1..=12).find(|column| free(*column) && !free(column - 1) && !free(column + 1));
        assert_eq!(alone, None, "in row {row}: {taken:?}");
    }
}

#[tokio::test]
async fn without_redis_each_of_a_crowd_gets_seats_too() {
    let world = World::with(2, |config| config.redis.url = NO_REDIS.into()).await;
    world.publish(HOUSE, &["oooooooo"; 8], false).await;
    let answers = crowd(&world, 10, 2).await;
    all_got_seats_of_their_own(&answers);
}

/// Nobody sweeps here: the deadline alone makes the seats free.
#[tokio::test]
async fn a_lapsed_hold_is_among_the_best_before_anybody_says_so() {
    let world = World::with(1, |config| {
        (config.hold_seconds, config.sweep_interval_ms) = (1, 3_600_000);
    })
    .await;
    world.publish(HOUSE, &["oo"], false).await;
    let best = async || place(&world, &json!({ "best": 2 })).await.status;
    assert_eq!(best().await, 201);
    assert_eq!(best().await, 409);
    until("the hold to lapse", async || (best().await == 201).then_some(())).await;
}

#[tokio::test]
async fn room_for_a_wheelchair_is_for_those_who_ask() {
    for redis in [true, false] {
        let world = World::with(1, |config| {
            if !redis {
                config.redis.url = NO_REDIS.into();
            }
        })
        .await;
        world.publish(HOUSE, &["wcoo", "oo  "], false).await;
        let place = async |wish: Value| place(&world, &wish).await;
        assert_eq!(place(json!({ "best": 4 })).await.code(), "seats_unavailable");
        for _ in 0..2 {
            let two = place(json!({ "best": 2 })).await;
            assert!(["A3", "B1"].contains(&names(&two.body["seats"])[0]), "{}", two.body);
        }
        assert_eq!(place(json!({ "best": 1 })).await.code(), "seats_unavailable");
        let with = place(json!({ "best": 2, "accessible": true })).await;
        assert_eq!(with.body["seats"], json!(["A1", "A2"]), "{}", with.body);
        let none = place(json!({ "best": 1, "accessible": true })).await;
        assert_eq!((none.code(), alternatives(&none).len()), ("seats_unavailable", 0));
    }
}

#[tokio::test]
async fn accessible_is_part_of_what_a_key_is_for() {
    let world = World::start(1).await;
    world.publish(HOUSE, &["wcoo"], false).await;
    let buyer = world.visitor();
    let wish = json!({ "best": 2, "accessible": true });
    let first = buyer.post_keyed(&holds(HOUSE), "k", &wish).await;
    let again = buyer.post_keyed(&holds(HOUSE), "k", &wish).await;
    assert_eq!((first.status.as_u16(), &again.body), (201, &first.body));
    let other = buyer.post_keyed(&holds(HOUSE), "k", &json!({ "best": 2 })).await;
    assert_eq!(other.code(), "idempotency_key_reused");
}

/// Each alternative is sent as it is; who was late is offered what has become of the house since.
#[tokio::test]
async fn alternatives_can_be_had_and_are_of_this_instant() {
    for redis in [true, false] {
        let world = World::with(1, |config| {
            if !redis {
                config.redis.url = NO_REDIS.into();
            }
        })
        .await;
        world.publish(HOUSE, &["oooooo", "oooooo"], false).await;
        take(&world, &["A3"]).await;
        for _ in 0..3 {
            let late = place(&world, &json!({ "seats": ["A3", "A4"] })).await;
            assert_eq!(late.body["unavailable"][0], "A3", "{}", late.body);
            let offered = alternatives(&late)[0].clone();
            assert_eq!(offered.len(), 2);
            assert_eq!(place(&world, &json!({ "seats": offered })).await.status, 201, "{offered:?}");
        }
    }
}

#[tokio::test]
async fn a_party_that_cannot_sit_together_is_offered_seats_near_each_other() {
    let world = World::start(1).await;
    world.publish(HOUSE, &["oooo", "oooo"], false).await;
    take(&world, &["A3", "B2"]).await;
    let apart = place(&world, &json!({ "best": 4 })).await;
    assert_eq!((apart.code(), &apart.body["unavailable"]), ("seats_unavailable", &json!([])));
    assert_eq!(alternatives(&apart), [["A1", "A2", "B3", "B4"]]);
    assert_eq!(place(&world, &json!({ "seats": alternatives(&apart)[0] })).await.status, 201);
    assert_eq!(alternatives(&place(&world, &json!({ "best": 3 })).await).len(), 0, "two are left");
}

#[tokio::test]
async fn where_the_rule_is_on_a_single_seat_is_named_and_a_fix_offered() {
    let world = World::start(1).await;
    world.publish(HOUSE, &["ooooo ooo", "ooooo ooo"], true).await;
    let refused = place(&world, &json!({ "seats": ["A2", "A3"] })).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (422, "leaves_single_seat"));
    assert_eq!(refused.body["seats"], json!(["A1"]));
    assert!(refused.text("detail").contains("A1"));
    assert_eq!(alternatives(&refused)[0], ["A1", "A2"]);
    for seats in alternatives(&refused) {
        assert_eq!(place(&world, &json!({ "seats": seats })).await.status, 201, "{seats:?}");
    }
    let seen = world.visitor().get(&seats(HOUSE)).await;
    assert_eq!(seen.body["seats"].as_object().unwrap().len(), 6);
}

#[tokio::test]
async fn the_rule_asks_for_nothing_that_cannot_be_done_and_holds_nowhere_else() {
    let world = World::start(1).await;
    world.publish(HOUSE, &["ooo wco"], true).await;
    assert_eq!(place(&world, &json!({ "seats": ["A1", "A2"] })).await.status, 201, "two of three");
    assert_eq!(place(&world, &json!({ "seats": ["A3"] })).await.status, 201, "the last one");
    assert_eq!(place(&world, &json!({ "seats": ["A4", "A5"] })).await.status, 201, "kept places");
    let world = World::start(1).await;
    let free = world.visitor().post(&holds(SHOW), &json!({ "seats": ["A2", "A3"] })).await;
    assert_eq!(free.status, 201, "this theater does not ask");
}

#[tokio::test]
async fn with_the_rule_alternatives_obey_it() {
    for (rule, third) in [(false, "A3"), (true, "D1")] {
        let world = World::start(1).await;
        world.publish(HOUSE, &["ooooo", "", "", "ooooo"], rule).await;
        take(&world, &["A1"]).await;
        let late = place(&world, &json!({ "seats": ["A1"] })).await;
        assert_eq!(alternatives(&late), [["A2"], ["A5"], [third]]);
    }
}

#[tokio::test]
async fn with_the_rule_a_key_keeps_its_answer() {
    let world = World::start(1).await;
    world.publish(HOUSE, &["oooooo", "oooooo"], true).await;
    let buyer = world.visitor();
    let wish = json!({ "seats": ["A3", "A4"] });
    let first = buyer.post_keyed(&holds(HOUSE), "k", &wish).await;
    assert_eq!(first.status, 201);
    // Released, and then its neighbours are taken: today it would leave A2 alone.
    buyer.delete(&format!("/api/holds/{}", first.text("id"))).await;
    take(&world, &["A1"]).await;
    assert_eq!(place(&world, &wish).await.code(), "leaves_single_seat");
    let again = buyer.post_keyed(&holds(HOUSE), "k", &wish).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &first.body));
}
