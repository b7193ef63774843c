//! Crowds: whatever the interleaving, one seat has one owner, and what was taken adds up.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::json;
use testkit::client::Client;
use testkit::wait::until;

use crate::queue::set_queue;
use crate::world::{CAPACITY, SHOW, World, hold, holds, payment, seats};

#[tokio::test]
async fn of_a_crowd_on_two_instances_one_gets_the_seat() {
    let world = World::start(2).await;
    let body = json!({ "seats": ["B3", "B4"] });
    let visitors: Vec<_> = (0..40).map(|at| world.visitor_of(at % 2)).collect();
    let path = holds(SHOW);
    let answers = join_all(visitors.iter().map(|visitor| visitor.post(&path, &body))).await;
    let won = answers.iter().filter(|answer| answer.status == 201).count();
    let lost = answers.iter().filter(|answer| answer.code() == "seats_unavailable").count();
    assert_eq!((won, lost), (1, 39));
}

/// Half of the instances do not see Redis: the gate lets through what Postgres must refuse.
#[tokio::test]
async fn without_a_common_gate_postgres_decides() {
    let mut world = World::start(1).await;
    let mut blind = world.config();
    blind.redis.url = "redis://127.0.0.1:1".into();
    world.add(blind).await;
    let body = json!({ "seats": ["B3", "B4"] });
    let visitors: Vec<_> = (0..30).map(|at| world.visitor_of(at % 2)).collect();
    let path = holds(SHOW);
    let answers = join_all(visitors.iter().map(|visitor| visitor.post(&path, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "seats_unavailable"));
}

/// Nobody sees Redis: what Postgres has in part is not taken in part.
#[tokio::test]
async fn without_a_gate_a_hold_is_all_or_nothing_too() {
    let world = World::with(1, |config| config.redis.url = "redis://127.0.0.1:1".into()).await;
    hold(&world.visitor(), &["A2"]).await;
    let late = world.visitor().post(&holds(SHOW), &json!({ "seats": ["A1", "A2"] })).await;
    assert_eq!((late.code(), &late.body["unavailable"]), ("seats_unavailable", &json!(["A2"])));
    assert_eq!(world.visitor().get(&seats(SHOW)).await.body["seats"], json!({ "A2": "held" }));
    hold(&world.visitor(), &["A1"]).await;
}

/// A hold whose claim somebody else has by now, whatever led to it: its token is old.
#[tokio::test]
async fn a_hold_without_its_claims_cannot_be_booked() {
    let world = World::start(1).await;
    let buyer = world.visitor();
    let held = hold(&buyer, &["A1", "A2"]).await;
    let taken = "UPDATE reservations.claims SET owner = 'another', token = token + 1 WHERE seat_id = 'A2'";
    assert_eq!(world.database().await.execute(taken, &[]).await.unwrap(), 1);
    let late = buyer.post_keyed(&format!("/api/holds/{held}/confirm"), "k", &payment("ok")).await;
    assert_eq!((late.status.as_u16(), late.code()), (410, "hold_expired"));
    assert_eq!(buyer.get("/api/bookings").await.body["bookings"], json!([]));
}

#[tokio::test]
async fn a_sell_out_by_overlapping_parties_sells_every_seat_once() {
    let world = World::start(2).await;
    let sales = join_all((0..60).map(async |at: usize| {
        let visitor = world.visitor_of(at % 2);
        let seat = |column: usize| format!("{}{}", ["A", "B", "C"][at % 3], 1 + column % 6);
        let wish = match at % 3 {
            0 => json!({ "best": 1 + at % 2 }),
            _ => json!({ "seats": [seat(at), seat(at + 1)] }),
        };
        let held = visitor.post(&holds(SHOW), &wish).await;
        if held.status != 201 {
            assert!(held.status == 409 || held.status == 422, "{}", held.body);
            return Vec::new();
        }
        let path = format!("/api/holds/{}/confirm", held.text("id"));
        let booked = visitor.post_keyed(&path, "k", &payment("ok")).await;
        assert_eq!(booked.status, 201, "{}", booked.body);
        booked.body["seats"].as_array().unwrap().clone()
    }))
    .await;
    let mut sold: Vec<String> =
        sales.iter().flatten().map(|seat| seat.as_str().unwrap().to_owned()).collect();
    sold.sort();
    let distinct = {
        let mut seats = sold.clone();
        seats.dedup();
        seats
    };
    assert_eq!(sold, distinct);
    let seen = world.visitor().get(&seats(SHOW)).await.body["seats"].as_object().unwrap().clone();
    assert_eq!(seen.keys().cloned().collect::<Vec<_>>(), sold);
    assert!(seen.values().all(|status| status == "booked") && sold.len() <= CAPACITY);
}

/// Somebody who is offered one seat for four seconds.
struct Offered {
    waiter: Client,
    seat: String,
    hold: String,
    expires_at: Timestamp,
}

impl Offered {
    async fn of(world: &World, seat: String) -> Self {
        let waiter = world.visitor();
        let held = hold(&waiter, &[&seat]).await;
        waiter.delete(&format!("/api/holds/{held}")).await;
        let find = "SELECT e.id, h.session_id FROM reservations_published.escrows e, reservations.holds h
                    WHERE e.seats = ARRAY[$1] AND h.id = $2";
        let row = world.database().await.query_one(find, &[&seat, &held]).await.unwrap();
        let (escrow, session): (String, String) = (row.get(0), row.get(1));
        let body = json!({ "entry_id": format!("entry_{seat}"), "session_id": session, "seats": [seat], "seconds": 4 });
        let offered = waiter.post(&format!("/internal/escrows/{escrow}/offers"), &body).await;
        let expires_at = serde_json::from_value(offered.body["expires_at"].clone()).unwrap();
        Self { waiter, seat, hold: offered.text("hold_id").to_owned(), expires_at }
    }

    /// Taken at one instance so long before its deadline, or after it, and passed at another so long after that; and what became of
    /// it.
    async fn raced(&self, world: &World, before_ms: i64, passed_after_ms: u64) -> String {
        let at = self.expires_at - jiff::SignedDuration::from_millis(before_ms);
        let pause = at.duration_since(Timestamp::now());
        tokio::time::sleep(Duration::try_from(pause).unwrap_or_default()).await;
        let [here, there] = [0, 1].map(|at| self.waiter.at(world.instance(at).address));
        let path = format!("/api/holds/{}", self.hold);
        let (confirm, payment) = (format!("{path}/confirm"), payment("ok"));
        let pass = async {
            tokio::time::sleep(Duration::from_millis(passed_after_ms)).await;
            there.delete(&path).await
        };
        let (taken, passed) = tokio::join!(here.post_keyed(&confirm, "k", &payment), pass);
        let said = format!("{} {} {}", taken.status.as_u16(), taken.code(), passed.status.as_u16());
        let find = "SELECT h.status, EXISTS (SELECT FROM reservations.bookings b WHERE b.hold_id = h.id),
                        (SELECT count(*) FROM reservations_published.escrows e WHERE $2 = ANY(e.seats))
                    FROM reservations.holds h WHERE h.id = $1 AND h.status <> 'on_hold'";
        let database = world.database().await;
        let row = until("the offer to be over", async || {
            database.query_opt(find, &[&self.hold, &self.seat]).await.unwrap()
        })
        .await;
        let (status, booked, next): (String, bool, i64) = (row.get(0), row.get(1), row.get(2));
        let expected = match status.as_str() {
            "booked" => ["201  409"].as_slice(),
            // Whoever passes an offer that has just lapsed has passed it, until somebody announced that.
            "released" => &["410 hold_released 204", "410 hold_expired 204"],
            _ => &["410 hold_expired 204"],
        };
        assert!(expected.contains(&said.as_str()), "{} is {status}, and said {said:?}", self.seat);
        assert_eq!(
            (booked, next),
            (status == "booked", i64::from(status != "booked")),
            "{} {said}",
            self.seat
        );
        status
    }
}

/// Taken, passed and lapsing in the same instant, on two instances, an offer has one outcome; all who asked are told the same one, and
/// the seat is sold once or goes to the next.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_taken_passed_and_lapsing_at_once_has_one_outcome() {
    let world = World::start(2).await;
    set_queue(&world.visitor(), true, 1).await;
    let mut outcomes = BTreeMap::new();
    let names = ["A", "B", "C"].iter().flat_map(|row| (1..=6).map(move |at| format!("{row}{at}")));
    let offers = join_all(names.map(|seat| Offered::of(&world, seat))).await;
    // Long before the deadline, and at it. The first is bought and the last of these is too late, however slow the machine is.
    let before_ms = [3_500, 40, 20, 10, 5, 2, 0, -2, -5].into_iter().cycle();
    let raced = offers.iter().zip(before_ms).zip([300, 0, 5, 10, 15, 20, 30].into_iter().cycle());
    let raced = raced.map(|((offer, before_ms), after_ms)| offer.raced(&world, before_ms, after_ms));
    for status in join_all(raced).await {
        *outcomes.entry(status).or_insert(0) += 1;
    }
    assert_eq!(outcomes.values().sum::<usize>(), CAPACITY);
    assert!(outcomes.len() > 1 && outcomes.contains_key("booked"), "it was no race: {outcomes:?}");
}
