//! Whether a request that failed may be tried on another endpoint. Pure.
//!
//! A connect that failed sent nothing, so any request may go elsewhere. Once a request was sent, only one whose
//! repetition changes nothing may be sent again, never after the first byte of an answer, and only within the budget,
//! which keeps a failing pool from being asked twice for everything (as in Finagle's `RetryBudget`).

use http::Method;
use pingora::http::RequestHeader;

use crate::fields::IDEMPOTENCY_KEY;

/// Whether sending this request, as an endpoint sees it, twice has the effect of sending it once.
pub fn repeatable(request: &RequestHeader) -> bool {
    match request.method {
        Method::GET | Method::HEAD | Method::PUT | Method::DELETE | Method::OPTIONS | Method::TRACE => true,
        Method::POST | Method::PATCH => request.headers.contains_key(&IDEMPOTENCY_KEY),
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
}
