//! Redis emptied, Redis never there, Redis wrong: selling goes on, and the picture mends itself.

use reservations::config::Config;
use reservations::gate::claim::{Asked, Candidates, Claimed};
use reservations::store::claims::{Claim, ClaimStatus};
use serde_json::json;
use testkit::wait::until;

use crate::world::{SHOW, World, hold, holds, payment, seats};

/// A connection to the test's Redis, and the mirror's key.
async fn mirror(world: &World) -> (redis::aio::MultiplexedConnection, String) {
    let key = format!("{}:show:{{{SHOW}}}", world.stores.redis().prefix);
    (world.stores.redis_connection().await, key)
}

#[tokio::test]
async fn an_emptied_redis_fills_itself_and_versions_go_on() {
    let world = World::start(2).await;
    let buyer = world.visitor();
    let held = hold(&buyer, &["A1"]).await;
    let before = buyer.get(&seats(SHOW)).await;
    let (mut redis, key) = mirror(&world).await;
    let dropped: i64 = redis::cmd("DEL").arg(&key).query_async(&mut redis).await.unwrap();
    assert_eq!(dropped, 1);
    let after = world.visitor_of(1).get(&seats(SHOW)).await;
    assert_eq!(after.body["seats"], before.body["seats"]);
    assert!(after.body["version"].as_u64() > before.body["version"].as_u64());
    let path = format!("/api/holds/{held}/confirm");
    assert_eq!(buyer.post_keyed(&path, "k", &payment("ok")).await.status, 201);
}

#[tokio::test]
async fn without_redis_everything_works_on_postgres() {
    let world = World::with(2, |config| config.redis.url = "redis://127.0.0.1:1".into()).await;
    let (buyer, other) = (world.visitor_of(0), world.visitor_of(1));
    let empty = other.get(&seats(SHOW)).await;
    let held = hold(&buyer, &["A1", "A2"]).await;
    let seen = other.get(&seats(SHOW)).await;
    assert_eq!(seen.body["seats"], json!({ "A1": "held", "A2": "held" }));
    assert!(seen.body["version"].as_u64() > empty.body["version"].as_u64());
    let path = format!("/api/holds/{held}/confirm");
    assert_eq!(buyer.post_keyed(&path, "k", &payment("ok")).await.status, 201);
    assert_eq!(other.get(&seats(SHOW)).await.body["seats"], json!({ "A1": "booked", "A2": "booked" }));
}

#[tokio::test]
async fn a_mirror_that_drifted_is_mended_and_counted() {
    let world = World::start(1).await;
    let visitor = world.visitor();
    hold(&visitor, &["A1"]).await;
    let (mut redis, key) = mirror(&world).await;
    // The mirror forgets a hold and invents a sale: neither is what Postgres says.
    let () = redis::cmd("HDEL").arg(&key).arg("s:A1").query_async(&mut redis).await.unwrap();
    let () =
        redis::cmd("HSET").arg(&key).arg("s:C6").arg("b:1:0:nobody").query_async(&mut redis).await.unwrap();
    until("the mirror to be mended", async || {
        let seen = visitor.get(&seats(SHOW)).await;
        (seen.body["seats"] == json!({ "A1": "held" })).then_some(())
    })
    .await;
    let metrics = visitor.get("/metrics").await.body.to_string();
    assert!(metrics.contains("marquee_reservations_mirror_drift_total 2"), "{metrics}");
}

#[tokio::test]
async fn a_claim_whose_process_died_before_postgres_goes_away_by_itself() {
    let world = World::start(1).await;
    let visitor = world.visitor();
    hold(&visitor, &["A1"]).await;
    let (mut redis, key) = mirror(&world).await;
    let soon = "redis.call('HSET', KEYS[1], 's:A2', 'p:0:' .. (redis.call('TIME')[1] * 1000 + 1) .. ':dead')";
    let () = redis::Script::new(soon).key(&key).invoke_async(&mut redis).await.unwrap();
    until("the seat to be free for everybody", async || {
        let value: Option<String> =
            redis::cmd("HGET").arg(&key).arg("s:A2").query_async(&mut redis.clone()).await.unwrap();
        visitor.get(&seats(SHOW)).await;
        (value.as_deref() == Some("f:0:0:")).then_some(())
    })
    .await;
    hold(&visitor, &["A2"]).await;
}

#[tokio::test]
async fn old_news_does_not_overwrite_a_later_claim() {
    let world = World::start(1).await;
    let visitor = world.visitor();
    visitor.get(&seats(SHOW)).await;
    let redis =
        service::redis::Redis::start(&world.stores.redis(), &service::drain::Drain::default()).await.unwrap();
    let gate = reservations::gate::Gate::new(redis);
    let show = domain::id::ShowId::parse(SHOW).unwrap();
    let claim = |status, token| Claim {
        show: show.clone(),
        seat: domain::id::SeatId::parse("B6").unwrap(),
        status,
        owner: (status != ClaimStatus::Free).then(|| "somebody".to_owned()),
        token,
        expires_at: (status == ClaimStatus::Held).then_some(jiff::Timestamp::MAX),
    };
    for (status, token, seen) in [
        (ClaimStatus::Booked, 7, json!({ "B6": "booked" })),
        (ClaimStatus::Free, 6, json!({ "B6": "booked" })),
        (ClaimStatus::Held, 7, json!({ "B6": "booked" })),
        (ClaimStatus::Free, 7, json!({})),
        (ClaimStatus::Booked, 7, json!({})),
        (ClaimStatus::Booked, 8, json!({ "B6": "booked" })),
    ] {
        gate.apply(&show, &[claim(status, token)]).await.unwrap();
        let picture = gate.read(&show).await.unwrap().unwrap();
        let shown: std::collections::BTreeMap<_, _> = picture
            .mirror
            .seats
            .iter()
            .map(|(id, seat)| (id.as_str(), seat.kind.status().as_str()))
            .filter(|(_, status)| *status != "free")
            .collect();
        assert_eq!(json!(shown), seen, "{status:?} {token}");
    }
}

/// Redis that froze, and is back with what it had, must not show an older picture than Postgres did meanwhile.
#[tokio::test]
async fn a_redis_that_is_back_with_an_old_picture_does_not_turn_versions_back() {
    let world = World::start(1).await;
    let visitor = world.visitor();
    hold(&visitor, &["A1"]).await;
    let version = async || visitor.get(&seats(SHOW)).await.body["version"].as_u64().unwrap();
    version().await;
    let (mut redis, key) = mirror(&world).await;
    let old: Vec<(String, String)> =
        redis::cmd("HGETALL").arg(&key).query_async(&mut redis.clone()).await.unwrap();
    let field = |name: &str| old.iter().find(|(field, _)| field == name).unwrap().1.parse::<u64>().unwrap();
    // A type that no script can read stands for a Redis that refuses: the answer comes from Postgres.
    let () = redis::pipe().del(&key).set(&key, "not a mirror").query_async(&mut redis).await.unwrap();
    let without = version().await;
    assert!(without > field("v"));
    let () = redis::pipe().del(&key).hset_multiple(&key, &old).query_async(&mut redis).await.unwrap();
    let back = version().await;
    assert!(back >= without, "{back} after {without}");
}

/// Whoever fills an emptied Redis so slowly that another epoch was begun and shown meanwhile leaves versions nobody follows.
#[tokio::test]
async fn an_epoch_that_is_loaded_too_late_is_left() {
    let world = World::start(1).await;
    let visitor = world.visitor();
    hold(&visitor, &["A1"]).await;
    let version = async || visitor.get(&seats(SHOW)).await.body["version"].as_u64().unwrap();
    version().await;
    let (mut redis, key) = mirror(&world).await;
    let old: Vec<(String, String)> =
        redis::cmd("HGETALL").arg(&key).query_async(&mut redis.clone()).await.unwrap();
    let () = redis::pipe().del(&key).query_async(&mut redis).await.unwrap();
    let shown = version().await;
    let () = redis::pipe().del(&key).hset_multiple(&key, &old).query_async(&mut redis).await.unwrap();
    until("a version above what was shown", async || (version().await > shown).then_some(())).await;
}

/// Migrations only add; what runs already must go on over a column that it does not know.
#[tokio::test]
async fn a_column_that_is_added_under_a_running_instance_breaks_nothing() {
    let world = World::start(1).await;
    let buyer = world.visitor();
    let sell = async |seat: &str| {
        let held = hold(&buyer, &[seat]).await;
        let path = format!("/api/holds/{held}/confirm");
        assert_eq!(buyer.post_keyed(&path, seat, &payment("ok")).await.status, 201);
        assert_eq!(buyer.get(&format!("/api/holds/{held}")).await.body["status"], "booked");
        assert_eq!(buyer.get("/api/bookings").await.status, 200);
        buyer.delete(&format!("/api/holds/{}", hold(&buyer, &["C1"]).await)).await.status
    };
    assert_eq!(sell("A1").await, 204);
    for table in
        ["holds", "claims", "bookings", "booking_seats", "escrows", "idempotency", "queues", "epochs"]
    {
        let added = format!("ALTER TABLE reservations.{table} ADD COLUMN later int NOT NULL DEFAULT 0");
        world.database().await.batch_execute(&added).await.unwrap();
    }
    for seat in ["A2", "A3", "A4"] {
        assert_eq!(sell(seat).await, 204, "{seat}");
    }
}

/// One instance's way to Postgres stands still. Who asked it is told in time to ask elsewhere, under the same key; and what was done,
/// here or there, was done once.
#[tokio::test]
async fn an_instance_whose_postgres_is_silent_says_so_and_another_answers() {
    let mut world = World::start(1).await;
    let (postgres, wire) = world.stores.postgres_by_wire().await;
    let postgres = service::postgres::PostgresConfig { silent_ms: 4_000, ..postgres };
    world.add(Config { postgres, ..world.config() }).await;
    let (there, cut_off) = (world.visitor_of(0), world.visitor_of(1));
    let held = hold(&cut_off, &["A1"]).await;
    wire.freeze();
    let (wish, paid) = (json!({ "seats": ["B1"] }), payment("ok"));
    let (holds, path) = (holds(SHOW), format!("/api/holds/{held}/confirm"));
    let (placed, confirmed) =
        tokio::join!(cut_off.post_keyed(&holds, "k", &wish), cut_off.post_keyed(&path, "c", &paid),);
    for answer in [placed, confirmed, cut_off.get(&path.replace("/confirm", "")).await] {
        assert_eq!((answer.status.as_u16(), answer.code()), (503, "unavailable"));
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(cut_off.get("/readyz").await.status, 503);

    let elsewhere = cut_off.at(world.instance(0).address);
    let first = elsewhere.post_keyed(&holds, "k", &wish).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let sold = elsewhere.post_keyed(&path, "c", &paid).await;
    assert_eq!(sold.status, 201, "{}", sold.body);
    assert_eq!(there.get("/readyz").await.status, 200);

    wire.thaw();
    until("the instance to be ready", async || (cut_off.get("/readyz").await.status == 200).then_some(()))
        .await;
    assert_eq!(cut_off.post_keyed(&holds, "k", &wish).await.body, first.body);
    assert_eq!(cut_off.post_keyed(&path, "c", &paid).await.body, sold.body);
}

/// What Redis forgot of keys Postgres knows: whoever repeats one is no loser, though somebody else has the seats by now.
#[tokio::test]
async fn a_key_that_an_emptied_redis_forgot_keeps_its_answer() {
    let world = World::start(1).await;
    let (buyer, rival) = (world.visitor(), world.visitor());
    let wish = json!({ "seats": ["A1"] });
    let first = buyer.post_keyed(&holds(SHOW), "k", &wish).await;
    assert_eq!(buyer.delete(&format!("/api/holds/{}", first.text("id"))).await.status, 204);
    hold(&rival, &["A1"]).await;
    let (mut redis, key) = mirror(&world).await;
    let remembered = key.replace(":show:", ":keyed:");
    let forgotten: u32 = redis::cmd("DEL").arg(&key).arg(&remembered).query_async(&mut redis).await.unwrap();
    assert_eq!(forgotten, 2);
    let again = buyer.post_keyed(&holds(SHOW), "k", &wish).await;
    assert_eq!((again.status, again.body), (first.status, first.body));
    let other = buyer.post_keyed(&holds(SHOW), "other", &wish).await;
    assert_eq!(other.code(), "seats_unavailable");
}

/// After a commit whose answer was lost nobody knows whether the hold was placed: its key must not become a loser's.
#[tokio::test]
async fn a_claim_that_is_taken_back_in_doubt_leaves_its_key_remembered() {
    let world = World::start(1).await;
    world.visitor().get(&seats(SHOW)).await;
    let redis =
        service::redis::Redis::start(&world.stores.redis(), &service::drain::Drain::default()).await.unwrap();
    let gate = reservations::gate::Gate::new(redis);
    let show = domain::id::ShowId::parse(SHOW).unwrap();
    let wanted = [domain::id::SeatId::parse("A1").unwrap()];
    let candidates = Candidates::named(&wanted);
    let plan = domain::plan::Plan::of(&domain::seat_map::SeatMap { rows: Vec::new() });
    for (owner, certain) in [("in_doubt", false), ("refused", true)] {
        let asked = Asked { owner, keyed: true, candidates: &candidates, known: None };
        let claimed = gate.claim(&show, &plan, &asked).await.unwrap();
        assert!(matches!(claimed, Claimed::Pending(_)), "{claimed:?}");
        gate.undo(&show, owner, &wanted, certain).await.unwrap();
        assert_eq!(gate.remembers(&show, owner).await.unwrap(), !certain, "{owner}");
    }
}
