//! While people wait: what comes free is theirs first.

use http::Method;
use serde_json::{Value, json};
use testkit::client::{Answer, Client};
use testkit::wait::until;

use crate::world::{SHOW, World, hold, holds, payment, seats};

pub(crate) async fn set_queue(client: &Client, open: bool, revision: i64) {
    let path = format!("/internal/shows/{SHOW}/queue");
    let body = json!({ "open": open, "revision": revision });
    assert_eq!(client.send(Method::PUT, &path, &[], Some(&body)).await.status, 204);
}

/// The open escrow that the waitlist would find.
pub(crate) async fn escrow(world: &World) -> Option<(String, Vec<String>)> {
    let row = world
        .database()
        .await
        .query_opt("SELECT id, seats FROM reservations_published.escrows", &[])
        .await
        .unwrap()?;
    Some((row.get(0), row.get(1)))
}

pub(crate) async fn offer(client: &Client, escrow: &str, entry: &str, seats: &[&str]) -> Answer {
    offer_for(60, client, escrow, entry, seats).await
}

async fn offer_for(seconds: u32, client: &Client, escrow: &str, entry: &str, seats: &[&str]) -> Answer {
    let body =
        json!({ "entry_id": entry, "session_id": "session_of_waiter", "seats": seats, "seconds": seconds });
    client.post(&format!("/internal/escrows/{escrow}/offers"), &body).await
}

#[tokio::test]
async fn freed_seats_wait_for_the_queue_and_the_street_cannot_take_them() {
    let world = World::start(2).await;
    let (buyer, street) = (world.visitor_of(0), world.visitor_of(1));
    let held = hold(&buyer, &["A1", "A2", "A3"]).await;
    set_queue(&buyer, true, 2).await;
    set_queue(&buyer, false, 1).await;
    buyer.delete(&format!("/api/holds/{held}")).await;

    let (id, kept) = escrow(&world).await.unwrap();
    assert_eq!(kept, ["A1", "A2", "A3"]);
    assert_eq!(street.post(&holds(SHOW), &json!({ "seats": ["A1"] })).await.code(), "seats_unavailable");
    assert_eq!(street.get(&seats(SHOW)).await.body["seats"].as_object().unwrap().len(), 3);

    let offered = offer(&street, &id, "entry_1", &["A2", "A1"]).await;
    assert_eq!(offered.status, 201);
    assert_eq!(offer(&buyer, &id, "entry_1", &["A1", "A2"]).await.body, offered.body, "the same offer again");
    assert_eq!(offer(&buyer, &id, "entry_2", &["A2"]).await.code(), "escrow_gone", "A2 is offered already");
    let rest = format!("/internal/escrows/{id}");
    assert_eq!(buyer.delete(&rest).await.status, 204);
    assert_eq!(buyer.delete(&rest).await.status, 204);
    hold(&street, &["A3"]).await;
    assert_eq!(offer(&buyer, &id, "entry_3", &["A3"]).await.code(), "escrow_gone");
}

/// Two instances of the waitlist may serve one escrow at once, and both are told the same.
#[tokio::test]
async fn one_offer_asked_for_twice_at_once_is_one_hold_for_both() {
    let world = World::start(2).await;
    let clients = [world.visitor_of(0), world.visitor_of(1)];
    set_queue(&clients[0], true, 1).await;
    for round in 0..10 {
        let buyer = world.visitor();
        let seat = format!("{}{}", ["A", "B"][round / 5], round % 5 + 1);
        let held = hold(&buyer, &[&seat]).await;
        buyer.delete(&format!("/api/holds/{held}")).await;
        let (id, _) = escrow(&world).await.unwrap();
        let (entry, seats) = (format!("entry_{round}"), [seat.as_str()]);
        let asked = clients.iter().cycle().take(6).map(|client| offer(client, &id, &entry, &seats));
        let answers = futures_util::future::join_all(asked).await;
        for answer in &answers {
            assert_eq!((answer.status, &answer.body), (answers[0].status, &answers[0].body), "{seat}");
        }
        assert_eq!(answers[0].status, 201, "{}", answers[0].body);
    }
}

#[tokio::test]
async fn a_lapsed_offer_goes_back_to_the_queue_not_to_the_street() {
    let world = World::start(2).await;
    let client = world.visitor();
    let held = hold(&client, &["A1"]).await;
    set_queue(&client, true, 1).await;
    client.delete(&format!("/api/holds/{held}")).await;
    let (first, _) = escrow(&world).await.unwrap();
    assert_eq!(offer_for(1, &client, &first, "entry_1", &["A1"]).await.status, 201);
    let (second, kept) = until("the lapsed offer's seats to be in another escrow", async || {
        // A street buyer tries all the time.
        assert_ne!(world.visitor_of(1).post(&holds(SHOW), &json!({ "seats": ["A1"] })).await.status, 201);
        escrow(&world).await
    })
    .await;
    assert!(second != first && kept == ["A1"]);
}

/// The rule is Postgres' too: without Redis and before any sweeper, a lapsed hold is the queue's.
#[tokio::test]
async fn without_a_gate_a_lapsed_hold_is_the_queues_as_well() {
    let world = World::with(1, |config| {
        config.redis.url = "redis://127.0.0.1:1".into();
        config.hold_seconds = 1;
        config.sweep_interval_ms = 3_600_000;
    })
    .await;
    let client = world.visitor();
    let held = hold(&client, &["A1"]).await;
    set_queue(&client, true, 1).await;
    until("the deadline to pass", async || {
        (client.get(&format!("/api/holds/{held}")).await.body["status"] == "expired").then_some(())
    })
    .await;
    let street = async || world.visitor().post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
    assert_eq!(street().await.code(), "seats_unavailable");
    assert_eq!(client.get(&seats(SHOW)).await.body["seats"], json!({ "A1": "held" }));
    set_queue(&client, false, 2).await;
    assert_eq!(street().await.status, 201);
}

#[tokio::test]
async fn what_the_queue_does_not_take_in_time_goes_on_open_sale() {
    let world = World::with(1, |config| config.escrow_seconds = 1).await;
    let client = world.visitor();
    let held = hold(&client, &["A1"]).await;
    set_queue(&client, true, 1).await;
    client.delete(&format!("/api/holds/{held}")).await;
    until("the seat to be on open sale", async || {
        let answer = world.visitor().post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
        (answer.status == 201).then_some(())
    })
    .await;
    let closed: Value = json!(escrow(&world).await.is_none());
    assert_eq!(closed, json!(true));
    until("a sweeper to count it", async || {
        let metrics = world.visitor().get("/metrics").await.body.to_string();
        metrics.contains("marquee_reservations_escrows_lapsed_total 1").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_booking_goes_to_the_queue_and_an_offered_hold_can_be_given_back() {
    let world = World::start(1).await;
    let buyer = world.visitor();
    let held = hold(&buyer, &["B1"]).await;
    let booked = buyer.post_keyed(&format!("/api/holds/{held}/confirm"), "k", &payment("ok")).await;
    set_queue(&buyer, true, 1).await;
    assert_eq!(buyer.delete(&format!("/api/bookings/{}", booked.text("id"))).await.status, 200);
    let (id, _) = escrow(&world).await.unwrap();
    let offered = offer(&buyer, &id, "entry_1", &["B1"]).await;
    let give_back = format!("/internal/holds/{}", offered.text("hold_id"));
    assert_eq!(buyer.delete(&give_back).await.status, 204);
    assert_eq!(buyer.delete(&give_back).await.status, 204);
    assert_eq!(buyer.delete("/internal/holds/unknown").await.code(), "hold_not_found");
    let (next, _) = escrow(&world).await.unwrap();
    assert_ne!(next, id);
}

/// Seats that came free one after the other, each in an escrow of its own.
async fn freed_apart(world: &World, names: &[&str]) -> Vec<(String, String)> {
    let buyer = world.visitor();
    set_queue(&buyer, true, 1).await;
    let mut escrows = Vec::new();
    for name in names {
        let held = hold(&buyer, &[name]).await;
        buyer.delete(&format!("/api/holds/{held}")).await;
        let find = "SELECT id FROM reservations_published.escrows WHERE seats = ARRAY[$1]";
        let row = world.database().await.query_one(find, &[name]).await.unwrap();
        escrows.push((row.get(0), (*name).to_owned()));
    }
    escrows
}

fn from(parts: &[&(String, String)]) -> Value {
    json!(parts.iter().map(|(id, seat)| json!({ "escrow_id": id, "seats": [seat] })).collect::<Vec<_>>())
}

async fn offer_gathered(client: &Client, entry: &str, parts: &[&(String, String)]) -> Answer {
    let body = json!({ "entry_id": entry, "session_id": "w", "from": from(parts), "seconds": 60 });
    client.post(&format!("/internal/shows/{SHOW}/offers"), &body).await
}

#[tokio::test]
async fn seats_of_several_escrows_are_one_offer_or_none() {
    let world = World::start(2).await;
    let [one, two, three] = <[_; 3]>::try_from(freed_apart(&world, &["A1", "A2", "B1"]).await).unwrap();
    let (here, there) = (world.visitor_of(0), world.visitor_of(1));
    let made = offer_gathered(&here, "entry_1", &[&one, &two]).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(offer_gathered(&there, "entry_1", &[&one, &two]).await.body, made.body, "the same again");
    let find = "SELECT seats, price_minor FROM reservations.holds WHERE id = $1";
    let row = world.database().await.query_one(find, &[&made.text("hold_id")]).await.unwrap();
    assert_eq!(row.get::<_, Vec<String>>(0), ["A1", "A2"]);

    let part = offer_gathered(&here, "entry_2", &[&three, &two]).await;
    assert_eq!(part.code(), "escrow_gone", "A2 is offered already");
    let foreign = json!({ "entry_id": "entry_3", "session_id": "w", "from": [], "seconds": 60 });
    let nothing = here.post(&format!("/internal/shows/{SHOW}/offers"), &foreign).await;
    assert_eq!(nothing.code(), "escrow_gone");
    assert_eq!(escrow(&world).await, Some((three.0.clone(), vec!["B1".to_owned()])), "B1 is as it was");
    assert_eq!(offer_gathered(&here, "entry_4", &[&three]).await.status, 201);
}

#[tokio::test]
async fn an_escrow_is_kept_for_longer_and_not_past_its_bound() {
    let world = World::with(1, |config| (config.escrow_seconds, config.escrow_seconds_max) = (2, 4)).await;
    let client = world.visitor();
    let [one, two] = <[_; 2]>::try_from(freed_apart(&world, &["A1", "A2"]).await).unwrap();
    let keep = json!({ "escrow_ids": [one.0, "unknown"], "seconds": 3_600 });
    for _ in 0..2 {
        let path = format!("/internal/shows/{SHOW}/escrows/keep");
        assert_eq!(client.post(&path, &keep).await.status, 204);
    }
    let ends = "SELECT e.expires_at = e.bound_at, c.expires_at = e.expires_at FROM reservations.escrows AS e
                JOIN reservations.claims AS c ON c.owner = e.id WHERE e.id = $1";
    let row = world.database().await.query_one(ends, &[&one.0]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), (true, true));
    // The street gets the other one at its time, and this one later; the gate and Postgres agree.
    for (lapsed, (_, seat)) in [(false, &two), (true, &one)] {
        until("the seat to be on open sale", async || {
            let taken = world.visitor().post(&holds(SHOW), &json!({ "seats": [seat] })).await.status == 201;
            taken.then_some(())
        })
        .await;
        assert_eq!(escrow(&world).await.is_none(), lapsed, "{seat}");
    }
}

#[tokio::test]
async fn part_of_an_escrow_goes_on_open_sale() {
    let world = World::start(1).await;
    let buyer = world.visitor();
    let held = hold(&buyer, &["A1", "A2"]).await;
    set_queue(&buyer, true, 1).await;
    buyer.delete(&format!("/api/holds/{held}")).await;
    let (id, _) = escrow(&world).await.unwrap();
    let body = json!({ "from": [{ "escrow_id": id, "seats": ["A2", "A2", "B5"] }] });
    for _ in 0..2 {
        let released = buyer.post(&format!("/internal/shows/{SHOW}/escrows/release"), &body).await;
        assert_eq!(released.status, 204, "{}", released.body);
    }
    assert_eq!(escrow(&world).await, Some((id, vec!["A1".to_owned()])));
    hold(&buyer, &["A2"]).await;
    let taken =
        "SELECT array_agg(seat_id ORDER BY seat_id) FROM reservations_published.taken WHERE show_id = $1";
    let row = world.database().await.query_one(taken, &[&SHOW]).await.unwrap();
    assert_eq!(row.get::<_, Vec<String>>(0), ["A1", "A2"], "in escrow, and held");
}
