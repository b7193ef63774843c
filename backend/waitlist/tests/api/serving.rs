//! Serving: order of arrival, wishes, what is left, and what becomes of offers.

use domain::event::{BookingConfirmed, Event, Fact, HoldEnded, SeatsEscrowed};
use domain::id::{BookingId, EntryId, EscrowId, HoldId, SeatId, SessionId, ShowId};
use serde_json::{Value, json};
use testkit::wait;

use crate::world::{NEVER_MS, SHOW, Visitor, World};

fn seats(names: &[&str]) -> Vec<SeatId> {
    names.iter().map(|name| SeatId::parse(name).expect("an id")).collect()
}

fn ended(entry: &Value, session: &str) -> HoldEnded {
    HoldEnded {
        hold_id: HoldId::parse(entry["offer"]["hold_id"].as_str().expect("a hold")).expect("an id"),
        session_id: SessionId::parse(session).expect("an id"),
        seats: seats(&["A1"]),
        entry_id: Some(EntryId::parse(entry["id"].as_str().expect("an id")).expect("an id")),
    }
}

fn escrowed(id: &str, names: &[&str]) -> Event {
    let expires_at = "2100-01-01T00:00:00Z".parse().expect("a time");
    let escrow_id = EscrowId::parse(id).expect("an id");
    here(Fact::SeatsEscrowed(SeatsEscrowed { escrow_id, seats: seats(names), expires_at }))
}

/// Of the show everybody wants.
fn here(fact: Fact) -> Event {
    fact.of(ShowId::parse(SHOW).expect("an id"))
}

#[tokio::test]
async fn the_first_whom_the_seats_fit_is_offered_them_and_the_rest_is_sold() {
    let (world, instance) = World::with_one().await;
    let visitor = |name: &str| Visitor::new(name, instance);
    let picky = visitor("picky").try_join(SHOW, None, &json!({ "party": 1, "seats": ["B6"] })).await;
    let two = visitor("two").join(2).await;
    world.reservations.escrow("e", SHOW, &["A3", "A1", "A2"], 60).await;
    let entry = visitor("two").until(&two, "offered").await;
    assert_eq!(entry["offer"]["seats"].as_array().map(Vec::len), Some(2));
    assert_eq!(entry["position"], Value::Null);
    world.served("e").await;
    {
        let deeds = world.reservations.deeds().await;
        assert_eq!((deeds.offered.len(), deeds.on_sale.len()), (1, 1));
    }
    world.reservations.escrow("f", SHOW, &["B6"], 60).await;
    let picky = visitor("picky").until(picky.text("id"), "offered").await;
    assert_eq!(picky["offer"]["seats"], json!(["B6"]));
}

#[tokio::test]
async fn a_party_gathers_seats_and_those_behind_have_what_it_could_not_use() {
    let mut world = World::fresh().await;
    world.config.serve_interval_ms = 25;
    let instance = world.start().await;
    let join = async |name: &str, wish: Value| {
        let joined = Visitor::new(name, instance).try_join(SHOW, None, &wish).await;
        assert_eq!(joined.status, 201, "{}", joined.body);
        joined.text("id").to_owned()
    };
    let three = join("three", json!({ "party": 3, "together": true, "seats": ["A1", "A2", "A3"] })).await;
    let one = join("one", json!({ "party": 1 })).await;
    world.reservations.escrow("e", SHOW, &["A1", "B4"], 2).await;
    Visitor::new("one", instance).until(&one, "offered").await;
    wait::until("A1 to be kept for longer", async || {
        (world.reservations.deeds().await.kept.first().map(String::as_str) == Some("e")).then_some(())
    })
    .await;
    world.reservations.escrow("f", SHOW, &["A3", "C4"], 60).await;
    world.reservations.escrow("g", SHOW, &["A2"], 60).await;
    let entry = Visitor::new("three", instance).until(&three, "offered").await;
    assert_eq!(entry["offer"]["seats"], json!(["A1", "A2", "A3"]));
    for escrow in ["e", "f", "g"] {
        world.served(escrow).await;
    }
    let deeds = world.reservations.deeds().await;
    assert_eq!(deeds.offered.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [one, three]);
    assert_eq!(deeds.on_sale, ["C4"]);
}

#[tokio::test]
async fn what_was_gathered_in_vain_goes_to_the_next_whom_it_fits() {
    let mut world = World::fresh().await;
    world.config.gather_seconds = 1;
    let instance = world.start().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    let (first, second) = (ann.join(2).await, bob.join(1).await);
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    bob.until(&second, "offered").await;
    world.served("e").await;
    // Nobody is left who would have been kept from it, and the first rests.
    world.reservations.escrow("f", SHOW, &["A2"], 60).await;
    world.served("f").await;
    assert_eq!(ann.entry(&first).await["status"], "waiting");
    assert_eq!(world.reservations.deeds().await.on_sale, ["A2"]);
    let kept = "SELECT gathers_until - created_at > interval '1 second' FROM waitlist.entries WHERE id = $1";
    let client = world.pool.get().await.expect("the test database answers");
    assert!(client.query_one(kept, &[&first]).await.expect("the query is good").get::<_, bool>(0));
}

#[tokio::test]
async fn when_the_one_who_gathers_leaves_the_seats_go_on() {
    let (world, instance) = World::with_one().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    let (first, second) = (ann.join(2).await, bob.join(1).await);
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    wait::until("ann to gather", async || {
        let client = world.pool.get().await.expect("the test database answers");
        let gathers = "SELECT FROM waitlist.entries WHERE gathers_until IS NOT NULL";
        client.query_opt(gathers, &[]).await.expect("the query is good")
    })
    .await;
    assert_eq!(bob.entry(&second).await["status"], "waiting");
    ann.leave(&first).await;
    bob.until(&second, "offered").await;
}

#[tokio::test]
async fn a_price_that_rose_past_the_ceiling_is_not_offered() {
    let (world, instance) = World::with_one().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    let wish = json!({ "party": 1, "price_max": { "amount": 1_250, "currency": "USD" } });
    let first = ann.try_join(SHOW, None, &wish).await;
    let second = bob.join(1).await;
    world.reservations.execute("UPDATE catalog_published.shows SET price_minor = 1251", &[]).await;
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    bob.until(&second, "offered").await;
    assert_eq!(ann.entry(first.text("id")).await["status"], "waiting");
}

#[tokio::test]
async fn a_lapsed_offer_moves_on_to_the_next() {
    let (world, instance) = World::with_one().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    let (first, second) = (ann.join(1).await, bob.join(1).await);
    world.reservations.escrow("e", SHOW, &["A1"], 60).await;
    let entry = ann.until(&first, "offered").await;
    assert_eq!(bob.entry(&second).await["status"], "waiting");
    // As reservations does when the deadline passes while people wait; no event comes.
    world.reservations.end_hold(entry["offer"]["hold_id"].as_str().expect("a hold"), "expired").await;
    world.reservations.escrow("f", SHOW, &["A1"], 60).await;
    let closed = ann.until(&first, "closed").await;
    assert_eq!((&closed["offer"], &closed["reason"]), (&Value::Null, &json!("lapsed")));
    bob.until(&second, "offered").await;
    world.served("f").await;
    assert!(world.reservations.deeds().await.on_sale.is_empty());
}

#[tokio::test]
async fn events_alone_are_enough() {
    let mut world = World::fresh().await;
    world.config.serve_interval_ms = NEVER_MS;
    let instance = world.start().await;
    let [ann, bob, cid] = ["ann", "bob", "cid"].map(|name| Visitor::new(name, instance));
    let ids = [ann.join(1).await, bob.join(1).await, cid.join(1).await];
    world.reservations.escrow("e", SHOW, &["A1", "A2", "A3"], 60).await;
    world.tell(&[escrowed("e", &["A1", "A2", "A3"])]).await;
    let first = ann.until(&ids[0], "offered").await;
    let second = bob.until(&ids[1], "offered").await;
    let third = cid.until(&ids[2], "offered").await;
    world.served("e").await;
    let hold = ended(&third, "cid");
    let sale = BookingConfirmed {
        booking_id: BookingId::parse("b").expect("an id"),
        hold_id: hold.hold_id,
        session_id: hold.session_id,
        seats: hold.seats,
        entry_id: hold.entry_id,
        booked_at: None,
    };
    let events = [
        here(Fact::HoldExpired(ended(&first, "ann"))),
        here(Fact::SeatsReleased(ended(&second, "bob"))),
        here(Fact::BookingConfirmed(sale)),
    ];
    world.tell(&events).await;
    ann.until(&ids[0], "closed").await;
    bob.until(&ids[1], "left").await;
    cid.until(&ids[2], "fulfilled").await;
    wait::until("the queue to be closed", async || (!world.queue_open(SHOW).await).then_some(())).await;
    // The same again, and in another order, changes nothing.
    let again =
        [Fact::SeatsReleased(ended(&third, "cid")), Fact::HoldExpired(ended(&second, "bob"))].map(here);
    world.tell(&again).await;
    let fresh = Visitor::new("dan", instance);
    let fresh_id = fresh.join(1).await;
    world.reservations.escrow("h", SHOW, &["B2"], 60).await;
    // The first is over, and of the second reservations knows nothing.
    world.tell(&[escrowed("e", &["A1", "A2", "A3"]), escrowed("g", &["B1"]), escrowed("h", &["B2"])]).await;
    world.served("h").await;
    assert_eq!(cid.entry(&ids[2]).await["status"], "fulfilled");
    assert_eq!(bob.entry(&ids[1]).await["status"], "left");
    assert_eq!(fresh.until(&fresh_id, "offered").await["offer"]["seats"], json!(["B2"]));
    assert_eq!(world.reservations.deeds().await.offered.len(), 4, "a served escrow is not served again");
}

#[tokio::test]
async fn without_events_every_outcome_is_found() {
    let (world, instance) = World::with_one().await;
    let names = ["ann", "bob", "cid"];
    let visitors = names.map(|name| Visitor::new(name, instance));
    let mut ids = Vec::new();
    for visitor in &visitors {
        ids.push(visitor.join(1).await);
    }
    world.reservations.escrow("e", SHOW, &["A1", "A2", "A3"], 60).await;
    for (at, (hold, entry)) in
        [("expired", "closed"), ("released", "left"), ("booked", "fulfilled")].into_iter().enumerate()
    {
        let offered = visitors[at].until(&ids[at], "offered").await;
        world.served("e").await;
        world.reservations.end_hold(offered["offer"]["hold_id"].as_str().expect("a hold"), hold).await;
        visitors[at].until(&ids[at], entry).await;
    }
    wait::until("the queue to be closed", async || (!world.queue_open(SHOW).await).then_some(())).await;
}

#[tokio::test]
async fn when_the_seats_are_gone_the_waiter_keeps_their_place() {
    let mut world = World::fresh().await;
    world.config.serve_interval_ms = NEVER_MS;
    let instance = world.start().await;
    let (ann, bob) = (Visitor::new("ann", instance), Visitor::new("bob", instance));
    let (first, second) = (ann.join(1).await, bob.join(1).await);
    // Reservations tells of an escrow that it no longer has.
    world.tell(&[escrowed("e", &["A1"])]).await;
    for (visitor, id, position) in [(&ann, &first, 1), (&bob, &second, 2)] {
        let entry = visitor.entry(id).await;
        assert_eq!((&entry["status"], &entry["position"]), (&json!("waiting"), &json!(position)));
    }
    world.reservations.escrow("f", SHOW, &["A1"], 60).await;
    world.tell(&[escrowed("f", &["A1"])]).await;
    ann.until(&first, "offered").await;
    assert_eq!(bob.entry(&second).await["status"], "waiting");
}

#[tokio::test]
async fn when_the_show_begins_the_line_is_closed() {
    let (world, instance) = World::with_one().await;
    let ann = Visitor::new("ann", instance);
    let id = ann.join(1).await;
    world.reservations.execute("UPDATE catalog_published.shows SET starts_at = clock_timestamp()", &[]).await;
    assert_eq!(ann.until(&id, "closed").await["reason"], "started");
    wait::until("the queue to be closed", async || (!world.queue_open(SHOW).await).then_some(())).await;
    assert_eq!(ann.try_join(SHOW, None, &json!({ "party": 1 })).await.code(), "show_started");
}
