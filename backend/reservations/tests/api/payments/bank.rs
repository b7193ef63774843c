//! A payment provider with a memory, and with calls that fail when they are told to.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use reservations::payment::{Authorisation, Order, PaymentError, PaymentProvider, TestProvider};
use tokio::sync::Notify;

/// The test provider, remembering. It calls an attempt's money by the attempt's name.
#[derive(Clone, Default)]
pub(super) struct Bank(Arc<Ledger>);

#[derive(Default)]
struct Ledger {
    /// Each attempt's hold, and what became of its money.
    attempts: Mutex<BTreeMap<String, (String, Money)>>,
    voided: Mutex<HashSet<String>>,
    /// Attempts whose void is on its way.
    stalled: Mutex<Vec<String>>,
    authorisations_unanswered: AtomicBool,
    captures_fail: AtomicBool,
    voids_stall: AtomicBool,
    decline: Notify,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Money {
    SetAside,
    Taken,
    GivenBack,
}

/// Payments for one hold.
impl Bank {
    pub(super) fn taken(&self, hold: &str) -> bool {
        self.any(hold, Money::Taken)
    }

    pub(super) fn given_back(&self, hold: &str) -> bool {
        self.any(hold, Money::GivenBack)
    }

    pub(super) fn set_aside(&self, hold: &str) -> bool {
        self.any(hold, Money::SetAside)
    }

    /// Attempts to pay that the bank was asked for.
    pub(super) fn attempts(&self) -> usize {
        self.0.attempts.lock().unwrap().len()
    }

    fn any(&self, hold: &str, money: Money) -> bool {
        self.0.attempts.lock().unwrap().values().any(|(of, now)| of == hold && *now == money)
    }
}

/// What goes wrong.
impl Bank {
    /// Money is set aside, and nobody is told.
    pub(super) fn leave_authorisations_unanswered(&self, unanswered: bool) {
        self.0.authorisations_unanswered.store(unanswered, Ordering::Relaxed);
    }

    pub(super) fn fail_captures(&self, fail: bool) {
        self.0.captures_fail.store(fail, Ordering::Relaxed);
    }

    /// Voids are not answered; they arrive with [`Bank::let_voids_arrive`].
    pub(super) fn stall_voids(&self) {
        self.0.voids_stall.store(true, Ordering::Relaxed);
    }

    pub(super) fn let_voids_arrive(&self) {
        self.0.voids_stall.store(false, Ordering::Relaxed);
        let stalled = std::mem::take(&mut *self.0.stalled.lock().unwrap());
        for attempt in stalled {
            self.void_now(&attempt);
        }
    }

    /// Answers who pays by `held_up`.
    pub(super) fn decline(&self) {
        self.0.decline.notify_one();
    }

    fn void_now(&self, attempt: &str) {
        self.0.voided.lock().unwrap().insert(attempt.to_owned());
        self.change(attempt, |_| Money::GivenBack);
    }

    /// Says what became of an attempt's money; nothing when there is none.
    fn change(&self, attempt: &str, to: impl Fn(Money) -> Money) -> Option<Money> {
        let mut attempts = self.0.attempts.lock().unwrap();
        let (_, money) = attempts.get_mut(attempt)?;
        *money = to(*money);
        Some(*money)
    }
}

#[async_trait]
impl PaymentProvider for Bank {
    async fn authorise(&self, order: &Order<'_>) -> Result<Authorisation, PaymentError> {
        if order.token == "held_up" {
            self.0.decline.notified().await;
            return Err(PaymentError::Declined);
        }
        TestProvider.authorise(order).await?;
        assert!(!self.0.voided.lock().unwrap().contains(order.attempt), "a voided attempt is over");
        let first = (order.hold.to_string(), Money::SetAside);
        self.0.attempts.lock().unwrap().entry(order.attempt.to_owned()).or_insert(first);
        if self.0.authorisations_unanswered.load(Ordering::Relaxed) {
            return Err(PaymentError::Unknown);
        }
        Ok(Authorisation { reference: order.attempt.to_owned() })
    }

    async fn capture(&self, reference: &str) -> Result<(), PaymentError> {
        if self.0.captures_fail.load(Ordering::Relaxed) {
            return Err(PaymentError::Unknown);
        }
        let take = |money| if money == Money::SetAside { Money::Taken } else { money };
        let taken = self.change(reference, take).is_some_and(|money| money == Money::Taken);
        taken.then_some(()).ok_or(PaymentError::Unknown)
    }

    async fn void(&self, attempt: &str) -> Result<(), PaymentError> {
        if self.0.voids_stall.load(Ordering::Relaxed) {
            self.0.stalled.lock().unwrap().push(attempt.to_owned());
            return Err(PaymentError::Unknown);
        }
        self.void_now(attempt);
        Ok(())
    }

    async fn refund(&self, reference: &str) -> Result<(), PaymentError> {
        self.change(reference, |_| Money::GivenBack).map(drop).ok_or(PaymentError::Unknown)
    }
}
