//! Consumers and followers: away and back, behind, and too late.

use std::sync::{Arc, Mutex};

use redis::AsyncCommands;
use serde_json::Value;
use service::drain::Drain;
use service::stream::{self, Following, Subscription};
use testkit::wait::until;

use crate::world::{World, event};

const LAST_SUCCESS: &str = r#"marquee_loop_last_success_timestamp_seconds{loop="events"}"#;
const BEHIND: &str = r#"marquee_shop_events_behind{owner="shop"}"#;
const MISSED: &str = r#"marquee_shop_events_missed_total{owner="shop"}"#;

/// What a reader was given: shoe and sale.
type Heard = Arc<Mutex<Vec<(String, u64)>>>;

fn note(heard: &Heard, text: &str) {
    let event: Value = serde_json::from_str(text).unwrap();
    assert_eq!(event["type"], "Sold", "others are passed over");
    let shoe = event["shoe_id"].as_str().unwrap().to_owned();
    heard.lock().unwrap().push((shoe, event["at_sale"].as_u64().unwrap()));
}

fn of<'a>(heard: &'a [(String, u64)], shoe: &'a str) -> impl Iterator<Item = u64> + 'a {
    heard.iter().filter(move |each| each.0 == shoe).map(|each| each.1)
}

/// A consumer that notes what it is given, once it was refused as often as it should.
async fn consumer(world: &World, name: &str, heard: &Heard, refusals: usize) -> Drain {
    refusing(world, name, heard, &Arc::new(Mutex::new(refusals))).await
}

/// The same; how often it is still refused is seen.
async fn refusing(world: &World, name: &str, heard: &Heard, refusals: &Arc<Mutex<usize>>) -> Drain {
    let drain = Drain::default();
    let redis = world.redis(&drain).await;
    let consumer = name.to_owned();
    let subscription = Subscription { owner: "shop", group: "window", consumer, types: &["Sold"] };
    let (heard, refusals) = (Arc::clone(heard), Arc::clone(refusals));
    let handle = move |text: String| {
        let (heard, refusals) = (Arc::clone(&heard), Arc::clone(&refusals));
        async move {
            let mut left = refusals.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                anyhow::bail!("not now");
            }
            note(&heard, &text);
            Ok(())
        }
    };
    let (behind, loops, draining) = (world.behind.clone(), world.loops.clone(), drain.clone());
    drain.spawn(stream::consume(redis, subscription, behind, loops, draining, handle));
    drain
}

async fn heard_all(heard: &Heard, count: usize) {
    until("all to be heard", async || (heard.lock().unwrap().len() >= count).then_some(())).await;
}

async fn caught_up(world: &World) {
    until("nothing to be left", async || (world.metric(BEHIND) == Some(0.0)).then_some(())).await;
}

async fn gone(drain: Drain) {
    drain.stop();
    drain.finish().await;
}

#[tokio::test]
async fn a_consumer_that_was_away_catches_up_each_once_and_in_order() {
    let world = World::fresh().await;
    let heard = Heard::default();
    let first = consumer(&world, "one", &heard, 0).await;
    world.tell(&[event("Sold", "clog", 0)]).await;
    heard_all(&heard, 1).await;
    gone(first).await;

    let shoes = ["clog", "mule", "pump"];
    let sales =
        (1..2_000).flat_map(|at| shoes.map(|shoe| [event("Sold", shoe, at), event("Shown", shoe, at)]));
    world.tell(&sales.flatten().collect::<Vec<_>>()).await;
    let second = consumer(&world, "one", &heard, 0).await;
    heard_all(&heard, 1 + 1_999 * shoes.len()).await;
    caught_up(&world).await;
    gone(second).await;
    let heard = heard.lock().unwrap();
    assert!(
        of(&heard, "clog").eq(0..2_000) && of(&heard, "mule").eq(1..2_000) && of(&heard, "pump").eq(1..2_000)
    );
    assert_eq!(world.metric(MISSED), Some(0.0));
}

#[tokio::test]
async fn what_is_refused_is_tried_again_by_whoever_is_there() {
    let world = World::fresh().await;
    let heard = Heard::default();
    let refusing = consumer(&world, "one", &heard, usize::MAX).await;
    world.tell(&[event("Sold", "clog", 1), event("Shown", "clog", 1)]).await;
    until("it to be given", async || (world.metric(BEHIND) == Some(1.0)).then_some(())).await;
    gone(refusing).await;
    let willing = consumer(&world, "two", &heard, 1).await;
    heard_all(&heard, 1).await;
    caught_up(&world).await;
    gone(willing).await;
}

#[tokio::test]
async fn a_consumer_that_refuses_does_not_do_its_work_until_it_refuses_nothing_any_more() {
    let world = World::fresh().await;
    let (heard, refusals) = (Heard::default(), Arc::new(Mutex::new(2)));
    let one = refusing(&world, "one", &heard, &refusals).await;
    world.tell(&[event("Sold", "clog", 1)]).await;
    let left = async |count| {
        until("a refusal", async || (*refusals.lock().unwrap() == count).then_some(())).await;
        world.metric(LAST_SUCCESS)
    };
    let before = left(1).await;
    assert_eq!(left(0).await, before, "nothing else came meanwhile, and still something waits");
    heard_all(&heard, 1).await;
    until("success", async || (world.metric(LAST_SUCCESS) > before).then_some(())).await;
    gone(one).await;
}

#[tokio::test]
async fn a_consumer_that_was_away_for_longer_than_the_streams_reach_is_told_once() {
    let world = World::fresh().await;
    let heard = Heard::default();
    let first = consumer(&world, "one", &heard, 0).await;
    world.tell(&[event("Sold", "clog", 0)]).await;
    heard_all(&heard, 1).await;
    gone(first).await;

    world.tell(&(1..10).map(|at| event("Sold", "clog", at)).collect::<Vec<_>>()).await;
    let key = &world.keys()[stream::partition("clog") as usize];
    let mut redis = world.direct().await;
    // Ten were added; the one that was read, and six that were not, go.
    let trimmed: u64 = redis.xtrim(key, redis::streams::StreamMaxlen::Equals(3)).await.unwrap();
    assert_eq!(trimmed, 7);
    let second = consumer(&world, "one", &heard, 0).await;
    heard_all(&heard, 4).await;
    caught_up(&world).await;
    assert!(of(&heard.lock().unwrap(), "clog").eq([0, 7, 8, 9]));
    assert_eq!(world.metric(MISSED), Some(6.0));
    gone(second).await;

    // Nothing is left, not even a trace of what went.
    world.tell(&[event("Sold", "clog", 10)]).await;
    let _: u64 = redis.xtrim(key, redis::streams::StreamMaxlen::Equals(0)).await.unwrap();
    let third = consumer(&world, "one", &heard, 0).await;
    until("it to be told", async || (world.metric(MISSED) == Some(7.0)).then_some(())).await;
    world.tell(&[event("Sold", "clog", 11)]).await;
    heard_all(&heard, 5).await;
    caught_up(&world).await;
    assert_eq!(world.metric(MISSED), Some(7.0));
    gone(third).await;
}

#[tokio::test]
async fn a_follower_hears_what_comes_each_once_and_in_order() {
    let world = World::fresh().await;
    world.tell(&[event("Sold", "clog", 0)]).await;
    let (heard, drain) = (Heard::default(), Drain::default());
    let redis = world.redis(&drain).await;
    let following = Following { owners: &["shop"], types: &["Sold"] };
    let (behind, loops, draining) = (world.behind.clone(), world.loops.clone(), drain.clone());
    let noting = Arc::clone(&heard);
    drain.spawn(async move {
        stream::follow(redis, following, behind, loops, draining, |text| note(&noting, text)).await;
    });
    until("it to listen", async || world.metric(BEHIND)).await;
    let began = world.metric(LAST_SUCCESS);
    until("a read that brings nothing", async || (world.metric(LAST_SUCCESS) > began).then_some(())).await;
    let sales = (1..3_000).map(|at| [event("Sold", "clog", at), event("Shown", "clog", at)]);
    world.tell(&sales.flatten().collect::<Vec<_>>()).await;
    // A batch whose answer was lost is added again.
    let key = &world.keys()[stream::partition("clog") as usize];
    let last = world.entries(key).await.pop().unwrap();
    for (number, sale) in [(last.get::<i64>("number").unwrap() - 1, 2_999), (1_000_000, 3_000)] {
        let event = event("Sold", "clog", sale).to_string();
        let fields = [("type", "Sold".to_owned()), ("number", number.to_string()), ("event", event)];
        let _: String = world.direct().await.xadd(key, "*", &fields).await.unwrap();
    }
    heard_all(&heard, 3_000).await;
    caught_up(&world).await;
    assert!(of(&heard.lock().unwrap(), "clog").eq(1..=3_000));
    gone(drain).await;
}
