//! Whoever stores what we say of a show's seats, and asks again when it is purged, never tells anything else than we would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};
use testkit::client::Client;
use testkit::wait::until;

use crate::queue::{escrow, offer, set_queue};
use crate::world::{SHOW, World, hold, payment, seats};

/// A cache of one answer, as the balancer is one: what was asked for before a purge is not used after it.
struct Cache {
    client: Client,
    heard: Heard,
    redis: redis::aio::MultiplexedConnection,
    channel: String,
    kept: Option<Kept>,
}

struct Kept {
    purges: u64,
    until: Instant,
    body: Value,
}

/// What was heard on the channel of purges.
#[derive(Clone, Default)]
struct Heard {
    purges: Arc<AtomicU64>,
    alive: Arc<AtomicU64>,
    marks: Arc<AtomicU64>,
}

impl Heard {
    fn purges(&self) -> u64 {
        self.purges.load(Ordering::SeqCst)
    }

    fn hear(&self, message: &redis::Msg) {
        let text: String = message.get_payload().unwrap();
        let message: Value = serde_json::from_str(&text).unwrap();
        let count = if message["tags"] == json!([format!("show:{SHOW}")]) {
            &self.purges
        } else if message["alive"] == "reservations" && message["age_ms"].is_u64() {
            &self.alive
        } else if message["mark"].is_u64() {
            &self.marks
        } else {
            return;
        };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

impl Cache {
    async fn in_front_of(world: &World) -> Self {
        let config = world.stores.redis();
        let client = redis::Client::open(config.url.reveal()).unwrap();
        let channel = format!("{}:purge", config.prefix);
        let mut subscriber = client.get_async_pubsub().await.unwrap();
        subscriber.subscribe(&channel).await.unwrap();
        let heard = Heard::default();
        let hearing = heard.clone();
        tokio::spawn(async move {
            let mut messages = subscriber.into_on_message();
            while let Some(message) = messages.next().await {
                hearing.hear(&message);
            }
        });
        let redis = world.stores.redis_connection().await;
        Self { client: world.visitor(), heard, redis, channel, kept: None }
    }

    /// Waits until whatever was said before is heard.
    async fn catch_up(&mut self) {
        let marks = self.heard.marks.load(Ordering::SeqCst);
        let () = redis::cmd("PUBLISH")
            .arg(&self.channel)
            .arg(r#"{"mark":1}"#)
            .query_async(&mut self.redis)
            .await
            .unwrap();
        until("the mark", async || (self.heard.marks.load(Ordering::SeqCst) > marks).then_some(())).await;
    }

    /// What it tells its readers.
    async fn tell(&mut self) -> Value {
        let purges = self.heard.purges();
        if let Some(kept) = &self.kept
            && kept.purges == purges
            && Instant::now() < kept.until
        {
            return kept.body.clone();
        }
        let asked = Instant::now();
        let answer = self.client.get(&seats(SHOW)).await;
        assert_eq!(answer.status, 200);
        let said = answer.headers.get("cdn-cache-control").map_or("", |value| value.to_str().unwrap());
        let seconds = said.strip_prefix("max-age=").and_then(|rest| rest.split(',').next()?.parse().ok());
        let until = asked + Duration::from_secs(seconds.unwrap_or_default());
        self.kept = Some(Kept { purges, until, body: answer.body.clone() });
        answer.body
    }

    /// What it tells is what is so.
    async fn agree(&mut self, what: &str) -> Value {
        self.catch_up().await;
        let told = self.tell().await;
        assert_eq!(told, self.client.get(&seats(SHOW)).await.body, "{what}");
        told["seats"].clone()
    }
}

/// Every way in which a seat changes hands, or its show's mirror.
#[tokio::test]
async fn a_cache_that_is_purged_tells_what_we_would_after_every_change() {
    let world = World::start(2).await;
    let (buyer, other) = (world.visitor_of(0), world.visitor_of(1));
    let mut cache = Cache::in_front_of(&world).await;
    assert_eq!(cache.agree("nothing yet").await, json!({}));

    let given_back = hold(&buyer, &["A1", "A2"]).await;
    assert_eq!(cache.agree("held").await, json!({ "A1": "held", "A2": "held" }));
    buyer.delete(&format!("/api/holds/{given_back}")).await;
    assert_eq!(cache.agree("released").await, json!({}));

    let held = hold(&other, &["B1"]).await;
    cache.agree("held elsewhere").await;
    let booked = other.post_keyed(&format!("/api/holds/{held}/confirm"), "k", &payment("ok")).await;
    assert_eq!(cache.agree("booked").await, json!({ "B1": "booked" }));
    assert_eq!(buyer.delete(&format!("/api/bookings/{}", booked.text("id"))).await.status, 404);
    assert_eq!(other.delete(&format!("/api/bookings/{}", booked.text("id"))).await.status, 200);
    assert_eq!(cache.agree("cancelled").await, json!({}));

    // Redis forgets the mirror, and a hold that it was in is booked before anybody has it filled again.
    let held = hold(&buyer, &["C1"]).await;
    cache.agree("held").await;
    let mirror = format!("{}:show:{{{SHOW}}}", world.stores.redis().prefix);
    let () = redis::cmd("DEL").arg(&mirror).query_async(&mut cache.redis).await.unwrap();
    buyer.post_keyed(&format!("/api/holds/{held}/confirm"), "l", &payment("ok")).await;
    assert_eq!(cache.agree("booked without a mirror").await, json!({ "C1": "booked" }));

    let held = hold(&buyer, &["B1"]).await;
    set_queue(&buyer, true, 1).await;
    cache.agree("the line is open").await;
    buyer.delete(&format!("/api/holds/{held}")).await;
    assert_eq!(cache.agree("kept for the line").await, json!({ "B1": "held", "C1": "booked" }));
    let (id, _) = escrow(&world).await.unwrap();
    let offered = offer(&other, &id, "entry_1", &["B1"]).await;
    assert_eq!(cache.agree("offered").await, json!({ "B1": "held", "C1": "booked" }));
    set_queue(&buyer, false, 2).await;
    assert_eq!(other.delete(&format!("/internal/holds/{}", offered.text("hold_id"))).await.status, 204);
    assert_eq!(cache.agree("given back").await, json!({ "C1": "booked" }));
}

/// A purge is said when the change is there to be seen, not before.
#[tokio::test]
async fn whoever_asks_when_it_hears_a_purge_sees_the_change() {
    let world = World::start(2).await;
    let mut cache = Cache::in_front_of(&world).await;
    cache.agree("nothing yet").await;
    let before = cache.heard.purges();
    let began = cache.kept.as_ref().unwrap().body["version"].as_u64().unwrap();
    let buying = async {
        for number in 1..=6 {
            let buyer = world.visitor_of(number % 2);
            let held = hold(&buyer, &[&format!("A{number}")]).await;
            buyer.delete(&format!("/api/holds/{held}")).await;
        }
    };
    let asking = async {
        for purges in 1..=12 {
            let heard = async || (cache.heard.purges() >= before + purges).then_some(());
            until("a purge", heard).await;
            let version = cache.client.get(&seats(SHOW)).await.body["version"].as_u64().unwrap();
            assert!(version >= began + purges, "{purges} purges were heard, and {began} became {version}");
        }
    };
    tokio::join!(buying, asking);
}

#[tokio::test]
async fn what_lapses_is_purged_when_it_is_announced() {
    let world = World::with(1, |config| config.hold_seconds = 1).await;
    let mut cache = Cache::in_front_of(&world).await;
    hold(&world.visitor(), &["A1"]).await;
    assert_eq!(cache.agree("held").await, json!({ "A1": "held" }));
    let heard = cache.heard.purges();
    until("the hold to be announced", async || (cache.heard.purges() > heard).then_some(())).await;
    assert_eq!(cache.agree("lapsed").await, json!({}));
}

/// Nobody announces it: then the answer says itself how long it holds.
#[tokio::test]
async fn what_lapses_unannounced_ends_in_time() {
    let world = World::with(1, |config| {
        config.hold_seconds = 1;
        config.sweep_interval_ms = 3_600_000;
    })
    .await;
    let mut cache = Cache::in_front_of(&world).await;
    hold(&world.visitor(), &["A1"]).await;
    assert_eq!(cache.tell().await["seats"], json!({ "A1": "held" }));
    until("the seat to be free", async || {
        let fresh = world.visitor().get(&seats(SHOW)).await.body["seats"].clone();
        (fresh == json!({})).then_some(())
    })
    .await;
    assert_eq!(cache.tell().await["seats"], json!({}));
}

/// A hold becomes an escrow, which looks the same and lapses sooner.
#[tokio::test]
async fn what_lapses_sooner_than_it_did_ends_in_time() {
    let world = World::with(1, |config| {
        config.escrow_seconds = 1;
        config.sweep_interval_ms = 3_600_000;
    })
    .await;
    let mut cache = Cache::in_front_of(&world).await;
    let buyer = world.visitor();
    let held = hold(&buyer, &["A1"]).await;
    set_queue(&buyer, true, 1).await;
    assert_eq!(cache.agree("held").await, json!({ "A1": "held" }));
    buyer.delete(&format!("/api/holds/{held}")).await;
    until("the seat to be free", async || {
        let fresh = world.visitor().get(&seats(SHOW)).await.body["seats"].clone();
        (fresh == json!({})).then_some(())
    })
    .await;
    assert_eq!(cache.tell().await["seats"], json!({}));
}

/// While a line is open a lapsed hold is its, and shown as held. Then nobody waits any more, and it is free at once.
#[tokio::test]
async fn what_a_closed_line_sets_free_is_purged() {
    let world = World::with(1, |config| {
        config.hold_seconds = 1;
        config.sweep_interval_ms = 3_600_000;
    })
    .await;
    let mut cache = Cache::in_front_of(&world).await;
    let buyer = world.visitor();
    hold(&buyer, &["A1"]).await;
    set_queue(&buyer, true, 1).await;
    let database = world.database().await;
    let shown = format!("{} milliseconds", domain::mirror::SWEPT_WITHIN_MS + 500);
    until("the hold to have lapsed long ago", async || {
        let lapsed =
            "SELECT FROM reservations.holds WHERE expires_at + $1::text::interval < clock_timestamp()";
        database.query_opt(lapsed, &[&shown]).await.unwrap()
    })
    .await;
    assert_eq!(cache.agree("the line's").await, json!({ "A1": "held" }));
    set_queue(&buyer, false, 2).await;
    assert_eq!(cache.agree("nobody's").await, json!({}));
}

/// It is told by whoever fills the mirror anew.
#[tokio::test]
async fn a_change_by_an_instance_without_redis_is_purged_too() {
    let mut world = World::start(1).await;
    let mut config = world.config();
    config.redis.url = "redis://127.0.0.1:1".into();
    world.add(config).await;
    let mut cache = Cache::in_front_of(&world).await;
    assert_eq!(cache.agree("nothing yet").await, json!({}));
    let heard = cache.heard.purges();
    hold(&world.visitor_of(1), &["A1"]).await;
    until("it to be told", async || (cache.heard.purges() > heard).then_some(())).await;
    assert_eq!(cache.agree("held").await, json!({ "A1": "held" }));
}

/// What is stored keeps readers away, and with them what makes us look whether our picture is right.
#[tokio::test]
async fn a_show_that_is_stored_is_looked_at_although_nobody_asks() {
    let world = World::start(1).await;
    let mut cache = Cache::in_front_of(&world).await;
    let alive = || cache.heard.alive.load(Ordering::SeqCst);
    assert_eq!(world.visitor().get(&seats(SHOW)).await.body["seats"], json!({}));
    let asked = alive();
    until("a few looks", async || (alive() > asked + 6).then_some(())).await;
    let heard = cache.heard.purges();
    let mirror = format!("{}:show:{{{SHOW}}}", world.stores.redis().prefix);
    let () = redis::cmd("HSET")
        .arg(&mirror)
        .arg("s:C6")
        .arg("b:1:0:nobody")
        .query_async(&mut cache.redis)
        .await
        .unwrap();
    until("it to be mended", async || (cache.heard.purges() > heard).then_some(())).await;
    assert_eq!(cache.agree("mended").await, json!({}));
}

#[tokio::test]
async fn availability_is_for_the_balancer_to_store_and_for_nobody_else() {
    let world = World::start(1).await;
    let stranger = world.visitor();
    let answer = stranger.get(&seats(SHOW)).await;
    assert_eq!(answer.headers["cache-control"], "private, no-store");
    assert_eq!(answer.headers["cdn-cache-control"], "max-age=10, must-revalidate");
    assert_eq!(answer.headers["cache-tag"], format!("show:{SHOW}"));
    assert!(answer.headers.get("set-cookie").is_some(), "whoever has no session gets one here");
    let etag = answer.headers["etag"].to_str().unwrap().to_owned();
    let known = [("if-none-match", etag.as_str())];
    let again = stranger.send(http::Method::GET, &seats(SHOW), &known, None).await;
    assert_eq!((again.status.as_u16(), &again.headers["cache-tag"]), (304, &answer.headers["cache-tag"]));
    assert!(again.headers.get("set-cookie").is_none(), "it would not be stored");
    hold(&world.visitor(), &["A1"]).await;
    let changed = stranger.send(http::Method::GET, &seats(SHOW), &known, None).await;
    assert_eq!((changed.status.as_u16(), &changed.body["seats"]), (200, &json!({ "A1": "held" })));
}

/// A second is what a crowd may share while Postgres alone knows.
#[tokio::test]
async fn without_redis_availability_is_stored_for_a_second() {
    let world = World::with(1, |config| config.redis.url = "redis://127.0.0.1:1".into()).await;
    let answer = world.visitor().get(&seats(SHOW)).await;
    assert_eq!(answer.headers["cdn-cache-control"], "max-age=1, must-revalidate");
}

#[tokio::test]
async fn it_is_said_that_all_is_told_and_not_while_something_is_not() {
    let world = World::start(1).await;
    let mut cache = Cache::in_front_of(&world).await;
    let heard = cache.heard.clone();
    let alive = || heard.alive.load(Ordering::SeqCst);
    until("a word", async || (alive() > 1).then_some(())).await;
    // An epoch begins with every change that could not be told. This one's mirror cannot be filled: something else is there.
    let mirror = format!("{}:show:{{show_2}}", world.stores.redis().prefix);
    let () = redis::cmd("SET").arg(&mirror).arg("").query_async(&mut cache.redis).await.unwrap();
    let untold = "INSERT INTO reservations.epochs (show_id, epoch, mirrored) VALUES ('show_2', 7, 0)";
    world.database().await.execute(untold, &[]).await.unwrap();
    let before = alive();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(alive() <= before + 1, "one may have been on its way");
    let () = redis::cmd("DEL").arg(&mirror).query_async(&mut cache.redis).await.unwrap();
    until("a word", async || (alive() > before + 1).then_some(())).await;
}
