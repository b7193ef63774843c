//! Telling those who waited in vain.

use domain::event::{BookingConfirmed, Event, Fact};
use domain::id::{BookingId, HoldId, SeatId, SessionId, ShowId};
use redis::streams::StreamRangeReply;
use serde_json::{Value, json};
use testkit::wait;

use crate::world::{SHOW, Visitor, World};

fn sale(booking: &str, buyer: &str, seat: &str) -> Event {
    let sale = BookingConfirmed {
        booking_id: BookingId::parse(booking).expect("an id"),
        hold_id: HoldId::parse(booking).expect("an id"),
        session_id: SessionId::parse(buyer).expect("an id"),
        seats: vec![SeatId::parse(seat).expect("an id")],
        entry_id: None,
        booked_at: None,
    };
    Fact::BookingConfirmed(sale).of(ShowId::parse(SHOW).expect("an id"))
}

/// What the waitlist has told so far.
async fn told(world: &World) -> Vec<Value> {
    let redis = world.stores.redis();
    let mut connection = world.stores.redis_connection().await;
    let mut range = redis::cmd("XRANGE");
    let partition = service::stream::partition(SHOW);
    range.arg(service::stream::key(&redis.prefix, "waitlist", partition)).arg("-").arg("+");
    let told: StreamRangeReply = range.query_async(&mut connection).await.expect("a stream");
    let events = told.ids.iter().filter_map(|entry| entry.get::<String>("event"));
    events.map(|event| serde_json::from_str(&event).expect("an event is JSON")).collect()
}

#[tokio::test]
async fn a_sale_is_told_once_to_those_who_named_its_seats() {
    let mut world = World::fresh().await;
    let (here, there) = (world.start().await, world.start().await);
    Visitor::new("any", here).join(1).await;
    for (name, seat) in [("hit", "A1"), ("miss", "B1")] {
        let wish = json!({ "party": 1, "seats": [seat, "B2"] });
        assert_eq!(Visitor::new(name, there).try_join(SHOW, None, &wish).await.status, 201);
    }
    Visitor::new("buyer", here).join(1).await;
    let gone = Visitor::new("gone", here);
    gone.leave(&gone.join(1).await).await;
    world.tell(&[sale("one", "buyer", "A1"), sale("one", "buyer", "A1")]).await;
    world.tell(&[sale("one", "buyer", "A1"), sale("two", "buyer", "B1")]).await;
    let told = wait::until("both sales to be told", async || {
        let told = told(&world).await;
        told.iter().any(|event| event["data"]["seats"] == json!(["B1"])).then_some(told)
    })
    .await;
    let of =
        |seat: &str| told.iter().filter(|event| event["data"]["seats"] == json!([seat])).collect::<Vec<_>>();
    let [hit] = of("A1")[..] else { panic!("{told:?}") };
    assert_eq!((&hit["type"], &hit["show_id"]), (&json!("WaitersTold"), &json!(SHOW)));
    assert_eq!(hit["data"], json!({ "seats": ["A1"], "session_ids": ["hit"] }));
    assert_eq!(of("B1")[0]["data"]["session_ids"], json!(["miss"]));
    assert_eq!(told.len(), 2);
}

/// An old program knows one column, and its own words.
#[tokio::test]
async fn what_an_old_program_wrote_is_told_in_the_new_form() {
    let (world, _) = World::with_one().await;
    let old = json!({ "type": "waiters_told", "show_id": SHOW, "seats": ["A1"], "session_ids": ["any"] });
    world.reservations.execute("INSERT INTO waitlist.outbox (event) VALUES ($1)", &[&old]).await;
    let event = wait::until("it to be told", async || told(&world).await.pop()).await;
    let event: Event = serde_json::from_value(event).expect("an event of today");
    let data = json!({ "seats": ["A1"], "session_ids": ["any"] });
    assert_eq!(json!(event), json!({ "type": "WaitersTold", "version": 1, "show_id": SHOW, "data": data }));
}

/// All that was told of one type.
async fn told_of(world: &World, kind: &str) -> Vec<Value> {
    told(world)
        .await
        .into_iter()
        .filter(|event| event["type"] == kind)
        .map(|event| event["data"].clone())
        .collect()
}

#[tokio::test]
async fn who_moves_up_is_told_once_whichever_instance_does_it() {
    let mut world = World::fresh().await;
    world.config.tell_interval_ms = 20;
    let (here, there) = (world.start().await, world.start().await);
    let [ann, bob, cid] = ["ann", "bob", "cid"].map(|name| Visitor::new(name, here));
    let ids = [ann.join(1).await, bob.join(2).await, cid.join(1).await];
    let gone = Visitor::new("gone", there);
    gone.leave(&gone.join(1).await).await;
    ann.leave(&ids[0]).await;
    let moved = wait::until("the others to be told", async || {
        let moved = told_of(&world, "LineMoved").await;
        (!moved.is_empty()).then_some(moved)
    })
    .await;
    let places: Vec<_> = moved.iter().flat_map(|each| each["places"].as_array().expect("a list")).collect();
    let expected = |id: &str, session: &str, position: u64| json!({ "entry_id": id, "session_id": session, "position": position, "estimate": null });
    assert_eq!(places, [&expected(&ids[1], "bob", 1), &expected(&ids[2], "cid", 2)]);
    // The next departure tells only whom it moves.
    bob.leave(&ids[1]).await;
    let last = wait::until("cid to be told again", async || {
        let moved = told_of(&world, "LineMoved").await;
        (moved.len() == 2).then(|| moved[1].clone())
    })
    .await;
    assert_eq!(last, json!({ "places": [expected(&ids[2], "cid", 1)] }));
}

#[tokio::test]
async fn whose_show_begins_or_is_cancelled_is_told() {
    let (world, instance) = World::with_one().await;
    world.add_show("other", "1 day").await;
    let ann = Visitor::new("ann", instance);
    let here = ann.join(1).await;
    let there = ann.try_join("other", None, &json!({ "party": 1 })).await.text("id").to_owned();
    let over = "UPDATE catalog_published.shows SET starts_at = clock_timestamp() WHERE id = $1";
    world.reservations.execute(over, &[&SHOW]).await;
    ann.until(&here, "closed").await;
    let expected = |reason: &str, id: &str| json!({ "reason": reason, "entries": [{ "entry_id": id, "session_id": "ann" }] });
    wait::until("ann to be told", async || {
        (told_of(&world, "LineClosed").await == [expected("started", &here)]).then_some(())
    })
    .await;
    world.reservations.execute("DELETE FROM catalog_published.shows WHERE id = 'other'", &[]).await;
    assert_eq!(ann.until(&there, "closed").await["reason"], "cancelled");
}
