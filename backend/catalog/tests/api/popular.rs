//! The popular list as visitors read it: from Redis, from memory, and from Postgres when there is none.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use service::redis::RedisConfig;
use testkit::client::Client;
use testkit::loops;
use testkit::wait::until;

use crate::demand::{book, shows};
use crate::warm::{Warm, reads, scores};
use crate::world::{World, each};

#[tokio::test]
async fn seats_sold_lately_decide_and_what_was_cancelled_does_not() {
    let mut warm = Warm::fresh().await;
    warm.refresh().await;
    let without = warm.list("").await;
    assert!(
        scores(&without.body).len() >= 30
            && scores(&without.body).iter().all(|(_, score)| score.to_bits() == 0)
    );
    let (client, all) = (warm.pool.get().await.expect("it answers"), shows(&warm.pool).await);
    let films: Vec<String> = each(&without.body["movies"], "id").into_iter().rev().take(3).collect();
    let show = |at: usize| all.iter().find(|show| show.movie == films[at]).expect("it plays").clone();
    book(&client, "a", &show(0), 9, 3_600.0).await;
    book(&client, "b", &show(1), 17, 72.0 * 3_600.0).await;
    book(&client, "c", &show(2), 99, 3_600.0).await;
    client
        .execute("UPDATE reservations.bookings SET status = 'cancelled' WHERE id = 'c'", &[])
        .await
        .expect("it is");
    warm.refresh().await;
    let with = warm.list("").await;
    let standing = scores(&with.body);
    assert_eq!([&standing[0].0, &standing[1].0], [&films[0], &films[1]]);
    assert_eq!(standing.iter().filter(|(_, score)| *score > 0.0).count(), 2, "{standing:?}");
    let ranks: Vec<_> =
        with.body["movies"].as_array().expect("a list").iter().map(|film| film["rank"].as_u64()).collect();
    assert!((1..).zip(ranks).all(|(expected, rank)| rank == Some(expected)));
}

#[tokio::test]
async fn only_new_releases_that_still_play_are_on_the_list() {
    let mut warm = Warm::fresh().await;
    warm.refresh().await;
    let before = each(&warm.list("").await.body["movies"], "id");
    // One has played for months without a pause, one came back after a pause, one plays no more.
    warm.world
        .execute(&format!(
            "INSERT INTO catalog.shows
             SELECT 'old-' || film || day, film, (SELECT min(id) FROM catalog.auditoriums),
                    now() - day * interval '1 day' - n * interval '1 second', 1, 'USD'
             FROM (VALUES ('{}', 10, 90, 0), ('{}', 80, 90, 1)) AS past (film, since, until, n), generate_series(since, until, 5) AS day;
             DELETE FROM catalog.shows WHERE movie_id = '{}' AND starts_at > now()",
            before[0], before[1], before[2]
        ))
        .await;
    warm.refresh().await;
    let after = each(&warm.list("").await.body["movies"], "id");
    assert!(!after.contains(&before[0]), "it opened three months ago");
    assert!(after.contains(&before[1]), "it opened anew");
    assert!(!after.contains(&before[2]), "nobody can see it any more");
    assert_eq!(after.len(), before.len() - 2);
}

#[tokio::test]
async fn visitors_read_from_redis_and_never_ask_postgres() {
    let mut warm = Warm::fresh().await;
    let client = warm.pool.get().await.expect("it answers");
    book(&client, "a", &shows(&warm.pool).await[0], 3, 0.0).await;
    let as_of = warm.refresh().await.as_of.to_string();
    // This instance has a Postgres that does not answer.
    let mut blind = World::empty().await;
    blind.config.redis = warm.world.stores.redis();
    blind.config.postgres.url = "postgres://127.0.0.1:1/none".into();
    let visitor = Client::new(blind.start().await);
    let whole = warm.list("").await.body;
    for (limit, query) in [(1_usize, ""), (5, "&country=us"), (100, "&city=Boston")] {
        let answer = visitor.get(&format!("/api/movies/popular?limit={limit}{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.text("as_of"), as_of);
        let listed = scores(&warm.list(query).await.body);
        assert_eq!(scores(&answer.body), listed[..limit.min(listed.len())]);
    }
    assert_eq!(visitor.get("/api/movies/popular?limit=100").await.body, whole);
    assert_eq!((reads(&visitor, "postgres").await, reads(&visitor, "memory").await), (0, 0));
}

#[tokio::test]
async fn a_redis_that_is_gone_or_empty_is_answered_for_from_memory_and_the_list_says_as_of_when() {
    let mut warm = Warm::fresh().await;
    let as_of = warm.refresh().await.as_of.to_string();
    let seen = warm.list("").await.body;
    warm.forget(&["meta", "directory", "members", "list:all"]).await;
    assert_eq!(warm.list("").await.body, seen);
    assert_eq!((warm.list("").await.text("as_of"), warm.reads("memory").await), (as_of.as_str(), 2));
    // A list that nobody asked for before is counted here, once for all who come at the same time.
    let (one, two) = tokio::join!(warm.list("&country=US"), warm.list("&city=Seattle"));
    assert_eq!(one.text("as_of"), two.text("as_of"));
    assert_eq!(warm.reads("postgres").await, 2);
    assert_eq!(scores(&one.body), scores(&seen));
    let later = warm.refresh().await.as_of.to_string();
    assert_eq!(warm.list("").await.text("as_of"), later);
    assert_eq!(scores(&warm.list("&country=US").await.body), scores(&seen));
    let absent = RedisConfig { url: "redis://127.0.0.1:1".into(), ..warm.world.config.redis.clone() };
    warm.world.config.redis = absent;
    let alone = Client::new(warm.world.start().await);
    let answer = alone.get("/api/movies/popular?limit=100").await;
    assert_eq!((answer.status.as_u16(), scores(&answer.body)), (200, scores(&seen)));
}

#[tokio::test]
async fn a_list_that_lost_a_part_is_not_shown_and_is_whole_again_after_a_round() {
    let mut warm = Warm::fresh().await;
    warm.refresh().await;
    warm.forget(&["list:country:US"]).await;
    let answer = warm.list("&country=US").await;
    assert_eq!(scores(&answer.body), scores(&warm.list("").await.body));
    assert_eq!(warm.reads("postgres").await, 1);
    warm.refresh().await;
    warm.list("&country=US").await;
    assert_eq!(warm.reads("postgres").await, 1);
}

#[tokio::test]
async fn no_reader_sees_a_list_half_swapped() {
    let mut warm = Warm::fresh().await;
    warm.refresh().await;
    let all = shows(&warm.pool).await;
    let (visitor, done) = (warm.visitor.clone(), Arc::new(AtomicBool::new(false)));
    let over = Arc::clone(&done);
    let reader = tokio::spawn(async move {
        let mut seen: HashMap<String, serde_json::Value> = HashMap::new();
        while !over.load(Ordering::Relaxed) {
            let answer = visitor.get("/api/movies/popular?limit=100").await;
            let list = scores(&answer.body);
            assert!(list.is_sorted_by(|a, b| a.1 >= b.1) && list.len() >= 30, "{list:?}");
            let before = seen.entry(answer.text("as_of").to_owned()).or_insert_with(|| answer.body.clone());
            assert_eq!(*before, answer.body, "one count, one list");
        }
        assert_eq!(reads(&visitor, "postgres").await, 0);
        seen.len()
    });
    for round in 0..60_usize {
        let client = warm.pool.get().await.expect("it answers");
        book(&client, &format!("b{round}"), &all[round * 7 % all.len()], 2, 0.0).await;
        warm.refresh().await;
    }
    done.store(true, Ordering::Relaxed);
    assert!(reader.await.expect("the reader ends") > 1);
}

#[tokio::test]
async fn a_place_that_is_none_and_a_query_that_is_none_are_told_apart() {
    let mut warm = Warm::fresh().await;
    warm.refresh().await;
    for (query, status, code) in [
        ("country=FR", 404, "country_not_found"),
        ("country=FRA", 400, "invalid_country"),
        ("country=", 400, "invalid_country"),
        ("city=Atlantis", 404, "city_not_found"),
        ("city=city_nowhere", 404, "city_not_found"),
        ("city=", 422, "invalid_city"),
        ("city=Boston&country=CA", 404, "country_not_found"),
        ("limit=0", 422, "invalid_limit"),
        ("limit=101", 422, "invalid_limit"),
        ("limit=ten", 400, "invalid_limit"),
        ("explain=maybe", 400, "invalid_explain"),
        ("explain=true&city=Atlantis", 404, "city_not_found"),
    ] {
        let answer = warm.visitor.get(&format!("/api/movies/popular?{query}")).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{query}");
    }
    // Two towns of one name: by its id each is found.
    warm.world
        .execute("UPDATE catalog.cities SET name_key = 'boston', country = 'CA' WHERE name = 'Seattle'")
        .await;
    warm.refresh().await;
    let answer = warm.visitor.get("/api/movies/popular?city=boston").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (422, "city_ambiguous"));
    warm.list("&city=boston&country=ca").await;
}

#[tokio::test]
async fn a_city_and_a_country_count_what_was_done_there() {
    let mut warm = Warm::fresh().await;
    warm.world.execute("UPDATE catalog.cities SET country = 'CA' WHERE name = 'Seattle'").await;
    let all = shows(&warm.pool).await;
    let client = warm.pool.get().await.expect("it answers");
    let north = all.iter().find(|show| show.country == "CA").expect("it has shows");
    book(&client, "a", north, 5, 0.0).await;
    warm.refresh().await;
    let top = |body: &serde_json::Value| scores(body)[0].clone();
    for query in ["", "&country=CA", "&city=Seattle"] {
        let list = warm.list(query).await.body;
        assert_eq!(top(&list).0, north.movie, "{query}");
        assert!((4.99..=5.0).contains(&top(&list).1), "{query}");
    }
    for query in ["&country=US", "&city=Boston"] {
        assert!(scores(&warm.list(query).await.body).iter().all(|(_, score)| *score < 1e-9), "{query}");
    }
}

/// As of when an instance says the list is that it shows, in seconds since 1970.
async fn shown_as_of(visitor: &Client) -> f64 {
    let metrics = visitor.get("/metrics").await.body;
    let name = "marquee_catalog_popular_as_of_timestamp_seconds ";
    let line = metrics.as_str().expect("text").lines().find_map(|line| line.strip_prefix(name));
    line.expect("it is there").parse().expect("a number")
}

/// As of when a list is that a visitor is shown, likewise.
async fn list_as_of(visitor: &Client) -> f64 {
    let answer = visitor.get("/api/movies/popular").await;
    let as_of: jiff::Timestamp = answer.text("as_of").parse().expect("a time");
    as_of.as_microsecond() as f64 / 1e6
}

/// Waits until an instance says of the list the age that visitors see.
async fn ages_agree(visitor: &Client) -> f64 {
    until("the age of what is shown", async || {
        let as_of = list_as_of(visitor).await;
        ((shown_as_of(visitor).await - as_of).abs() < 1e-5).then_some(as_of)
    })
    .await
}

#[tokio::test]
async fn a_list_that_was_counted_for_visitors_is_as_old_as_it_says() {
    let mut warm = Warm::fresh().await;
    warm.world.config.redis.url = "redis://127.0.0.1:1".into();
    warm.world.config.popular_fallback_seconds = 3_600;
    ages_agree(&Client::new(warm.world.start().await)).await;
}

#[tokio::test]
async fn while_no_list_can_be_counted_the_age_is_of_the_one_that_is_shown() {
    let mut warm = Warm::fresh().await;
    warm.world.config.redis.url = "redis://127.0.0.1:1".into();
    warm.world.config.popular_fallback_seconds = 1;
    let visitor = Client::new(warm.world.start().await);
    let as_of = list_as_of(&visitor).await;
    warm.world.execute("ALTER TABLE catalog.demand_state RENAME TO mislaid").await;
    assert!(ages_agree(&visitor).await >= as_of);
    warm.world.execute("ALTER TABLE catalog.mislaid RENAME TO demand_state").await;
    let last = shown_as_of(&visitor).await;
    until("a count though nobody asks", async || (shown_as_of(&visitor).await > last).then_some(())).await;
}

#[tokio::test]
async fn every_instance_says_how_old_the_list_is_that_it_shows_though_nobody_asks() {
    let mut warm = Warm::fresh().await;
    let mut as_of = 0.0;
    for _ in 0..2 {
        as_of = warm.refresh().await.as_of.as_microsecond() as f64 / 1e6;
        until("the list to be looked at", async || {
            ((shown_as_of(&warm.visitor).await - as_of).abs() < 1e-3).then_some(())
        })
        .await;
    }
    loops::all_succeed(&warm.visitor, &["popular_age"], &[]).await;
    warm.world.config.redis.url = "redis://127.0.0.1:1".into();
    let alone = Client::new(warm.world.start().await);
    until("a look at Postgres", async || (shown_as_of(&alone).await > as_of).then_some(())).await;
    let mut blind = World::empty().await;
    blind.config.redis.url = "redis://127.0.0.1:1".into();
    blind.config.postgres.url = "postgres://127.0.0.1:1/none".into();
    let visitor = Client::new(blind.start().await);
    assert_eq!(visitor.get("/api/movies/popular").await.status, 503);
    assert!(shown_as_of(&visitor).await < 1.0, "it has shown none");
}
