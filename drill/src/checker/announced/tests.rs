use super::super::tests::told::{Told, fault, hold, show};
use crate::history::Sight;

/// A hold that lapses at 5 s while its buyer listens, and then a quarter of an hour of silence.
fn lapsing() -> Told {
    let mut told = Told::new();
    told.sees(1, 50, Sight::Opened { show: show() });
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    told.lapses("hold_1");
    told.sees(7, 90_000, Sight::Opened { show: show() });
    told
}

fn shown(told: &mut Told, buyer: u32, at_ms: u64) {
    told.sees(buyer, at_ms, Sight::HoldExpired { hold: hold("hold_1") });
}

fn accused(told: &Told) -> Option<String> {
    let verdict = told.verdict();
    verdict.judgements[4].violations.first().map(|story| story.title.clone())
}

#[test]
fn it_is_announced_in_time_to_whoever_listens() {
    for (at_ms, fine) in [(5_000, true), (6_400, true), (6_600, false), (4_900, false)] {
        let mut told = lapsing();
        shown(&mut told, 1, at_ms);
        assert_eq!(accused(&told).is_none(), fine, "{at_ms}: {}", told.verdict());
    }
    assert_eq!(accused(&lapsing()).unwrap(), "hold_1 lapsed, and its buyer, who listened, was never told");
}

#[test]
fn who_does_not_listen_all_the_time_need_not_be_told() {
    let mut told = lapsing();
    told.sees(1, 5_500, Sight::Closed { code: Some(1000) });
    assert_eq!(accused(&told), None);
    let mut late = Told::new();
    late.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    late.lapses("hold_1");
    late.sees(1, 5_100, Sight::Opened { show: show() });
    late.sees(7, 90_000, Sight::Opened { show: show() });
    assert_eq!(accused(&late), None);
}

#[test]
fn it_is_announced_once_unless_a_relay_was_killed() {
    let mut told = lapsing();
    shown(&mut told, 1, 5_100);
    shown(&mut told, 1, 5_200);
    let mut excused = told.clone();
    assert_eq!(accused(&told).unwrap(), "hold_1 was announced to be over more than once to one socket");
    fault(&mut excused, (5_150, 5_300), "kill", "reservations-1");
    assert_eq!(accused(&excused), None);
    fault(&mut told, (5_150, 5_300), "kill", "catalog-1");
    assert!(accused(&told).is_some());
}

#[test]
fn it_is_announced_to_its_buyer_and_when_it_is_so() {
    let mut told = lapsing();
    shown(&mut told, 1, 5_100);
    shown(&mut told, 2, 5_100);
    assert_eq!(accused(&told).unwrap(), "hold_1 was announced to somebody else");

    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    told.confirms(1, (200, 220), "hold_1", "booking_1");
    shown(&mut told, 1, 5_100);
    assert_eq!(accused(&told).unwrap(), "hold_1 was announced to have lapsed, and had not");
}

#[test]
fn a_hold_that_nobody_ends_is_found_though_nobody_listens() {
    let mut told = Told::new();
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    assert_eq!(accused(&told).unwrap(), "hold_1 is past its deadline, and nobody has ended it");
}
