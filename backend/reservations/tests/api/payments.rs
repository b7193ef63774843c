//! Money follows what was decided: taken for what is booked, given back for what is not, whatever fails in between.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use reservations::config::Config;
use reservations::payment::{Authorisation, Order, PaymentError, PaymentProvider, TestProvider};
use serde_json::json;
use testkit::wait::until;

use crate::world::{SHOW, World, hold, holds, payment};

/// The test provider with a memory, and with calls that fail when they are told to.
#[derive(Clone, Default)]
struct Bank(Arc<Ledger>);

#[derive(Default)]
struct Ledger {
    /// References of money that is set aside and neither taken nor given back.
    set_aside: Mutex<HashSet<String>>,
    taken: Mutex<HashSet<String>>,
    given_back: Mutex<HashSet<String>>,
    captures_fail: AtomicBool,
    voids_fail: AtomicBool,
    /// The reference of each attempt.
    attempts: Mutex<HashMap<String, String>>,
    voided: Mutex<HashSet<String>>,
}

impl Bank {
    fn taken(&self, hold: &str) -> bool {
        self.0.taken.lock().unwrap().contains(&reference(hold))
    }

    fn given_back(&self, hold: &str) -> bool {
        self.0.given_back.lock().unwrap().contains(&reference(hold))
    }

    fn set_aside(&self, hold: &str) -> bool {
        self.0.set_aside.lock().unwrap().contains(&reference(hold))
    }
}

fn reference(hold: &str) -> String {
    format!("test_{hold}")
}

#[async_trait]
impl PaymentProvider for Bank {
    async fn authorise(&self, order: &Order<'_>) -> Result<Authorisation, PaymentError> {
        let authorisation = TestProvider.authorise(order).await?;
        assert!(!self.0.voided.lock().unwrap().contains(order.attempt), "a voided attempt is over");
        let reference = &authorisation.reference;
        self.0.attempts.lock().unwrap().insert(order.attempt.to_owned(), reference.clone());
        self.0.set_aside.lock().unwrap().insert(reference.clone());
        if order.token == "slow_1" {
            return Err(PaymentError::Unknown);
        }
        Ok(authorisation)
    }

    async fn capture(&self, reference: &str) -> Result<(), PaymentError> {
        if self.0.captures_fail.load(Ordering::Relaxed) {
            return Err(PaymentError::Unknown);
        }
        self.0.set_aside.lock().unwrap().remove(reference);
        self.0.taken.lock().unwrap().insert(reference.to_owned());
        Ok(())
    }

    async fn void(&self, attempt: &str) -> Result<(), PaymentError> {
        if self.0.voids_fail.load(Ordering::Relaxed) {
            return Err(PaymentError::Unknown);
        }
        self.0.voided.lock().unwrap().insert(attempt.to_owned());
        let reference = self.0.attempts.lock().unwrap().get(attempt).cloned();
        match reference {
            Some(reference) => self.refund(&reference).await,
            None => Ok(()),
        }
    }

    async fn refund(&self, reference: &str) -> Result<(), PaymentError> {
        self.0.set_aside.lock().unwrap().remove(reference);
        self.0.taken.lock().unwrap().remove(reference);
        self.0.given_back.lock().unwrap().insert(reference.to_owned());
        Ok(())
    }
}

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
    bank.0.captures_fail.store(true, Ordering::Relaxed);
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let booked = buyer.post_keyed(&format!("/api/holds/{id}/confirm"), "k", &payment("ok")).await;
    assert_eq!(booked.status, 201, "a booking does not wait for its money to be taken");
    assert!(!bank.taken(&id));
    bank.0.captures_fail.store(false, Ordering::Relaxed);
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
    assert!(bank.given_back(&id) && !bank.set_aside(&id) && !bank.taken(&id));
}

#[tokio::test]
async fn money_of_an_attempt_nobody_finished_is_given_back_and_the_key_is_as_new() {
    let (world, bank) = paid(|_| {}).await;
    let buyer = world.visitor();
    let id = hold(&buyer, &["A1"]).await;
    let path = format!("/api/holds/{id}/confirm");
    // The provider sets the money aside and does not answer, and does not answer either when it is told to forget it.
    bank.0.voids_fail.store(true, Ordering::Relaxed);
    let unanswered = buyer.post_keyed(&path, "k", &payment("slow_1")).await;
    assert_eq!((unanswered.status.as_u16(), unanswered.code()), (503, "payment_unavailable"));
    assert!(bank.set_aside(&id));
    bank.0.voids_fail.store(false, Ordering::Relaxed);
    told(&bank, "the money to be given back", &id, Bank::given_back).await;
    let again = until("the key to be free", async || {
        let again = buyer.post_keyed(&path, "k", &payment("ok")).await;
        (again.status == 201).then_some(again)
    })
    .await;
    assert_eq!(again.text("hold_id"), id);
}
