use domain::status::HoldStatus;

use super::super::tests::told::{
    Told, booked, booking, done, fails, held, hold, lost, seats, show, unavailable, wall,
};
use crate::books::Books;
use crate::history::{Call, What};

/// What is said of a seat that cannot have been one.
fn accused(told: &Told) -> Option<String> {
    told.verdict().judgements[2].violations.first().map(|story| story.title.clone())
}

fn holds(told: &Told) -> bool {
    told.verdict().judgements[2].violated == 0
}

#[test]
fn a_hold_may_follow_on_a_lapsed_one_but_not_before_its_deadline() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 1_000);
    let mut early = told.clone();
    told.holds(2, (960, 1_010), &["A1"], "hold_2", 3_000);
    assert!(holds(&told), "{}", told.verdict());
    early.holds(2, (700, 800), &["A1"], "hold_2", 3_000);
    assert_eq!(
        accused(&early).unwrap(),
        "A1 of show_1 had two owners at once, or changed hands without reason"
    );
}

#[test]
fn an_unanswered_release_or_cancel_may_have_happened_and_explains_the_next() {
    let next = |told: &mut Told| told.asks(2, (500, 520), &["A1"], "next", held(&["A1"], "next", 9_000));
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    let mut without = told.clone();
    next(&mut without);
    assert!(!holds(&without));

    let mut released = told.clone();
    released.request(1, (200, 900), Call::Release { hold: hold("hold_1") }, lost);
    next(&mut released);
    assert!(holds(&released), "{}", released.verdict());

    told.confirms(1, (200, 210), "hold_1", "booking_1");
    let mut sold = told.clone();
    next(&mut sold);
    assert!(!holds(&sold));
    told.request(1, (300, 900), Call::Cancel { booking: booking("booking_1") }, lost);
    next(&mut told);
    assert!(holds(&told), "{}", told.verdict());
}

#[test]
fn attempts_under_one_key_are_one_hold_from_the_first_of_them_on() {
    let mut told = Told::new();
    told.asks(1, (100, 300), &["A1"], "hold_1", lost);
    told.holds(2, (400, 420), &["A1"], "hold_2", 700);
    // The first attempt was done long before the second was answered; it lapsed before the other buyer came.
    told.asks(1, (800, 820), &["A1"], "hold_1", held(&["A1"], "hold_1", 350));
    told.books.holds.clear();
    assert!(holds(&told), "{}", told.verdict());
    // Were it of another key, it would have to have happened just now, and lapsed before.
    told.asks(3, (440, 460), &["A1"], "other", held(&["A1"], "other", 5_000));
    assert!(!holds(&told));
}

#[test]
fn a_confirmation_must_find_its_hold() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    told.releases(1, (200, 210), "hold_1");
    told.asks_to_confirm(1, (300, 310), "hold_1", "k", booked(&seats(&["A1"]), "hold_1", "booking_1"));
    assert!(!holds(&told));
}

#[test]
fn a_late_release_changes_nothing() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 400);
    told.holds(2, (500, 510), &["A1"], "hold_2", 5_000);
    told.request(1, (600, 610), Call::Release { hold: hold("hold_1") }, done);
    told.confirms(2, (700, 710), "hold_2", "booking_2");
    assert!(holds(&told), "{}", told.verdict());
}

#[test]
fn tokens_grow_in_the_order_in_which_holds_followed_on_each_other() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 400);
    told.holds(2, (500, 510), &["A1"], "hold_2", 5_000);
    assert!(holds(&told));
    told.hold_mut("hold_1").token = 9;
    assert!(!holds(&told));
}

/// Somebody is refused A1, long after everything else.
fn refused_late(told: &mut Told) {
    told.refused(9, (60_000, 60_010), &["A1"], &["A1"]);
}

#[test]
fn a_refusal_needs_an_owner_at_some_moment() {
    let mut told = Told::new();
    refused_late(&mut told);
    assert_eq!(accused(&told).unwrap(), "A1 of show_1 was refused, and nobody had it");

    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 50_000);
    refused_late(&mut told);
    assert_eq!(accused(&told).unwrap(), "A1 of show_1 was refused when nobody can have had it");

    let mut told = Told::new();
    told.holds(1, (59_000, 59_120), &["A1"], "hold_1", 64_000);
    refused_late(&mut told);
    assert!(holds(&told), "{}", told.verdict());
}

#[test]
fn the_gate_may_be_two_seconds_behind() {
    for (released_at, fine) in [(58_100, true), (57_900, false)] {
        let mut told = Told::new();
        told.holds(1, (50_000, 50_020), &["A1"], "hold_1", 90_000);
        told.releases(1, (released_at, released_at + 10), "hold_1");
        refused_late(&mut told);
        assert_eq!(holds(&told), fine, "released at {released_at}");
    }
}

#[test]
fn a_refusal_may_be_because_of_another_request_at_work() {
    type Other = fn(&mut Told);
    let others: [(bool, Other); 5] = [
        (true, |told| {
            told.holds(1, (100, 120), &["A2"], "hold_1", 90_000);
            told.asks(2, (59_900, 60_500), &["A1", "A2"], "k", unavailable(&["A2"]));
        }),
        (true, |told| told.asks(2, (59_900, 60_500), &["A1"], "k", fails(429, "too_many_holds"))),
        (true, |told| told.asks(2, (50_000, 55_000), &["A1"], "k", lost)),
        (false, |told| told.asks(2, (59_900, 60_500), &["A2"], "k", fails(429, "too_many_holds"))),
        (false, |told| told.asks(2, (10_000, 15_000), &["A1"], "k", lost)),
    ];
    for (at, (fine, other)) in others.into_iter().enumerate() {
        let mut told = Told::new();
        other(&mut told);
        refused_late(&mut told);
        assert_eq!(holds(&told), fine, "other {at}: {}", told.verdict());
    }
}

#[test]
fn a_refusal_may_be_because_of_a_hold_that_nobody_heard_of() {
    let mut told = Told::new();
    told.holds_unheard(1, (30_000, 30_100), &["A1"], "hold_1", 59_000);
    let mut over = told.clone();
    refused_late(&mut told);
    assert!(holds(&told), "{}", told.verdict());
    over.refused(9, (62_000, 62_010), &["A1"], &["A1"]);
    assert!(!holds(&over));
}

#[test]
fn a_refusal_may_be_because_people_wait_for_the_show() {
    for (ended_at, fine) in [(None, true), (Some(40_000), true), (Some(20_000), false)] {
        let mut told = Told::new();
        told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
        told.lapses("hold_1");
        told.waits(1, 10_000, 1, &["A2"]);
        told.books.entries[0].ended_at_ns = ended_at.map(wall);
        refused_late(&mut told);
        assert_eq!(holds(&told), fine, "ended at {ended_at:?}");
    }
    let mut never_had = Told::new();
    never_had.waits(1, 10_000, 1, &["A2"]);
    refused_late(&mut never_had);
    assert!(!holds(&never_had));
}

#[test]
fn without_books_nobody_knows_whose_a_seat_was_to_begin_with() {
    let mut told = Told::new();
    refused_late(&mut told);
    told.books = Books::default();
    assert!(holds(&told));
}

#[test]
fn only_the_refusals_and_holds_that_show_it_are_told() {
    let mut told = Told::new();
    for round in 0..30 {
        let (at, name) = (1_000 * round, format!("hold_{round}"));
        told.holds(1, (at + 100, at + 120), &["A1"], &name, at + 900);
        told.refused(2, (at + 200, at + 220), &["A1"], &["A1"]);
    }
    told.refused(3, (40_000, 40_010), &["A1"], &["A1"]);
    let verdict = told.verdict();
    let [story] = &verdict.judgements[2].violations[..] else { panic!("{verdict}") };
    // Any hold that might have lasted till then is part of the story: each could have been the reason.
    assert!(story.lines.iter().filter(|line| line.contains("buyer 3")).count() == 1, "{story:?}");
    assert!(!story.lines.iter().any(|line| line.contains("buyer 2")), "{story:?}");
}

#[test]
fn a_seat_that_changed_hands_by_an_offer_is_fine() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 1_000);
    told.lapses("hold_1");
    told.offers(2, 1_300, 1_350, &["A1"], "hold_2", 3_000);
    told.request(2, (1_400, 1_410), Call::Leave { entry: super::super::tests::told::entry("entry_2") }, done);
    told.hold_mut("hold_2").status = HoldStatus::Released;
    told.offers(3, 1_500, 1_550, &["A1"], "hold_3", 4_000);
    assert!(holds(&told), "{}", told.verdict());
    let without: Vec<_> =
        told.history.records.clone().into_iter().filter(|record| !leaves(&record.what)).collect();
    told.history.records = without;
    assert!(!holds(&told), "nobody left, so nothing gave the first offer back");
}

fn leaves(what: &What) -> bool {
    matches!(what, What::Invoke { call: Call::Leave { .. }, .. })
}

#[test]
fn seats_of_other_shows_are_other_seats() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 1_000);
    let other = domain::id::ShowId::parse("show_2").unwrap();
    assert_ne!(other, show());
    let call = Call::Hold { show: other, seats: seats(&["A1"]), party: 1, key: "k".into() };
    told.request(2, (200, 210), call, held(&["A1"], "hold_2", 1_000));
    assert!(holds(&told), "{}", told.verdict());
}
