//! The outbox: what was written leaves in order, whoever relays.

use serde_json::Value;
use service::drain::Drain;
use service::outbox::{self, Bell};
use testkit::wait::until;

use crate::world::{World, event};

/// The events of one shoe, as they stand in its stream.
async fn told(world: &World, shoe: &str) -> Vec<Value> {
    let key = &world.keys()[service::stream::partition(shoe) as usize];
    let entries = world.entries(key).await;
    let events = entries.iter().map(|entry| {
        let event: Value = serde_json::from_str(&entry.get::<String>("event").unwrap()).unwrap();
        assert_eq!(entry.get::<String>("type").unwrap(), event["type"]);
        assert_eq!(format!("shop-{}", entry.get::<i64>("number").unwrap()), event["id"]);
        event
    });
    events.filter(|event| event["shoe_id"] == shoe).collect()
}

#[tokio::test]
async fn what_is_put_together_leaves_in_its_order_with_its_number_and_time() {
    let world = World::fresh().await;
    let shoes = ["brogue", "clog", "derby", "loafer", "mule", "pump"];
    let events: Vec<Value> = (0..3_000).map(|at| event("Sold", shoes[at % shoes.len()], at)).collect();
    world.put_all(&[]).await;
    world.tell(&events).await;
    for (first, shoe) in shoes.iter().enumerate() {
        let told = told(&world, shoe).await;
        let sales: Vec<_> = told.iter().map(|event| event["at_sale"].as_u64().unwrap() as usize).collect();
        assert_eq!(sales, (first..3_000).step_by(shoes.len()).collect::<Vec<_>>());
        let times: Vec<jiff::Timestamp> =
            told.iter().map(|event| event["at"].as_str().unwrap().parse().unwrap()).collect();
        assert!(times.is_sorted());
    }
    let written: usize = {
        let mut written = 0;
        for key in world.keys() {
            written += world.entries(&key).await.len();
        }
        written
    };
    assert_eq!(written, 3_000);
}

#[tokio::test]
async fn who_waited_for_a_lock_is_told_after_who_had_it() {
    let world = World::fresh().await;
    let setup = "CREATE TABLE shop.shoes (id text PRIMARY KEY); INSERT INTO shop.shoes VALUES ('brogue')";
    world.database().await.batch_execute(setup).await.unwrap();
    let lock = "SELECT FROM shop.shoes WHERE id = 'brogue' FOR UPDATE";
    let (mut one, mut two) = (world.database().await, world.database().await);
    let first = one.transaction().await.unwrap();
    first.execute(lock, &[]).await.unwrap();
    let second = async {
        let second = two.transaction().await.unwrap();
        second.execute(lock, &[]).await.unwrap();
        outbox::put(&second, "shop", &event("Sold", "brogue", 2)).await.unwrap();
        second.commit().await.unwrap();
    };
    let watcher = world.database().await;
    let waits =
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let first = async {
        until("the second to wait", async || watcher.query_opt(waits, &[]).await.unwrap()).await;
        outbox::put(&first, "shop", &event("Sold", "brogue", 1)).await.unwrap();
        first.commit().await.unwrap();
    };
    tokio::join!(first, second);
    world.relay().await;
    let told = told(&world, "brogue").await;
    assert_eq!(told.iter().map(|event| event["at_sale"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn several_relays_send_each_event_once_and_what_waits_is_measured() {
    let world = World::fresh().await;
    assert_eq!(world.metric("marquee_shop_outbox_rows"), Some(0.0));
    let drain = Drain::default();
    let nobody = service::redis::RedisConfig { url: "redis://127.0.0.1:1".into(), ..world.stores.redis() };
    let away = service::redis::Redis::start(&nobody, &drain).await.unwrap();
    world.put_all(&[event("Sold", "clog", 0)]).await;
    let relay = |redis| {
        let (pool, waiting, loops) = (world.pool.clone(), world.waiting.clone(), world.loops.clone());
        outbox::relay("shop", pool, redis, Bell::default(), waiting, loops, drain.clone())
    };
    drain.spawn(relay(away));
    until("the row to be counted", async || {
        let aged = world.metric("marquee_shop_outbox_oldest_seconds")? > 0.0;
        (aged && world.metric("marquee_shop_outbox_rows") == Some(1.0)).then_some(())
    })
    .await;
    let redis = world.redis(&drain).await;
    drain.spawn(relay(redis.clone()));
    drain.spawn(relay(redis));
    let events: Vec<Value> = (1..500).map(|at| event("Sold", "clog", at)).collect();
    for chunk in events.chunks(7) {
        world.put_all(chunk).await;
    }
    until("the last to be told", async || (told(&world, "clog").await.len() >= 500).then_some(())).await;
    drain.stop();
    drain.finish().await;
    let told = told(&world, "clog").await;
    assert!(told.iter().map(|event| event["at_sale"].as_u64().unwrap()).eq(0..500));
}

/// The relay remembers below which number nothing is left; a number that nobody was given yet is not below it.
#[tokio::test]
async fn the_first_event_of_an_outbox_that_was_long_idle_is_told() {
    let world = World::fresh().await;
    let drain = Drain::default();
    let relay = outbox::relay(
        "shop",
        world.pool.clone(),
        world.redis(&drain).await,
        Bell::default(),
        world.waiting.clone(),
        world.loops.clone(),
        drain.clone(),
    );
    let relaying = tokio::spawn(relay);
    until("the relay to have looked many times", async || {
        let looks = "SELECT seq_scan + coalesce(idx_scan, 0) >= 10 FROM pg_stat_user_tables
                     WHERE schemaname = 'shop' AND relname = 'outbox'";
        world.database().await.query_one(looks, &[]).await.unwrap().get::<_, bool>(0).then_some(())
    })
    .await;
    world.put_all(&[event("Sold", "brogue", 1)]).await;
    until("the event to be told", async || (told(&world, "brogue").await.len() == 1).then_some(())).await;
    drain.stop();
    relaying.await.unwrap();
}
