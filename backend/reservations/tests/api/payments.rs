//! Money follows what was decided: taken for what is booked, given back for what is not, whatever fails in between.

mod bank;

use std::time::Duration;

use reservations::config::Config;
use reservations::store::unsettled::{self, Backoff, Due};
use serde_json::json;
use testkit::wait::until;

use crate::world::{SHOW, World, hold, holds, payment};
use bank::Bank;

async fn paid(change: impl Fn(&mut Config)) -> (World, Bank) {
    let mut world = World::with(0, |_| {}).await;
    let mut config = Config { settle_after_seconds: 1, ..world.config() };
    change(&mut config);
    let bank = Bank::default();
    world.add_with(config, Box::new(bank.clone())).await;
    (world, bank)
}

async fn told(bank: &Bank, what: &str, hold: &str, done: impl Fn(&Bank, &str) -> bool) {
    until(what, async || done(bank, hold).then_some(())).await;
}

#[tokio::test]
async fn what_is_booked_is_paid_and_what_is_cancelled_is_given_back() {
    let (world, bank) = paid(|_| {}).await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let booked = buyer.post_keyed(&format!("/api/holds/{id}/confirm"), "k", &payment("ok")).await;
    told(&bank, "the money to be taken", &id, Bank::taken).await;
    buyer.delete(&format!("/api/bookings/{}", booked.text("id"))).await;
    told(&bank, "the money to be given back", &id, Bank::given_back).await;
    assert!(!bank.taken(&id));
}

#[tokio::test]
async fn a_capture_that_fails_is_made_later() {
    let (world, bank) = paid(|_| {}).await;
    bank.fail_captures(true);
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let booked = buyer.post_keyed(&format!("/api/holds/{id}/confirm"), "k", &payment("ok")).await;
    assert_eq!(booked.status, 201, "a booking does not wait for its money to be taken");
    assert!(!bank.taken(&id));
    bank.fail_captures(false);
    told(&bank, "the money to be taken", &id, Bank::taken).await;
}

#[tokio::test]
async fn a_hold_is_not_given_away_while_its_buyer_pays() {
    let (world, bank) = paid(|config| {
        (config.hold_seconds, config.payment_grace_seconds) = (1, 30);
    })
    .await;
    let (buyer, other) = (world.visitor(), world.visitor());
    let (id, control) = (hold(&buyer, &["A1"]).await, hold(&other, &["B1"]).await);
    let path = format!("/api/holds/{id}/confirm");
    let (body, rival) = (payment("slow_2500"), world.visitor());
    let paying = buyer.post_keyed(&path, "k", &body);
    let meanwhile = async {
        until("a hold of the same age to lapse", async || {
            (other.get(&format!("/api/holds/{control}")).await.text("status") == "expired").then_some(())
        })
        .await;
        rival.post(&holds(SHOW), &json!({ "seats": ["A1"] })).await
    };
    let (booked, rival) = tokio::join!(paying, meanwhile);
    assert_eq!((booked.status.as_u16(), rival.code()), (201, "seats_unavailable"));
    told(&bank, "the money to be taken", &id, Bank::taken).await;
}

/// Without any grace the hold lapses, and is announced, while its buyer pays.
async fn late(rival: bool) -> (World, Bank, String, testkit::client::Answer) {
    let (world, bank) = paid(|config| {
        (config.hold_seconds, config.payment_grace_seconds) = (1, 0);
    })
    .await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1", "A2"]).await;
    let body = payment("slow_2500");
    let path = format!("/api/holds/{id}/confirm");
    let meanwhile = async {
        until("the hold to be announced", async || {
            let swept = "SELECT FROM reservations.holds WHERE id = $1 AND status = 'expired'";
            world.database().await.query_opt(swept, &[&id]).await.unwrap()
        })
        .await;
        if rival {
            let rival = world.visitor();
            let path = format!("/api/holds/{}/confirm", hold(&rival, &["A2"]).await);
            assert_eq!(rival.post_keyed(&path, "k", &payment("ok")).await.status, 201);
        }
    };
    let (answer, ()) = tokio::join!(buyer.post_keyed(&path, "k", &body), meanwhile);
    let again = buyer.post_keyed(&path, "k", &body).await;
    assert_eq!((again.status, &again.body), (answer.status, &answer.body), "one key, one answer");
    (world, bank, id, answer)
}

#[tokio::test]
async fn late_money_gets_the_same_seats_when_they_are_free() {
    let (world, bank, id, booked) = late(false).await;
    assert_eq!((booked.status.as_u16(), &booked.body["seats"]), (201, &json!(["A1", "A2"])));
    told(&bank, "the money to be taken", &id, Bank::taken).await;
    let street = world.visitor().post(&holds(SHOW), &json!({ "seats": ["A1"] })).await;
    assert_eq!(street.code(), "seats_unavailable");
    let sound =
        "SELECT FROM reservations.claims c JOIN reservations.holds h ON h.id = c.owner AND h.token = c.token
                 WHERE c.status = 'booked' AND h.status = 'booked'";
    assert_eq!(world.database().await.query(sound, &[]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn late_money_is_given_back_when_somebody_has_the_seats() {
    let (_world, bank, id, refused) = late(true).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (410, "hold_expired"));
    assert!(refused.text("detail").contains("nothing was charged"), "{}", refused.body);
    told(&bank, "the money to be given back", &id, Bank::given_back).await;
    assert!(!bank.set_aside(&id) && !bank.taken(&id));
}

/// No booking can be written, until [`accept_bookings`].
async fn refuse_bookings(world: &World) {
    let refuse = "CREATE FUNCTION reservations.refuse() RETURNS trigger LANGUAGE plpgsql
                      AS 'BEGIN RAISE EXCEPTION ''refused''; END';
                  CREATE TRIGGER refuse BEFORE INSERT ON reservations.bookings EXECUTE FUNCTION reservations.refuse()";
    world.database().await.batch_execute(refuse).await.unwrap();
}

async fn accept_bookings(world: &World) {
    world.database().await.batch_execute("DROP TRIGGER refuse ON reservations.bookings").await.unwrap();
}

/// As [`paid`], with nobody who looks after money for as long as a test lasts.
async fn paid_unattended() -> (World, Bank) {
    paid(|config| config.settle_after_seconds = 600).await
}

/// The buyer is told as soon as it is certain that the money will be given back, not when it is.
#[tokio::test]
async fn a_void_without_an_answer_is_repeated_and_the_key_is_as_new() {
    let (world, bank) = paid(|_| {}).await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let path = format!("/api/holds/{id}/confirm");
    bank.leave_authorisations_unanswered(true);
    bank.stall_voids();
    let unanswered = buyer.post_keyed(&path, "k", &payment("ok")).await;
    assert_eq!((unanswered.status.as_u16(), unanswered.code()), (503, "payment_unavailable"));
    assert!(unanswered.headers.contains_key("proxy-status"), "a balancer would blame this instance");
    assert!(bank.set_aside(&id));
    bank.leave_authorisations_unanswered(false);
    bank.fail_captures(true);
    assert_eq!(buyer.post_keyed(&path, "k", &payment("ok")).await.status, 201);
    // What was given up arrives when the same key has paid anew.
    bank.let_voids_arrive();
    told(&bank, "the first money to be given back", &id, Bank::given_back).await;
    bank.fail_captures(false);
    told(&bank, "the second money to be taken", &id, Bank::taken).await;
}

#[tokio::test]
async fn money_of_an_attempt_nobody_finished_is_given_back_and_the_key_is_as_new() {
    let (world, bank) = paid(|_| {}).await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let path = format!("/api/holds/{id}/confirm");
    refuse_bookings(&world).await;
    assert_eq!(buyer.post_keyed(&path, "k", &payment("ok")).await.status, 500);
    assert!(bank.set_aside(&id));
    told(&bank, "the money to be given back", &id, Bank::given_back).await;
    accept_bookings(&world).await;
    assert_eq!(buyer.post_keyed(&path, "k", &payment("ok")).await.text("hold_id"), id);
    told(&bank, "the second money to be taken", &id, Bank::taken).await;
}

#[tokio::test]
async fn money_of_a_key_that_ends_in_a_refusal_is_given_back() {
    let (world, bank) = paid_unattended().await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let path = format!("/api/holds/{id}/confirm");
    refuse_bookings(&world).await;
    assert_eq!(buyer.post_keyed(&path, "k", &payment("ok")).await.status, 500);
    assert_eq!(buyer.delete(&format!("/api/holds/{id}")).await.status, 204);
    assert!(bank.set_aside(&id));
    let refused = buyer.post_keyed(&path, "k", &payment("ok")).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (410, "hold_released"));
    told(&bank, "the money to be given back", &id, Bank::given_back).await;
}

/// While it is open whether a hold is booked, its key goes on with what was set aside.
#[tokio::test]
async fn a_key_whose_booking_failed_goes_on_with_the_same_payment() {
    let (world, bank) = paid_unattended().await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let path = format!("/api/holds/{id}/confirm");
    refuse_bookings(&world).await;
    assert_eq!(buyer.post_keyed(&path, "k", &payment("ok")).await.status, 500);
    accept_bookings(&world).await;
    assert_eq!(buyer.post_keyed(&path, "k", &payment("ok")).await.status, 201);
    told(&bank, "the money to be taken", &id, Bank::taken).await;
    assert_eq!((bank.attempts(), bank.given_back(&id)), (1, false));
}

/// A key that an older program took has no attempt; who takes it over gives it one, and that is looked after.
#[tokio::test]
async fn money_of_a_key_taken_over_from_an_older_program_is_given_back() {
    let (world, bank) = paid_unattended().await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let path = format!("/api/holds/{id}/confirm");
    refuse_bookings(&world).await;
    let database = world.database().await;
    for then in ["attempt = NULL", "lease_until = lease_until - interval '1 hour'"] {
        assert_eq!(buyer.post_keyed(&path, "k", &payment("ok")).await.status, 500);
        let older = format!("UPDATE reservations.idempotency SET {then}");
        assert_eq!(database.execute(&older, &[]).await.unwrap(), 1);
    }
    told(&bank, "the money to be given back", &id, Bank::given_back).await;
}

/// A lease has an hour left, and its holder lives or does not.
#[tokio::test]
async fn a_key_is_taken_over_at_once_from_a_process_that_is_gone() {
    let (world, bank) = paid_unattended().await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let path = format!("/api/holds/{id}/confirm");
    refuse_bookings(&world).await;
    assert_eq!(buyer.post_keyed(&path, "k", &payment("ok")).await.status, 500);
    accept_bookings(&world).await;
    let (holder, mut let_go) = (world.database().await, false);
    holder.batch_execute("SELECT pg_advisory_lock(hashtext('marquee.presence'), 7)").await.unwrap();
    let held =
        "UPDATE reservations.idempotency SET holder = 7, lease_until = lease_until + interval '1 hour'";
    assert_eq!(holder.execute(held, &[]).await.unwrap(), 1);
    let tries = "marquee_reservations_batch_jobs_count{kind=\"attempts\"}";
    let before = world.counted(tries).await;
    let meanwhile = async {
        until("several tries", async || (world.counted(tries).await > before + 2).then_some(())).await;
        let_go = true;
        drop(holder);
    };
    let again = async { (buyer.post_keyed(&path, "k", &payment("ok")).await.status, bank.attempts()) };
    let (again, ()) = tokio::join!(again, meanwhile);
    assert_eq!((again.0.as_u16(), again.1), (201, 1));
    assert!(let_go, "it was taken from one that lives");
}

/// While a process lives its attempts say whose they are, and Postgres knows it; then no longer.
#[tokio::test]
async fn a_process_is_present_while_it_lives() {
    let (world, _bank) = paid_unattended().await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let database = world.database().await;
    refuse_bookings(&world).await;
    let holder = until("the process to be present", async || {
        buyer.post_keyed(&format!("/api/holds/{id}/confirm"), "k", &payment("ok")).await;
        let holder = "SELECT holder FROM reservations.idempotency";
        database.query_one(holder, &[]).await.unwrap().get::<_, Option<i32>>(0)
    })
    .await;
    let gone = format!("SELECT {}", service::postgres::presence::gone("$1"));
    let gone = async || database.query_one(&gone, &[&holder]).await.unwrap().get::<_, bool>(0);
    assert!(!gone().await);
    world.instance(0).drain.stop();
    until("the process to be gone", async || gone().await.then_some(())).await;
}

/// Who lost the key while the provider took its time neither answers it nor frees it.
#[tokio::test]
async fn a_key_is_answered_by_who_has_it() {
    let (world, bank) = paid_unattended().await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let (path, body) = (format!("/api/holds/{id}/confirm"), payment("held_up"));
    let meanwhile = async {
        until("the key to be taken over", async || {
            let taken = "UPDATE reservations.idempotency SET lease = 'another'";
            (world.database().await.execute(taken, &[]).await.unwrap() == 1).then_some(())
        })
        .await;
        bank.decline();
    };
    let (late, ()) = tokio::join!(buyer.post_keyed(&path, "k", &body), meanwhile);
    assert_eq!((late.status.as_u16(), late.code()), (409, "idempotency_key_under_way"));
    let row = "SELECT FROM reservations.idempotency WHERE status IS NULL AND lease = 'another'";
    assert_eq!(world.database().await.query(row, &[]).await.unwrap().len(), 1);
}

/// Cancelled bookings whose money the provider does not know.
const STUCK: &str =
    "WITH numbers AS (SELECT lpad(n::text, 32, '0') AS n, 'show_' || n AS show FROM generate_series(1, 200) AS n),
     placed AS (INSERT INTO reservations.holds (id, show_id, session_id, seats, token, status, price_minor, currency,
             fingerprint, expires_at)
         SELECT 'hold_' || n, show, n, '{A1}', 1, 'booked', 1250, 'USD', '', now() FROM numbers),
     booked AS (INSERT INTO reservations.bookings (id, hold_id, show_id, session_id, email, seats, status, price_minor, currency,
             payment_reference, idempotency_key)
         SELECT 'booking_' || n, 'hold_' || n, show, n, '', '{A1}', 'cancelled', 1250, 'USD', 'unknown', 'k' FROM numbers)
     INSERT INTO reservations.unsettled SELECT 'booking_' || n, 'refund' FROM numbers";

#[tokio::test]
async fn what_cannot_be_settled_holds_up_nothing_else() {
    let (world, bank) = paid(|_| {}).await;
    world.database().await.batch_execute(STUCK).await.unwrap();
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let booked = buyer.post_keyed(&format!("/api/holds/{id}/confirm"), "k", &payment("ok")).await;
    buyer.delete(&format!("/api/bookings/{}", booked.text("id"))).await;
    told(&bank, "the money to be given back", &id, Bank::given_back).await;
    let gauge = "marquee_reservations_unsettled_rows{due=\"refund\"}";
    until("what is stuck to be counted", async || (world.counted(gauge).await == 200).then_some(())).await;
}

/// What was tried waits twice as long after each time, and never longer than it may.
#[tokio::test]
async fn what_is_tried_again_waits_ever_longer_up_to_a_bound() {
    let world = World::start(0).await;
    let database = world.database().await;
    let tried = "INSERT INTO reservations.unsettled (id, due, tries) VALUES ('1', 'void', 0), ('2', 'void', 3), ('3', 'void', 99)";
    database.batch_execute(tried).await.unwrap();
    let backoff = Backoff { first: Duration::from_secs(100), longest: Duration::from_secs(1_000) };
    let take = async || unsettled::take(&database, Due::Void, backoff, 10).await.unwrap().len();
    assert_eq!((take().await, take().await), (3, 0), "nobody takes what was taken before its time");
    let waits = "SELECT (100 * round(extract(epoch FROM next_at - since) / 100))::int FROM reservations.unsettled ORDER BY id";
    let waits: Vec<i32> = database.query(waits, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(waits, [100, 800, 1_000]);
}

/// A booking of an older program is nowhere noted as unsettled: a look at what was booked lately finds it.
#[tokio::test]
async fn a_booking_of_an_older_program_is_captured() {
    let (mut world, bank) = paid(|_| {}).await;
    bank.fail_captures(true);
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    assert_eq!(buyer.post_keyed(&format!("/api/holds/{id}/confirm"), "k", &payment("ok")).await.status, 201);
    let older = "DELETE FROM reservations.unsettled;
                 UPDATE reservations.bookings SET booked_at = booked_at - interval '1 minute'";
    world.database().await.batch_execute(older).await.unwrap();
    bank.fail_captures(false);
    world.add_with(Config { settle_after_seconds: 1, ..world.config() }, Box::new(bank.clone())).await;
    told(&bank, "the money to be taken", &id, Bank::taken).await;
}
