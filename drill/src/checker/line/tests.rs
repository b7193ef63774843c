use domain::status::EntryStatus;

use super::super::tests::told::{Told, fault, wall};

fn accused(told: &Told) -> Option<String> {
    let verdict = told.verdict();
    verdict.judgements[5].violations.first().map(|story| story.title.clone())
}

/// Three people in line for one seat each: two who take any, and one who wants A1.
fn three() -> Told {
    let mut told = Told::new();
    told.waits(1, 1_000, 1, &[]);
    told.waits(2, 2_000, 1, &["A1"]);
    told.waits(3, 3_000, 1, &[]);
    told
}

#[test]
fn who_came_first_is_chosen_first() {
    let mut told = three();
    for (buyer, names) in [(1, ["A1"]), (2, ["A1"]), (3, ["A2"])] {
        told.decides(buyer, 5_000, &names);
    }
    assert_eq!(accused(&told), None);
    let mut told = three();
    told.decides(3, 5_000, &["A2"]);
    told.decides(1, 5_001, &["A3"]);
    assert_eq!(accused(&told).unwrap(), "entry_1 came before entry_3 and was passed over");
}

#[test]
fn who_does_not_want_these_seats_is_not_passed_over() {
    let mut told = three();
    told.decides(1, 5_000, &["A2"]);
    told.decides(3, 5_000, &["A3"]);
    assert_eq!(accused(&told), None);
    told.decides(3, 5_000, &["A1"]);
    assert_eq!(accused(&told).unwrap(), "entry_2 came before entry_3 and was passed over");
}

#[test]
fn who_is_too_many_or_has_gone_is_not_passed_over() {
    let mut told = three();
    told.books.entries[0].party = 2;
    told.decides(3, 5_000, &["A2"]);
    assert_eq!(accused(&told), None);

    let mut told = three();
    told.books.entries[0].status = EntryStatus::Left;
    for (left_at, fine) in [(4_999, true), (5_001, false)] {
        told.books.offers.clear();
        told.books.entries[0].ended_at_ns = Some(wall(left_at));
        told.decides(3, 5_000, &["A2"]);
        assert_eq!(accused(&told).is_none(), fine, "left at {left_at}");
    }
}

/// An offer to the first that lapses, with the others still waiting.
fn lapsed_offer() -> Told {
    let mut told = three();
    told.decides(1, 5_000, &["A1"]);
    told.offers(1, 5_010, 5_020, &["A1"], "hold_1", 10_000);
    told.lapses("hold_1");
    told
}

#[test]
fn a_lapsed_offer_moves_on() {
    let mut told = lapsed_offer();
    let mut excused = told.clone();
    assert_eq!(
        accused(&told).unwrap(),
        "an offer of show_1 is over, its seats are free, and entry_2 still waits"
    );
    told.decides(2, 11_000, &["A1"]);
    told.decides(3, 12_000, &["A1"]);
    assert_eq!(accused(&told), None);
    fault(&mut excused, (9_000, 20_000), "postgres_restart", "postgres");
    assert_eq!(accused(&excused), None);
}

#[test]
fn an_offer_that_is_shown_was_made() {
    let mut told = lapsed_offer();
    told.decides(2, 11_000, &["A1"]);
    told.decides(3, 12_000, &["A1"]);
    told.hold_mut("hold_1").entry = None;
    assert_eq!(accused(&told).unwrap(), "an offer was shown that nobody made: entry_1");
}
