//! Whether a request that failed may be tried on another endpoint. Pure but for the budget's counter.
//!
//! A connect that failed sent nothing, so any request may go elsewhere. Once a request was sent, only one whose
//! repetition changes nothing may be sent again, never after the first byte of an answer, and only within the budget,
//! which keeps a failing pool from being asked twice for everything (as in Finagle's `RetryBudget`).

use std::sync::atomic::{AtomicI64, Ordering};

use http::Method;
use pingora::http::RequestHeader;

use crate::config;

/// The budget counts in thousandths of a request.
const ONE_REQUEST: i64 = 1_000;

/// Whether sending this request, as an endpoint sees it, twice has the effect of sending it once.
pub fn repeatable(request: &RequestHeader) -> bool {
    match request.method {
        Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS | Method::TRACE => true,
        Method::POST | Method::PATCH => request.headers.contains_key("idempotency-key"),
        _ => false,
    }
}

/// What is known when a request that was sent got no answer.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    /// See [`repeatable`].
    pub repeatable: bool,
    /// Any part of an answer has come.
    pub answer_begun: bool,
    /// The body that was sent is still there to be sent again.
    pub body_kept: bool,
    /// Tries so far, this one included.
    pub attempts: usize,
}

/// Whether a sent request may be sent to another endpoint, the budget apart.
pub fn may_send_again(failure: Failure, attempts_max: usize) -> bool {
    failure.repeatable && !failure.answer_begun && failure.body_kept && failure.attempts < attempts_max
}

/// Second sends, as a share of all requests and a burst.
#[derive(Debug)]
pub struct Budget {
    saved: AtomicI64,
    deposit: i64,
    most: i64,
}

impl Budget {
    /// A full budget.
    pub fn new(settings: config::Retry) -> Self {
        let most = i64::from(settings.budget_burst) * ONE_REQUEST;
        Self {
            saved: AtomicI64::new(most),
            deposit: i64::from(settings.budget_percent) * ONE_REQUEST / 100,
            most,
        }
    }

    /// Every request puts a little in.
    pub fn deposit(&self) {
        // A full budget stays untouched, so requests do not fight over the counter while all is well.
        if self.saved.load(Ordering::Relaxed) < self.most {
            self.saved.fetch_add(self.deposit, Ordering::Relaxed);
        }
    }

    /// Every second send takes one out; false when there is none left.
    pub fn withdraw(&self) -> bool {
        let take = |saved: i64| (saved >= ONE_REQUEST).then_some(saved - ONE_REQUEST);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, key: bool) -> RequestHeader {
        let mut request = RequestHeader::build(method, b"/", None).expect("test request");
        if key {
            request.insert_header("idempotency-key", "k").expect("test header");
        }
        request
    }

    #[test]
    fn only_what_changes_nothing_twice_is_repeatable() {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            assert!(repeatable(&request(method, false)), "{method}");
        }
        assert!(!repeatable(&request("POST", false)));
        assert!(repeatable(&request("POST", true)));
    }

    #[test]
    fn nothing_is_sent_again_after_an_answer_began_or_without_its_body() {
        let failure = Failure { repeatable: true, answer_begun: false, body_kept: true, attempts: 1 };
        assert!(may_send_again(failure, 2));
        assert!(!may_send_again(failure, 1));
        assert!(!may_send_again(Failure { answer_begun: true, ..failure }, 2));
        assert!(!may_send_again(Failure { body_kept: false, ..failure }, 2));
        assert!(!may_send_again(Failure { repeatable: false, ..failure }, 2));
    }

    #[test]
    fn the_budget_is_a_burst_and_then_a_share() {
        let budget = Budget::new(config::Retry { attempts_max: 2, budget_percent: 10, budget_burst: 3 });
        let spent = (0..100).filter(|_| budget.withdraw()).count();
        assert_eq!(spent, 3);
        (0..20).for_each(|_| budget.deposit());
        assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 2);
    }
}
