//! What each judgement looks at besides what it has tests of its own for: one history that holds, one that does not.

use domain::status::{BookingStatus, HoldStatus, SeatStatus};

use super::told::{
    Told, booked, booking, done, entry, fails, fault, held, hold, lost, seat, seats, show, unavailable, wall,
};
use crate::history::{Call, Effect, GIVEN_UP, Sight, Step, What};

/// The first story of an invariant, if it is broken.
fn accused(told: &Told, number: usize) -> Option<String> {
    told.verdict().judgements[number - 1].violations.first().map(|story| story.title.clone())
}

/// A seat sold to buyer 1.
fn sale() -> Told {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    told.confirms(1, (200, 260), "hold_1", "booking_1");
    told
}

#[test]
fn a_seat_is_sold_again_only_after_it_was_taken_back() {
    let mut told = sale();
    let mut twice = told.clone();
    told.cancels(1, (1_000, 1_010), "booking_1");
    for told in [&mut told, &mut twice] {
        told.holds(2, (1_100, 1_120), &["A1"], "hold_2", 6_000);
        told.confirms(2, (1_200, 1_260), "hold_2", "booking_2");
    }
    assert_eq!(accused(&told, 1), None);
    assert_eq!(accused(&twice, 1).unwrap(), "A1 of show_1 is sold by booking_1 and by booking_2");
}

#[test]
fn an_acknowledged_booking_stands_until_its_buyer_takes_it_back() {
    let status = |told: &mut Told, status| told.books.bookings[0].status = status;
    let mut told = sale();
    assert_eq!(accused(&told, 2), None);
    status(&mut told, BookingStatus::Cancelled);
    assert_eq!(accused(&told, 2).unwrap(), "booking_1 is cancelled, and nobody asked for that");
    told.request(1, (900, 990), Call::Cancel { booking: booking("booking_1") }, lost);
    assert_eq!(accused(&told, 2), None);

    let mut told = sale();
    told.cancels(1, (900, 990), "booking_1");
    assert_eq!(accused(&told, 2), None);
    status(&mut told, BookingStatus::Booked);
    assert_eq!(
        accused(&told, 2).unwrap(),
        "booking_1 stands, although it was cancelled and that was acknowledged"
    );

    let mut told = sale();
    told.books.bookings[0].seats = seats(&["A2"]);
    assert_eq!(accused(&told, 2).unwrap(), "booking_1 is in the books with other seats: A2");
    let mut told = sale();
    told.books.booking_seats.clear();
    assert_eq!(accused(&told, 2).unwrap(), "booking_1 has no live row for A1");
}

#[test]
fn a_buyer_who_confirms_in_time_is_not_told_that_it_is_over() {
    let denied = |at_ms, status, code: &'static str| {
        let mut told = Told::new();
        told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
        told.lapses("hold_1");
        told.asks_to_confirm(1, (at_ms, at_ms + 10), "hold_1", "k", fails(status, code));
        accused(&told, 4)
    };
    assert_eq!(denied(5_000, 410, "hold_expired"), None);
    assert_eq!(denied(1_000, 402, "payment_declined"), None);
    for (status, code) in [(410, "hold_expired"), (410, "hold_released"), (404, "hold_not_found")] {
        let title = format!("hold_1 was confirmed before its deadline and answered {status} {code}");
        assert_eq!(denied(1_000, status, code), Some(title));
    }
    assert_eq!(denied(1_000, 409, "already_booked").unwrap(), "hold_1 was booked, and not by its buyer");
}

#[test]
fn who_gave_a_hold_back_may_be_told_that_it_is_over() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    told.request(1, (500, 900), Call::Release { hold: hold("hold_1") }, lost);
    told.asks_to_confirm(1, (600, 700), "hold_1", "k", fails(410, "hold_released"));
    told.hold_mut("hold_1").status = HoldStatus::Released;
    assert_eq!(accused(&told, 4), None);
    told.history
        .records
        .retain(|record| !matches!(record.what, What::Invoke { call: Call::Release { .. }, .. }));
    let verdict = told.verdict();
    let titles: Vec<_> = verdict.judgements[3].violations.iter().map(|story| story.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "hold_1 was confirmed before its deadline and answered 410 hold_released",
            "hold_1 is released in the books, and nobody gave it back"
        ]
    );
}

#[test]
fn an_acknowledged_hold_is_in_the_books_as_it_was_told() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    told.lapses("hold_1");
    assert_eq!(accused(&told, 4), None);
    told.hold_mut("hold_1").expires_at_ns = wall(4_000);
    assert_eq!(accused(&told, 4).unwrap(), "hold_1 has an earlier deadline in the books than was told");
    told.hold_mut("hold_1").seats = seats(&["A2"]);
    assert_eq!(accused(&told, 4).unwrap(), "hold_1 is in the books with other seats: A2");
}

#[test]
fn a_seat_is_not_given_away_while_it_is_certainly_held() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    let mut overlapping = told.clone();
    overlapping.holds(2, (110, 220), &["A1"], "hold_2", 6_000);
    assert_eq!(accused(&overlapping, 4), None, "it began before the first was told: invariant 3 sees it");
    told.holds(2, (130, 220), &["A1"], "hold_2", 6_000);
    assert_eq!(accused(&told, 4).unwrap(), "A1 of show_1 was hold_1's, and hold_2 got it");
}

#[test]
fn a_picture_at_rest_is_what_the_tables_say() {
    let picture = |at_ms, shown: &[(&str, SeatStatus)]| {
        let mut told = sale();
        told.holds(2, (300, 310), &["A2"], "hold_2", 5_000);
        told.lapses("hold_2");
        let seats = shown.iter().map(|(name, status)| (seat(name), *status)).collect();
        told.sees(3, at_ms, Sight::Picture { show: show(), version: 9, seats });
        told.verdict().judgements[6].violations.first().map(|story| story.lines.clone())
    };
    let (sold, both) = ([("A1", SeatStatus::Booked)], [("A1", SeatStatus::Booked), ("A2", SeatStatus::Held)]);
    assert_eq!(picture(20_000, &sold), None);
    assert_eq!(picture(6_900, &both), None, "a view has two seconds");
    assert_eq!(picture(7_100, &both).unwrap(), ["A2 is shown as held, and is free"]);
    assert_eq!(picture(20_000, &[]).unwrap(), ["A1 is shown as free, and is booked"]);
    let unknown = [("A1", SeatStatus::Booked), ("A4", SeatStatus::Held)];
    assert_eq!(picture(20_000, &unknown).unwrap(), ["A4 was never claimed"]);
}

#[test]
fn an_answer_is_given_or_excused() {
    let answered = |call: Call, status, retry_after, why: &str| {
        let mut told = Told::new();
        let why = why.to_owned();
        told.request(1, (900, 990), call, |op| What::Info { op, status, retry_after, why });
        (accused(&told, 8), told)
    };
    let read = || Call::Read { step: Step::Seats };
    assert_eq!(answered(read(), None, false, GIVEN_UP).0, None);
    assert_eq!(answered(read(), None, false, "reset").0.unwrap(), "no answer, and nothing that excuses it");
    assert_eq!(answered(read(), Some(502), false, "").0.unwrap(), "a 502 that nothing excuses");

    let timeout = Call::Confirm { hold: hold("hold_1"), key: "k".into(), token: "timeout".into() };
    assert_eq!(answered(timeout, Some(503), true, "payment_unavailable").0, None);

    let (plain, mut told) = answered(read(), Some(503), true, "unavailable");
    assert_eq!(plain.unwrap(), "a 503 that nothing excuses");
    fault(&mut told, (800, 950), "postgres_restart", "postgres");
    assert_eq!(accused(&told, 8), None);
    let (_, mut silent) = answered(read(), Some(503), false, "unavailable");
    fault(&mut silent, (800, 950), "postgres_restart", "postgres");
    assert_eq!(accused(&silent, 8).unwrap(), "a 503 that does not say when to come back");
}

#[test]
fn a_socket_ends_with_a_word_or_is_excused() {
    let mut told = Told::new();
    told.sees(1, 50, Sight::Opened { show: show() });
    told.sees(1, 900, Sight::Closed { code: Some(1012) });
    assert_eq!(accused(&told, 8), None);
    told.sees(2, 900, Sight::Closed { code: None });
    assert!(accused(&told, 8).unwrap().contains("a live socket ended without a word"));
    fault(&mut told, (880, 950), "kill", "reservations-2");
    assert_eq!(accused(&told, 8), None);
}

#[test]
fn a_key_for_a_hold_is_one_hold() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    told.lapses("hold_1");
    told.asks(1, (200, 210), &["A1"], "hold_1", held(&["A1"], "hold_1", 5_000));
    // Something else under a key that was used, and a buyer who tries again what was refused.
    told.asks(1, (300, 310), &["A2"], "hold_1", fails(422, "idempotency_key_reused"));
    told.asks(2, (150, 160), &["A1"], "k2", unavailable(&["A1"]));
    assert_eq!(accused(&told, 9), None);
    let mut refused = told.clone();
    refused.asks(1, (400, 410), &["A1"], "hold_1", unavailable(&["A1"]));
    assert_eq!(accused(&refused, 9).unwrap(), "one key was granted, and then refused");
    told.asks(1, (400, 410), &["A1"], "hold_1", held(&["A1"], "hold_9", 9_000));
    assert_eq!(accused(&told, 9).unwrap(), "one key placed two holds");
}

#[test]
fn a_key_for_a_confirmation_is_one_answer() {
    let mut told = sale();
    told.asks_to_confirm(
        1,
        (300, 310),
        "hold_1",
        "booking_1",
        booked(&seats(&["A1"]), "hold_1", "booking_1"),
    );
    told.asks_to_confirm(1, (400, 410), "hold_1", "booking_1", fails(409, "idempotency_key_under_way"));
    assert_eq!(accused(&told, 9), None);
    let mut late = told.clone();
    late.asks_to_confirm(1, (500, 510), "hold_1", "booking_1", fails(410, "hold_expired"));
    assert_eq!(accused(&late, 9).unwrap(), "one key was given two answers");
    told.holds(1, (600, 610), &["A2"], "hold_2", 9_000);
    told.asks_to_confirm(
        1,
        (700, 710),
        "hold_2",
        "booking_1",
        booked(&seats(&["A2"]), "hold_2", "booking_2"),
    );
    assert_eq!(accused(&told, 9).unwrap(), "one key was answered with two bodies");
}

#[test]
fn a_key_for_a_place_in_line_is_one_place() {
    let join = |told: &mut Told, name: &str| {
        let call = Call::Join {
            show: show(),
            party: 1,
            seats: Vec::new(),
            together: false,
            wheelchair: false,
            key: "k".into(),
        };
        let effect = Effect::Entry { entry: entry(name), status: "waiting".into(), position: Some(1) };
        told.request(1, (100, 110), call, |op| What::Ok { op, status: 201, effect });
    };
    let mut told = Told::new();
    join(&mut told, "entry_1");
    join(&mut told, "entry_1");
    assert_eq!(accused(&told, 9), None);
    join(&mut told, "entry_2");
    assert_eq!(accused(&told, 9).unwrap(), "one key took two places in line");
}

#[test]
fn the_books_have_one_booking_for_a_key() {
    let mut told = sale();
    told.holds(1, (300, 310), &["A2"], "hold_2", 5_000);
    told.confirms(1, (400, 410), "hold_2", "booking_2");
    assert_eq!(accused(&told, 9), None);
    told.books.bookings[1].key = "booking_1".into();
    assert_eq!(accused(&told, 9).unwrap(), "session session_1 has 2 bookings under the key booking_1");
    // What was sold before the run began is no concern of it.
    told.books.bookings[0].booked_at_ns = wall(0) - 1_000_000_000;
    assert_eq!(accused(&told, 9), None);
}

#[test]
fn what_was_refused_has_no_effect() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    told.holds_unheard(1, (200, 220), &["A2"], "hold_2", 5_000);
    assert_eq!(accused(&told, 9), None);
    for record in &mut told.history.records {
        if let What::Info { op, .. } = record.what {
            record.what = fails(409, "seats_unavailable")(op);
        }
    }
    assert_eq!(
        accused(&told, 9).unwrap(),
        "hold_2 stands in the books, and everybody who asked for it was refused"
    );

    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    told.write_booking(1, 300, "hold_1", "booking_1");
    told.asks_to_confirm(1, (200, 400), "hold_1", "k", fails(402, "payment_declined"));
    assert_eq!(
        accused(&told, 9).unwrap(),
        "hold_1 is booked in the books, and every confirmation was refused"
    );
    told.asks_to_confirm(1, (200, 400), "hold_1", "k2", lost);
    assert_eq!(accused(&told, 9), None);
}

#[test]
fn a_request_that_never_ended_is_one_without_an_answer() {
    let mut told = Told::new();
    told.record(900, What::Invoke { op: 99, buyer: 1, call: Call::Leave { entry: entry("entry_1") } });
    assert_eq!(accused(&told, 8).unwrap(), "no answer, and nothing that excuses it");
    told.record(990, done(99));
    assert_eq!(accused(&told, 8), None);
}
