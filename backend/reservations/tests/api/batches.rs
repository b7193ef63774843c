//! Many buyers, one transaction: each has what is theirs, whoever else is in it.

use futures_util::future::join_all;
use serde_json::json;
use testkit::client::Answer;

use crate::world::{CAPACITY, SHOW, World, hold, holds, payment, seats};

fn codes(answers: &[Answer]) -> Vec<(u16, String)> {
    answers.iter().map(|answer| (answer.status.as_u16(), answer.code().to_owned())).collect()
}

/// One writer, which is kept busy while many ask for something.
async fn crowded() -> World {
    World::with(1, |config| config.batch.writers = 1).await
}

/// The same without a gate, so that all of them reach Postgres.
async fn ungated() -> World {
    World::with(1, |config| {
        config.batch.writers = 1;
        config.redis.url = "redis://127.0.0.1:1".into();
    })
    .await
}

#[tokio::test]
async fn who_loses_in_a_batch_takes_nothing_from_who_wins() {
    let world = ungated().await;
    let buyers: Vec<_> = (0..40).map(|_| world.visitor()).collect();
    // Each wants two neighbours, so that each has two rivals.
    let wishes = buyers.iter().enumerate().map(|(at, buyer)| {
        let row = ["A", "B", "C"][at % 3];
        let first = at / 3 % 5 + 1;
        let wish = json!({ "seats": [format!("{row}{first}"), format!("{row}{}", first + 1)] });
        async move { buyer.post(&holds(SHOW), &wish).await }
    });
    let answers = join_all(wishes).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(
        answers.iter().all(|answer| [201, 409].contains(&answer.status.as_u16())),
        "{:?}",
        codes(&answers)
    );
    let mut sold: Vec<_> =
        won.iter().flat_map(|answer| answer.body["seats"].as_array().unwrap().clone()).collect();
    let shown = world.visitor().get(&seats(SHOW)).await.body["seats"].as_object().unwrap().len();
    assert_eq!((sold.len(), shown), (won.len() * 2, won.len() * 2), "all or none");
    sold.sort_by_key(ToString::to_string);
    sold.dedup();
    assert_eq!(sold.len(), won.len() * 2, "nobody has another's");
    assert!(sold.len() >= CAPACITY / 3 * 2, "a seat stays free only between two that are taken");
}

#[tokio::test]
async fn every_kind_of_refusal_in_one_batch_reaches_its_own_buyer() {
    let world = ungated().await;
    let (keyed, taken) = (world.visitor(), world.visitor());
    let first = keyed.post_keyed(&holds(SHOW), "k", &json!({ "seats": ["A1"] })).await;
    hold(&taken, &["A2"]).await;
    let others: Vec<_> = (3..=6).map(|_| world.visitor()).collect();
    let free = join_all(others.iter().enumerate().map(|(at, buyer)| async move {
        buyer.post(&holds(SHOW), &json!({ "seats": [format!("A{}", at + 3)] })).await
    }));
    let (here, begun) = (holds(SHOW), holds(crate::world::BEGUN));
    let [first_wish, other_wish, half_taken] =
        [json!({ "seats": ["A1"] }), json!({ "seats": ["B1"] }), json!({ "seats": ["A2", "B2"] })];
    let again = keyed.post_keyed(&here, "k", &first_wish);
    let reused = keyed.post_keyed(&here, "k", &other_wish);
    let (loser, latecomer) = (world.visitor(), world.visitor());
    let lost = loser.post(&here, &half_taken);
    let late = latecomer.post(&begun, &first_wish);
    let (free, again, reused, lost, late) = tokio::join!(free, again, reused, lost, late);
    assert!(free.iter().all(|answer| answer.status == 201), "{:?}", codes(&free));
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(reused.code(), "idempotency_key_reused");
    assert_eq!((lost.code(), &lost.body["unavailable"]), ("seats_unavailable", &json!(["A2"])));
    assert_eq!(late.code(), "show_started");
}

#[tokio::test]
async fn sales_in_one_batch_are_each_their_buyers() {
    let world = crowded().await;
    let buyers: Vec<_> = (1..=6).map(|_| world.visitor()).collect();
    let mut paths = Vec::new();
    for (at, buyer) in buyers.iter().enumerate() {
        paths.push(format!("/api/holds/{}/confirm", hold(buyer, &[&format!("A{}", at + 1)]).await));
    }
    // One of them pays twice under two keys, and one is declined.
    let body = payment("ok");
    let twice = buyers[0].post_keyed(&paths[0], "other", &body);
    let answers =
        join_all(std::iter::zip(&buyers, &paths).enumerate().map(|(at, (buyer, path))| async move {
            buyer.post_keyed(path, "k", &payment(if at == 5 { "declined" } else { "ok" })).await
        }));
    let (answers, twice) = tokio::join!(answers, twice);
    let mut pair = [answers[0].code().to_owned(), twice.code().to_owned()];
    pair.sort();
    assert_eq!(pair, ["", "already_booked"]);
    for (at, answer) in answers.iter().enumerate().skip(1).take(4) {
        assert_eq!((answer.status.as_u16(), &answer.body["seats"]), (201, &json!([format!("A{}", at + 1)])));
        let again = buyers[at].post_keyed(&paths[at], "k", &payment("ok")).await;
        assert_eq!(again.body, answer.body);
    }
    assert_eq!(answers[5].code(), "payment_declined");
    let shown = world.visitor().get(&seats(SHOW)).await.body["seats"].clone();
    let booked = |at: usize| if at == 6 { "held" } else { "booked" };
    assert!((1..=6).all(|at| shown[format!("A{at}")] == booked(at)), "{shown}");
}
