use domain::id::HoldId;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::*;
use crate::history::{Call, Effect, What};
use crate::onsale::choices::Draw;
use crate::onsale::plan::Plan;
use crate::onsale::request::Wish;
use crate::onsale::stand_in::{Does, StandIn, records, sale, seat, show, until};

const HELD: Does = Does::Answers(
    201,
    "",
    r#"{"id":"hold","show_id":"show","seats":["A1"],"status":"on_hold","expires_at":"2030-01-01T00:00:00Z"}"#,
);
const TAKEN: Does =
    Does::Answers(409, "", r#"{"code":"seats_unavailable","unavailable":["A1"],"alternatives":[["A2"]]}"#);
const AWAY: Does = Does::Answers(503, "retry-after: 0\r\n", r#"{"code":"unavailable"}"#);
const NOT_PAID: Does = Does::Answers(503, "", r#"{"code":"payment_unavailable"}"#);

fn plan() -> Plan {
    Plan { request_timeout: Duration::from_millis(200), ..Plan::default() }
}

fn visit(sale: &Arc<Sale>) -> Visit {
    Visit::new(sale, 1, Draw::new(&sale.plan, 1).of(1)).unwrap()
}

fn hold() -> Request {
    Request::hold(&show(), Wish::Seats(vec![seat("A1")]), "the-key".to_owned())
}

/// What a visit that asks once comes to: its answer's status, what was written down, and the keys that were sent.
async fn asked(
    plan: Plan,
    request: Request,
    script: Vec<Does>,
) -> (Result<u16, Gone>, Vec<What>, Vec<Option<String>>) {
    let server = StandIn::start(script).await;
    let sale = sale(&server.url, plan);
    let answer = visit(&sale).ask(&request).await.map(|reply| reply.status.as_u16());
    let key = |head: String| {
        head.lines().find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned))
    };
    (answer, records(&sale), server.asked().into_iter().map(key).collect())
}

fn ends(records: &[What]) -> Vec<String> {
    let end = |what: &What| match what {
        What::Ok { status, .. } => Some(format!("ok {status}")),
        What::Fail { status, code, .. } => Some(format!("fail {status} {code}")),
        What::Info { status, .. } => Some(format!("info {status:?}")),
        _ => None,
    };
    records.iter().filter_map(end).collect()
}

#[tokio::test]
async fn without_a_clear_answer_the_same_is_asked_again_under_the_same_key() {
    let script = vec![Does::Breaks, Does::Waits, AWAY, HELD];
    let (answer, records, keys) = asked(plan(), hold(), script).await;
    assert_eq!(answer, Ok(201));
    assert_eq!(keys, vec![Some("the-key".to_owned()); 4]);
    assert_eq!(ends(&records), ["info None", "info None", "info Some(503)", "ok 201"]);
    let invoked: Vec<_> =
        records.iter().filter(|what| matches!(what, What::Invoke { call: Call::Hold { .. }, .. })).collect();
    assert_eq!(invoked.len(), 4, "each attempt is a request of its own");
    let effect = records.iter().find_map(|what| match what {
        What::Ok { effect: Effect::Hold { hold, seats, .. }, .. } => Some((hold.to_string(), seats.clone())),
        _ => None,
    });
    assert_eq!(effect, Some(("hold".to_owned(), vec![seat("A1")])));
}

#[tokio::test]
async fn a_clear_no_is_taken_for_an_answer() {
    let (answer, records, keys) = asked(plan(), hold(), vec![TAKEN, HELD]).await;
    assert_eq!((answer, keys.len()), (Ok(409), 1));
    let Some(What::Fail { code, lost, .. }) = records.last() else { panic!("{records:?}") };
    assert_eq!((code.as_str(), lost), ("seats_unavailable", &vec![seat("A1")]));
}

#[tokio::test]
async fn attempts_end_and_so_do_steps() {
    let mut visit = visit(&sale("http://127.0.0.1:1", plan()));
    let pauses: Vec<_> =
        (1..=ATTEMPTS_MAX).map(|attempt| visit.pause_before_another(attempt, None)).collect();
    assert!(pauses[..ATTEMPTS_MAX as usize - 1].is_sorted() && pauses[0] >= Some(PAUSE / 2), "{pauses:?}");
    assert_eq!(pauses.last(), Some(&None));

    let (answer, records, _) = asked(Plan { steps_max: 2, ..plan() }, hold(), vec![Does::Breaks; 9]).await;
    assert_eq!(answer, Err(Gone::OutOfSteps));
    assert_eq!(ends(&records).len(), 2);
}

#[tokio::test]
async fn a_payment_without_an_answer_had_no_effect_and_is_tried_once_more() {
    let confirm = Request::confirm(&show(), &HoldId::parse("hold").unwrap(), "timeout", "the-key".to_owned());
    let (answer, records, keys) = asked(plan(), confirm, vec![NOT_PAID; 9]).await;
    assert_eq!((answer, keys.len()), (Ok(503), PAYMENT_ATTEMPTS_MAX as usize));
    assert_eq!(ends(&records), vec!["fail 503 payment_unavailable"; 2]);
}

#[tokio::test]
async fn what_is_given_up_is_written_down() {
    let server = StandIn::start(vec![Does::Waits]).await;
    let sale = sale(&server.url, Plan { request_timeout: Duration::from_mins(1), ..plan() });
    let mut visit = visit(&sale);
    let asking = tokio::spawn(async move { visit.ask(&hold()).await });
    until("the request", async || !server.asked().is_empty()).await;
    assert!(matches!(records(&sale).as_slice(), [What::Invoke { .. }]));
    // As when a visit's deadline passes.
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    let records = records(&sale);
    let [What::Invoke { op, .. }, What::Info { op: ended, status: None, .. }] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!(op, ended);
}

#[test]
fn only_what_may_pass_is_sent_again() {
    let reply = |status: u16, code: &str| Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        text: format!("{{\"code\":\"{code}\"}}"),
    };
    for (status, code) in [
        (200, ""),
        (402, "payment_declined"),
        (409, "seats_unavailable"),
        (410, "hold_expired"),
        (429, "too_many_holds"),
        (500, "internal"),
    ] {
        assert_eq!(attempts_max(&reply(status, code)), 1, "{status} {code}");
    }
    assert_eq!(attempts_max(&reply(409, "idempotency_key_under_way")), ATTEMPTS_MAX);
    let mut told = reply(503, "unavailable");
    assert_eq!((attempts_max(&told), told_to_wait(&told)), (ATTEMPTS_MAX, None));
    told.headers.insert(RETRY_AFTER, "3".parse().unwrap());
    assert_eq!(told_to_wait(&told), Some(Duration::from_secs(3)));
}
