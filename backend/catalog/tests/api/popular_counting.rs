//! How the list is counted: from what was written since, by one leader, and never twice.

use std::collections::HashMap;

use catalog::popular::{PopularConfig, Unrefreshed};
use testkit::client::Client;

use crate::demand::{book, cancel, heard, interest, shows};
use crate::warm::{Warm, scores};

/// A film's score on the list of everywhere.
async fn score_of(warm: &Warm, movie: &str) -> f64 {
    let list: HashMap<String, f64> = scores(&warm.list("").await.body).into_iter().collect();
    list[movie]
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 2e-4 * b.abs().max(1.0)
}

#[tokio::test]
async fn a_transaction_that_commits_late_is_not_missed_and_nothing_is_added_twice() {
    let mut warm = Warm::fresh().await;
    let show = shows(&warm.pool).await[0].clone();
    let (early, late) = (warm.pool.get().await.expect("a"), warm.pool.get().await.expect("b"));
    late.batch_execute("BEGIN").await.expect("it begins");
    book(&late, "late", &show, 2, 0.0).await;
    book(&early, "early", &show, 3, 0.0).await;
    // The later number is committed and is seen; the earlier one is not.
    warm.refresh().await;
    assert!(close(score_of(&warm, &show.movie).await, 3.0));
    warm.refresh().await;
    assert!(close(score_of(&warm, &show.movie).await, 3.0));
    late.batch_execute("COMMIT").await.expect("it commits");
    for _ in 0..3 {
        warm.refresh().await;
        assert!(close(score_of(&warm, &show.movie).await, 5.0));
    }
    // Who remembers nothing finds the same.
    warm.leader = warm.another().await;
    warm.refresh().await;
    assert!(close(score_of(&warm, &show.movie).await, 5.0));
}

#[tokio::test]
async fn what_is_heard_counts_at_once_and_once_however_often_it_is_told_and_counted() {
    let mut warm = Warm::fresh().await;
    warm.refresh().await;
    let mut live = warm.leader.warming.live();
    let show = shows(&warm.pool).await[0].clone();
    let client = warm.pool.get().await.expect("it answers");
    let (sale, event) = book(&client, "a", &show, 4, 0.0).await;
    for _ in 0..3 {
        live.add(&[heard(&event), heard(&event)]).await.expect("it is added");
        assert!(close(score_of(&warm, &show.movie).await, 4.0));
    }
    warm.refresh().await;
    live.add(&[heard(&event)]).await.expect("it was counted");
    assert!(close(score_of(&warm, &show.movie).await, 4.0));
    // Taken back before it is told of: counted, and then told.
    let (_, back) = cancel(&client, "a", &show, &sale).await;
    live.add(&[heard(&back)]).await.expect("it is taken off");
    assert!(score_of(&warm, &show.movie).await < 1e-3);
    warm.refresh().await;
    live.add(&[heard(&event), heard(&back)]).await.expect("both were counted");
    assert!(score_of(&warm, &show.movie).await < 1e-9);
}

#[tokio::test]
async fn a_sale_that_is_heard_and_taken_back_between_two_counts_leaves_nothing() {
    let mut warm = Warm::fresh().await;
    warm.refresh().await;
    let mut live = warm.leader.warming.live();
    let show = shows(&warm.pool).await[0].clone();
    let client = warm.pool.get().await.expect("it answers");
    let (sale, event) = book(&client, "a", &show, 4, 0.0).await;
    live.add(&[heard(&event)]).await.expect("it is added");
    // The list is as it was counted before, so nothing but what was heard says that it must be written.
    let (_, back) = cancel(&client, "a", &show, &sale).await;
    warm.refresh().await;
    live.add(&[heard(&back)]).await.expect("it was counted");
    assert!(score_of(&warm, &show.movie).await < 1e-9);
}

#[tokio::test]
async fn a_leader_that_was_followed_by_another_writes_nothing_any_more() {
    let mut warm = Warm::fresh().await;
    warm.refresh().await;
    let mut next = warm.another().await;
    // It has the later token, and has not folded yet: the swap of the stale one is refused by the lease.
    let before = warm.list("").await.text("as_of").to_owned();
    assert!(matches!(warm.leader.refresh().await, Err(Unrefreshed::Fenced)));
    assert_eq!(warm.list("").await.text("as_of"), before);
    next.refresh().await.expect("it leads");
    // Now Postgres refuses too, even if Redis forgets who leads.
    let lease = catalog::popular::lease_key(warm.redis.prefix());
    let mut steal = redis::cmd("SET");
    steal.arg(&lease).arg(warm.leader.token);
    warm.redis.run::<()>(&steal).await.expect("redis answers");
    assert!(matches!(warm.leader.refresh().await, Err(Unrefreshed::Fenced)));
    // And if Postgres forgot, the lists know the later one.
    warm.world.execute("UPDATE catalog.demand_state SET token = 0").await;
    let before = warm.list("").await.text("as_of").to_owned();
    assert!(matches!(warm.leader.refresh().await, Err(Unrefreshed::Fenced)));
    assert_eq!(warm.list("").await.text("as_of"), before);
}

#[tokio::test]
async fn a_landmark_that_is_far_behind_is_renewed_and_no_score_changes() {
    let mut warm = Warm::fresh().await;
    let show = shows(&warm.pool).await[0].clone();
    let client = warm.pool.get().await.expect("it answers");
    book(&client, "a", &show, 5, 0.0).await;
    warm.refresh().await;
    // The same sums from a landmark a hundred half-lives before.
    warm.world
        .execute(
            "UPDATE catalog.demand_state SET landmark = landmark - 100 * half_life_seconds * interval '1 second';
             UPDATE catalog.demand SET booked = booked * power(2::float8, 100);
             INSERT INTO catalog.demand VALUES ('gone', 'gone', 1, 0, 0, 1, 0, 0)",
        )
        .await;
    warm.leader = warm.another().await;
    warm.refresh().await;
    assert!(close(score_of(&warm, &show.movie).await, 5.0));
    let landmark = "SELECT (now() - landmark < 2 * half_life_seconds * interval '1 second')::text FROM catalog.demand_state";
    assert_eq!(warm.world.texts(landmark).await, ["true"]);
    let forgotten = "SELECT movie_id FROM catalog.demand WHERE movie_id = 'gone'";
    assert!(warm.world.texts(forgotten).await.is_empty(), "nothing is left of it");
    let (_, event) = book(&client, "b", &show, 2, 0.0).await;
    let mut live = warm.leader.warming.live();
    live.add(&[heard(&event)]).await.expect("it is added");
    assert!(close(score_of(&warm, &show.movie).await, 7.0));
    warm.refresh().await;
    assert!(close(score_of(&warm, &show.movie).await, 7.0));
    // So far behind that nothing is left: all is added up anew.
    warm.world
        .execute("UPDATE catalog.demand_state SET landmark = landmark - 3000 * half_life_seconds * interval '1 second'")
        .await;
    warm.refresh().await;
    assert!(close(score_of(&warm, &show.movie).await, 7.0));
}

#[tokio::test]
async fn what_changes_the_sums_has_everything_added_up_anew() {
    let mut warm = Warm::fresh().await;
    let show = shows(&warm.pool).await[0].clone();
    let client = warm.pool.get().await.expect("it answers");
    book(&client, "a", &show, 8, 72.0 * 3_600.0).await;
    interest(&client, "joined", "j", &show, 10, 0.0).await;
    warm.world.execute("ALTER VIEW waitlist_published.demand RENAME TO not_yet").await;
    warm.settle().await;
    assert_eq!(warm.refresh().await.facts, 1);
    assert!(close(score_of(&warm, &show.movie).await, 4.0));
    assert_eq!(warm.refresh().await.facts, 0);
    // A view that appears later has rows that were written before.
    warm.world.execute("ALTER VIEW waitlist_published.not_yet RENAME TO demand").await;
    assert_eq!(warm.refresh().await.facts, 2);
    assert!(close(score_of(&warm, &show.movie).await, 5.0));
    // Another half-life.
    warm.config = PopularConfig { half_life_hours: 36.0, ..warm.config };
    warm.leader = warm.another().await;
    warm.refresh().await;
    assert!(close(score_of(&warm, &show.movie).await, 3.0));
    // A server that was restored counts its transactions anew.
    warm.world.execute("UPDATE catalog.demand_state SET folded_below = '999999999999'").await;
    assert_eq!(warm.refresh().await.facts, 2);
    assert!(close(score_of(&warm, &show.movie).await, 3.0));
}

#[tokio::test]
async fn a_giant_chain_is_held_back_when_that_is_configured() {
    let config = PopularConfig { dampening: 1.0, ..PopularConfig::default() };
    let mut warm = Warm::with(config).await;
    let all = shows(&warm.pool).await;
    let small =
        all.iter().find(|show| show.city != all[0].city && show.movie != all[0].movie).expect("there is one");
    warm.world
        .execute(&format!("UPDATE catalog.theaters SET chain = 'giant' WHERE city_id <> '{}'", small.city))
        .await;
    let client = warm.pool.get().await.expect("it answers");
    for (id, show, seats) in [("a", &all[0], 90), ("b", small, 10)] {
        book(&client, id, show, seats, 0.0).await;
    }
    warm.refresh().await;
    assert!(close(score_of(&warm, &all[0].movie).await, 50.0));
    assert!(close(score_of(&warm, &small.movie).await, 10.0));
}

#[tokio::test]
async fn reasons_add_up_to_the_score_and_say_what_was_done() {
    let config = PopularConfig { dampening: 0.5, ..PopularConfig::default() };
    let mut warm = Warm::with(config).await;
    let all = shows(&warm.pool).await;
    let client = warm.pool.get().await.expect("it answers");
    let chosen: Vec<_> = all.iter().step_by(11).take(40).collect();
    for (at, show) in chosen.iter().enumerate() {
        book(&client, &format!("b{at}"), show, [1, 2, 3, 4][at % 4], at as f64 * 5_000.0).await;
        interest(&client, "held", &format!("h{at}"), show, 2, at as f64 * 900.0).await;
        interest(&client, "joined", &format!("j{at}"), show, 3, 0.0).await;
    }
    warm.refresh().await;
    for query in ["", "&country=US", "&city=Chicago"] {
        let explained = warm.list(&format!("{query}&explain=true")).await.body;
        let films = explained["movies"].as_array().expect("a list");
        assert!(!films.is_empty());
        for film in films {
            let parts = film["explain"]["parts"].as_array().expect("parts");
            let number = |part: &serde_json::Value, name: &str| part[name].as_f64().expect("a number");
            let points: f64 = parts.iter().map(|part| number(part, "points")).sum();
            let score = film["score"].as_f64().expect("a score");
            assert!((points - score).abs() < 3e-6, "{film}");
            for part in parts {
                let product = number(part, "recent") * number(part, "weight") * number(part, "dampened");
                assert!((product - number(part, "points")).abs() < 1e-3, "{part}");
            }
            assert!(film["explain"]["opened_at"].is_string() && film["explain"]["half_life_hours"] == 72.0);
        }
        let plain = scores(&warm.list(query).await.body);
        let same = std::iter::zip(&plain, scores(&explained)).all(|(a, b)| a.0 == b.0 && close(a.1, b.1));
        assert!(same, "what is explained is what is shown");
    }
    let held: i64 = warm.list("&explain=true").await.body["movies"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|film| film["explain"]["parts"][1]["seats"].as_i64())
        .sum();
    // Late in the day fewer shows are left to choose from.
    assert_eq!(held, 2 * i64::try_from(chosen.len()).expect("few"), "two seats were held of each");
    assert!(warm.list("").await.body["movies"][0].get("explain").is_none());
    let alone = Client::new(warm.world.start().await);
    assert_eq!(alone.get("/api/movies/popular?explain=false").await.status, 200);
}
