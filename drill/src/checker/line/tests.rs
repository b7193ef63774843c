use domain::id::EscrowId;
use domain::status::EntryStatus;

use super::super::tests::told::{Told, fault, seat, seats, show, wall};
use crate::books::{Claim, ClaimStatus, Escrow};

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

#[test]
fn who_sits_together_is_passed_over_by_seats_beside_each_other_and_by_no_others() {
    for (names, passed) in [(["A1", "A2"], true), (["A2", "A3"], false)] {
        let mut told = Told::new();
        told.waits(1, 1_000, 2, &[]);
        told.books.entries[0].together = true;
        told.waits(2, 2_000, 2, &[]);
        told.decides(2, 5_000, &names);
        assert_eq!(accused(&told).is_some(), passed, "{names:?}");
    }
}

#[test]
fn room_for_a_wheelchair_is_for_those_who_asked_in_their_order() {
    let mut told = Told::new();
    told.waits(1, 1_000, 1, &[]);
    for buyer in [2, 3] {
        told.waits(buyer, 2_000, 1, &[]);
        told.books.entries[buyer as usize - 1].wheelchair = true;
    }
    told.decides(2, 5_000, &["A4"]);
    assert_eq!(accused(&told), None, "the first needs none");
    told.books.offers.clear();
    told.decides(3, 5_000, &["A4"]);
    assert_eq!(accused(&told).unwrap(), "entry_2 came before entry_3 and was passed over");
}

/// Somebody waits, and the seat of a hold that is over by then goes to somebody else.
fn street(party: usize, names: &[&str], joined: (u64, u64)) -> Told {
    let mut told = Told::new();
    told.holds(9, (100, 110), &["A1"], "before", 60_000);
    told.joins(1, joined, party, names);
    told.releases(9, (5_000, 5_010), "before");
    told.hold_mut("before").ended_at_ns = Some(wall(5_005));
    told.holds(8, (6_000, 6_010), &["A1"], "street", 60_000);
    told
}

#[test]
fn a_seat_that_comes_free_does_not_go_to_the_street_past_who_could_use_it() {
    let passed = "A1 of show_1 went to the street while entry_1 waited";
    assert_eq!(accused(&street(1, &["A1"], (1_000, 1_010))).unwrap(), passed);
    assert_eq!(accused(&street(1, &[], (1_000, 1_010))).unwrap(), passed);
    assert_eq!(accused(&street(1, &["A2"], (1_000, 1_010))), None, "they want another seat");
    assert_eq!(accused(&street(2, &[], (1_000, 1_010))), None, "they are too many");
    assert_eq!(accused(&street(1, &[], (5_006, 5_020))), None, "it was free before they were in line");
    let mut late = street(1, &[], (1_000, 1_010));
    late.hold_mut("street").created_at_ns = wall(10_010);
    assert_eq!(accused(&late), None, "nobody served it in time");
    let mut left = street(1, &[], (1_000, 1_010));
    left.books.entries[0].ended_at_ns = Some(wall(5_500));
    assert_eq!(accused(&left), None, "they left before");
    let mut excused = street(1, &[], (1_000, 1_010));
    fault(&mut excused, (4_000, 5_900), "postgres_restart", "postgres");
    assert_eq!(accused(&excused), None);
}

#[test]
fn nobody_is_offered_seats_twice() {
    let mut told = lapsed_offer();
    told.decides(2, 11_000, &["A1"]);
    told.decides(3, 12_000, &["A1"]);
    told.offers(1, 13_000, 13_010, &["A2"], "hold_2", 20_000);
    told.lapses("hold_2");
    assert_eq!(accused(&told).unwrap(), "entry_1 was offered seats twice");
}

#[test]
fn seats_are_kept_for_the_line_no_longer_than_their_bound() {
    let mut told = Told::new();
    let escrow = |expires_at_ms| Escrow {
        escrow: EscrowId::parse("escrow_1").unwrap(),
        show: show(),
        seats: seats(&["A1"]),
        open: true,
        expires_at_ns: wall(expires_at_ms),
    };
    told.books.claims.push(claim("A1", "escrow_1", wall(599_000)));
    told.books.escrows.push(escrow(599_000));
    assert_eq!(accused(&told), None, "whoever sweeps it may need a moment");
    told.books.escrows[0] = escrow(9_000);
    told.books.claims[0] = claim("A1", "escrow_1", wall(9_000));
    assert_eq!(accused(&told).unwrap(), "seats of show_1 are kept past their bound");
}

fn claim(name: &str, owner: &str, expires_at_ns: u64) -> Claim {
    Claim {
        show: show(),
        seat: seat(name),
        status: ClaimStatus::Escrow,
        owner: Some(owner.to_owned()),
        token: 1,
        expires_at_ns: Some(expires_at_ns),
    }
}
