//! Deadlines that move, and money that comes when they have passed: what is legal of it, and beside it what is not.

use domain::status::HoldStatus;

use super::told::{Told, booked, extended, fails, hold, lost, seats, show, unavailable};
use crate::history::Sight;

/// The first story of an invariant, if it is broken.
fn accused(told: &Told, number: usize) -> Option<String> {
    told.verdict().judgements[number - 1].violations.first().map(|story| story.title.clone())
}

fn expired(told: &mut Told, buyer: u32, at_ms: u64, of: &str) {
    told.sees(buyer, at_ms, Sight::HoldExpired { hold: hold(of) });
}

/// A hold until 5 s whose buyer listens, and then a long silence.
fn held() -> Told {
    let mut told = Told::new();
    told.sees(1, 50, Sight::Opened { show: show() });
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    told.sees(7, 90_000, Sight::Opened { show: show() });
    told
}

/// Extended until 7 s.
fn extended_hold() -> Told {
    let mut told = held();
    told.extends(1, (1_000, 1_020), "hold_1", 7_000);
    told
}

/// Declined at 4.9 s, so that it lasts until 6 s, of which nobody was told.
fn graced_hold() -> Told {
    let mut told = held();
    told.asks_to_confirm(1, (4_890, 4_910), "hold_1", "k", fails(402, "payment_declined"));
    told.write_grace("hold_1", 6_000);
    told
}

/// Paid at 4.9 s with money that comes at 6.5 s; announced in between.
fn paid_late() -> Told {
    let mut told = held();
    told.lapses("hold_1");
    expired(&mut told, 1, 5_200, "hold_1");
    told.confirms_late(1, (4_900, 6_520), 6_500, "hold_1", "booking_1");
    told
}

#[test]
fn an_extended_hold_lapses_when_its_buyer_was_told_last() {
    let mut told = extended_hold();
    told.lapses("hold_1");
    let mut early = told.clone();
    expired(&mut told, 1, 7_100, "hold_1");
    assert_eq!(told.violated(), [0; 0], "{}", told.verdict());
    expired(&mut early, 1, 5_100, "hold_1");
    assert_eq!(accused(&early, 5).unwrap(), "hold_1 was announced to be over before its deadline");
}

#[test]
fn an_extension_that_was_answered_is_in_the_books() {
    let mut told = held();
    told.lapses("hold_1");
    told.asks_to_extend(1, (1_000, 1_020), "hold_1", extended("hold_1", 7_000));
    assert_eq!(accused(&told, 4).unwrap(), "hold_1 has an earlier deadline in the books than was told");
}

#[test]
fn an_extended_hold_is_honoured_until_its_new_deadline() {
    let mut told = extended_hold();
    told.lapses("hold_1");
    let mut denied = told.clone();
    // In the time that the extension gave, as if the claims had forgotten it.
    told.holds(2, (5_500, 5_520), &["A1"], "hold_2", 9_000);
    told.lapses("hold_2");
    assert_eq!(accused(&told, 4).unwrap(), "A1 of show_1 was hold_1's, and hold_2 got it");
    assert_eq!(
        accused(&told, 3).unwrap(),
        "A1 of show_1 had two owners at once, or changed hands without reason"
    );
    denied.asks_to_confirm(1, (6_000, 6_010), "hold_1", "k", fails(410, "hold_expired"));
    let title = "hold_1 was confirmed before its deadline and answered 410 hold_expired";
    assert_eq!(accused(&denied, 4).unwrap(), title);
}

#[test]
fn who_asks_for_more_time_in_time_is_not_told_that_it_is_over() {
    let asked = |at_ms, status, code: &'static str| {
        let mut told = held();
        told.lapses("hold_1");
        told.asks_to_extend(1, (at_ms, at_ms + 10), "hold_1", fails(status, code));
        accused(&told, 4)
    };
    assert_eq!(asked(5_000, 410, "hold_expired"), None);
    assert_eq!(asked(4_000, 409, "extension_used"), None);
    let title = "hold_1 was to be extended before its deadline, and that was answered 410 hold_expired";
    assert_eq!(asked(4_000, 410, "hold_expired").unwrap(), title);
}

#[test]
fn an_extension_whose_answer_was_lost_may_have_moved_the_deadline_for_all_but_its_buyer() {
    let mut told = held();
    told.asks_to_extend(1, (1_000, 1_900), "hold_1", lost);
    told.write_extension("hold_1", 7_000);
    told.lapses("hold_1");
    let mut taken = told.clone();
    told.refused(2, (6_000, 6_010), &["A1"], &["A1"]);
    expired(&mut told, 1, 7_100, "hold_1");
    told.holds(2, (7_500, 7_520), &["A1"], "hold_2", 9_000);
    told.lapses("hold_2");
    assert_eq!([3, 4, 5].map(|number| accused(&told, number)), [None, None, None]);
    taken.holds(2, (5_500, 5_520), &["A1"], "hold_2", 9_000);
    assert_eq!(accused(&taken, 4), None, "its buyer was not told that it lasts longer");
    assert_eq!(
        accused(&taken, 3).unwrap(),
        "A1 of show_1 had two owners at once, or changed hands without reason"
    );
}

#[test]
fn a_deadline_in_the_books_is_moved_by_somebody() {
    let mut told = held();
    told.lapses("hold_1");
    told.write_extension("hold_1", 7_000);
    assert_eq!(accused(&told, 4).unwrap(), "hold_1 is extended in the books, and nobody asked for that");
    told.hold_mut("hold_1").extended = false;
    assert_eq!(
        accused(&told, 4).unwrap(),
        "hold_1 has a later deadline in the books than was told, and nothing moved it"
    );
    told.hold_mut("hold_1").graced = true;
    assert_eq!(accused(&told, 4).unwrap(), "hold_1 was given time to pay, and nobody paid");
}

#[test]
fn a_graced_hold_lapses_at_its_moved_deadline() {
    for (at_ms, fine) in [(5_200, false), (6_200, true), (7_600, false)] {
        let mut told = graced_hold();
        told.lapses("hold_1");
        expired(&mut told, 1, at_ms, "hold_1");
        assert_eq!(accused(&told, 5).is_none(), fine, "{at_ms}: {}", told.verdict());
        assert_eq!((accused(&told, 3), accused(&told, 4)), (None, None));
    }
}

#[test]
fn a_seat_is_not_sold_to_somebody_else_while_it_is_graced() {
    for (at_ms, fine) in [(5_500, false), (6_100, true)] {
        let mut told = graced_hold();
        told.lapses("hold_1");
        told.holds(2, (at_ms, at_ms + 20), &["A1"], "hold_2", 9_000);
        told.lapses("hold_2");
        assert_eq!(accused(&told, 3).is_none(), fine, "{at_ms}: {}", told.verdict());
    }
}

#[test]
fn a_refusal_while_a_hold_is_graced_has_a_reason_and_a_later_one_has_none() {
    for (at_ms, fine) in [(7_900, true), (8_200, false)] {
        let mut told = graced_hold();
        told.lapses("hold_1");
        told.refused(2, (at_ms, at_ms + 10), &["A1"], &["A1"]);
        assert_eq!(accused(&told, 3).is_none(), fine, "{at_ms}: {}", told.verdict());
    }
}

#[test]
fn a_hold_that_lapsed_may_be_sold_late_even_when_that_was_announced() {
    let told = paid_late();
    assert_eq!(told.violated(), [0; 0], "{}", told.verdict());
    // Not so when the books sold it in time.
    let mut in_time = told.clone();
    in_time.books.bookings[0].booked_at_ns = super::told::wall(4_950);
    assert_eq!(accused(&in_time, 5).unwrap(), "hold_1 was announced to have lapsed, and had not");
    let mut released = told;
    released.hold_mut("hold_1").status = HoldStatus::Released;
    assert_eq!(accused(&released, 5).unwrap(), "hold_1 was announced to have lapsed, and had not");
}

#[test]
fn who_pays_very_late_was_told_before_that_it_had_lapsed() {
    for (booked_ms, fine) in [(6_400, true), (9_000, false)] {
        let mut told = held();
        told.lapses("hold_1");
        told.confirms_late(1, (4_900, booked_ms + 20), booked_ms, "hold_1", "booking_1");
        assert_eq!(accused(&told, 5).is_none(), fine, "{booked_ms}: {}", told.verdict());
    }
}

/// Somebody else holds the seat from 5.1 s on, and gives it back or not; then the first one's money comes.
fn paid_late_after(released_ms: Option<u64>) -> Told {
    let mut told = held();
    told.lapses("hold_1");
    expired(&mut told, 1, 5_050, "hold_1");
    told.holds(2, (5_100, 5_120), &["A1"], "hold_2", 9_000);
    if let Some(at_ms) = released_ms {
        told.releases(2, (at_ms, at_ms + 10), "hold_2");
    }
    told.confirms_late(1, (4_900, 6_520), 6_500, "hold_1", "booking_1");
    told
}

#[test]
fn what_lapsed_is_claimed_anew_only_when_nobody_has_it() {
    let free = paid_late_after(Some(6_000));
    assert_eq!(free.violated(), [0; 0], "{}", free.verdict());
    let taken = paid_late_after(None);
    assert_eq!(
        accused(&taken, 3).unwrap(),
        "A1 of show_1 had two owners at once, or changed hands without reason"
    );
    assert_eq!(accused(&taken, 4).unwrap(), "A1 of show_1 was hold_2's, and hold_1 got it");
}

#[test]
fn what_was_claimed_anew_is_its_buyers_until_they_take_it_back() {
    let mut told = paid_late();
    let mut robbed = told.clone();
    robbed.holds(2, (7_000, 7_020), &["A1"], "hold_2", 9_000);
    assert_eq!(accused(&robbed, 4).unwrap(), "A1 of show_1 was hold_1's, and hold_2 got it");
    assert_eq!(
        accused(&robbed, 3).unwrap(),
        "A1 of show_1 had two owners at once, or changed hands without reason"
    );
    told.cancels(1, (6_800, 6_810), "booking_1");
    told.holds(2, (7_000, 7_020), &["A1"], "hold_2", 9_000);
    told.lapses("hold_2");
    assert!((1..=4).all(|number| accused(&told, number).is_none()), "{}", told.verdict());
}

#[test]
fn what_was_claimed_anew_has_a_greater_token() {
    let mut told = paid_late_after(Some(6_000));
    let before = told.hold_mut("hold_2").token;
    told.hold_mut("hold_1").token = before - 1;
    assert!(told.verdict().judgements[2].violated > 0);
}

#[test]
fn a_late_sale_whose_answer_was_lost_is_a_reason_for_refusals_from_then_on() {
    // Refused before it had lapsed for long enough, in between when it was nobody's, and when it was sold.
    for (at_ms, fine) in [(6_900, true), (12_000, false), (20_000, true)] {
        let mut told = held();
        told.lapses("hold_1");
        expired(&mut told, 1, 5_200, "hold_1");
        told.asks_to_confirm(1, (4_900, 14_900), "hold_1", "k", lost);
        told.write_late_booking(1, 14_000, "hold_1", "booking_1");
        told.asks(2, (at_ms, at_ms + 10), &["A1"], "other", unavailable(&["A1"]));
        assert_eq!(accused(&told, 3).is_none(), fine, "{at_ms}: {}", told.verdict());
    }
}

#[test]
fn without_books_a_sale_that_was_told_after_the_deadline_may_have_been_late() {
    let mut told = held();
    told.holds(2, (5_100, 5_120), &["A1"], "hold_2", 9_000);
    told.releases(2, (5_800, 5_810), "hold_2");
    told.asks_to_confirm(1, (4_900, 6_520), "hold_1", "k", booked(&seats(&["A1"]), "hold_1", "booking_1"));
    told.books = crate::books::Books::default();
    assert_eq!([3, 4].map(|number| accused(&told, number)), [None, None], "{}", told.verdict());
    let mut early = held();
    early.asks_to_confirm(1, (4_500, 4_520), "hold_1", "k", booked(&seats(&["A1"]), "hold_1", "booking_1"));
    early.holds(2, (5_100, 5_120), &["A1"], "hold_2", 9_000);
    early.books = crate::books::Books::default();
    assert_eq!(accused(&early, 4).unwrap(), "A1 of show_1 was hold_1's, and hold_2 got it");
}
