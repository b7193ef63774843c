use domain::id::{HoldId, SeatId, ShowId};

use super::*;

const MS: Nanos = 1_000_000;

fn history(records: Vec<(Nanos, What)>) -> History {
    let records = records.into_iter().map(|(at, what)| Record { at: at * MS, what }).collect();
    History { began_at_ns: 0, records }
}

fn invoke(op: OpId, buyer: u32, call: Call) -> What {
    What::Invoke { op, buyer, call }
}

fn read(op: OpId, buyer: u32) -> What {
    invoke(op, buyer, Call::Read { step: Step::Page })
}

fn ok(op: OpId) -> What {
    What::Ok { op, status: 200, effect: Effect::Nothing }
}

fn fail(op: OpId, status: u16, code: &str) -> What {
    What::Fail { op, status, code: code.to_owned(), retry_after: false, lost: Vec::new() }
}

fn info(op: OpId, status: Option<u16>, why: &str) -> What {
    What::Info { op, status, retry_after: true, why: why.to_owned() }
}

fn arrival(buyer: u32, due_ms: Nanos, inside: bool) -> What {
    What::Arrival { buyer, due: due_ms * MS, inside }
}

fn confirm(hold: &str) -> Call {
    Call::Confirm { hold: HoldId::parse(hold).unwrap(), key: "key".to_owned(), token: "ok".to_owned() }
}

fn booked(op: OpId, booking: &str, seats: &[&str]) -> What {
    let effect = Effect::Booking {
        booking: BookingId::parse(booking).unwrap(),
        hold: HoldId::parse("hold").unwrap(),
        seats: seats.iter().map(|seat| SeatId::parse(seat).unwrap()).collect(),
        body: String::new(),
    };
    What::Ok { op, status: 201, effect }
}

#[test]
fn the_first_step_counts_from_when_its_buyer_was_due_and_the_second_from_its_leaving() {
    let report = gather(&history(vec![
        (150, arrival(1, 100, true)),
        (160, read(1, 1)),
        (200, ok(1)),
        (300, read(2, 1)),
        (310, ok(2)),
    ]));
    let latency = &report.steps[0].latency;
    assert_eq!(report.steps.len(), 1);
    assert!((latency.max_ms - 100.0).abs() < 0.1 && (latency.p50_ms - 10.0).abs() < 0.1, "{latency:?}");
    assert!((report.seconds - 0.21).abs() < 1e-9 && (report.requests_per_second - 2.0 / 0.21).abs() < 1e-6);
}

#[test]
fn what_watchers_ask_for_does_not_lengthen_the_run() {
    let report = gather(&history(vec![
        (0, read(1, 9)),
        (100, arrival(1, 100, true)),
        (100, read(2, 1)),
        (1100, ok(2)),
        (9000, ok(1)),
    ]));
    assert!((report.seconds - 1.0).abs() < 1e-9, "{}", report.seconds);
    assert_eq!(report.requests, 2);
}

#[test]
fn who_was_not_let_in_is_counted() {
    let report = gather(&history(vec![(0, arrival(1, 0, true)), (1, arrival(2, 1, false))]));
    assert_eq!(report.arrivals, Arrivals { came: 2, missed: 1 });
}

#[test]
fn a_booking_is_sold_once_and_taken_back_once() {
    let cancel = Call::Cancel { booking: BookingId::parse("one").unwrap() };
    let report = gather(&history(vec![
        (0, arrival(1, 0, true)),
        (10, invoke(1, 1, confirm("hold"))),
        (20, booked(1, "one", &["A1", "A2"])),
        (30, invoke(2, 1, confirm("hold"))),
        (40, booked(2, "one", &["A1", "A2"])),
        (1050, invoke(3, 2, confirm("hold"))),
        (1060, booked(3, "two", &["A3"])),
        (1070, invoke(4, 1, cancel.clone())),
        (1080, ok(4)),
        (1090, invoke(5, 1, cancel)),
        (1100, ok(5)),
    ]));
    let Sold { bookings, seats, cancelled_seats, series, .. } = report.sold;
    assert_eq!((bookings, seats, cancelled_seats, series), (2, 3, 2, vec![2, 1]));
}

#[test]
fn answers_are_counted_by_status_and_word_and_unexpected_ones_are_named() {
    let hold = |op| {
        let show = ShowId::parse("show").unwrap();
        invoke(op, 1, Call::Hold { show, seats: Vec::new(), party: 2, key: "key".to_owned() })
    };
    let ends = [
        fail(1, 409, "seats_unavailable"),
        fail(2, 422, "idempotency_key_reused"),
        fail(3, 422, "unknown_seats"),
        info(4, Some(503), "unavailable"),
        info(5, None, "connection reset"),
        info(6, None, "given up"),
        fail(7, 503, "payment_unavailable"),
        fail(8, 404, ""),
    ];
    let mut records: Vec<_> = (1..=8).map(|op| (op, hold(op))).collect();
    records.extend((10..).zip(ends));
    let report = gather(&history(records.clone()));
    let answers: Vec<_> = report.steps[0].answers.keys().map(String::as_str).collect();
    assert_eq!(
        answers,
        [
            "404",
            "409 seats_unavailable",
            "422 idempotency_key_reused",
            "422 unknown_seats",
            "503 payment_unavailable",
            "503 unavailable",
            "given up",
            "no answer",
        ]
    );
    let unexpected: Vec<_> = report.unexpected.keys().map(String::as_str).collect();
    assert_eq!(
        unexpected,
        ["hold: 404", "hold: 422 unknown_seats", "hold: 503 unavailable", "hold: no answer"]
    );
    assert!(!report.as_expected());
    let fault = What::Fault { fault: 1, name: "kill".to_owned(), part: "redis".to_owned() };
    records.push((30, fault));
    assert!(gather(&history(records)).as_expected(), "of a broken fleet nothing is expected");
}
