use proptest::prelude::*;

use super::*;
use crate::plan::drawn::house;
use crate::queue::tests::{ROWS, TERMS, any_wish, at, named, party, price, seats, together, waiter};
use crate::queue::{Freed, House, Left, Round, Wish, serve};

/// What is remembered of a round at second 10 in which a line is asked.
fn round(plan: &Plan, line: &[Waiter], freed: &[SeatId]) -> Decision {
    let price = price();
    let free: Vec<_> = freed.iter().map(|seat| Freed { seat: seat.clone(), keep_until: at(60) }).collect();
    let (given, Left { gathering, rest }) =
        serve(Round::new(House { plan, price: &price }, &free, at(10), TERMS), line);
    let place = |id: &EntryId| place_of(line.iter().position(|waiter| waiter.entry_id == *id).unwrap());
    let given = given.into_iter().map(|each| Given {
        place: place(&each.entry_id),
        entry_id: each.entry_id,
        seats: each.seats,
    });
    let kept = gathering.map(|each| Kept {
        place: place(&each.entry_id),
        entry_id: each.entry_id,
        seats: each.seats,
        until: each.until,
    });
    Decision {
        at: at(10),
        freed: freed.to_vec(),
        escrow_ids: vec![EscrowId::parse("e").unwrap()],
        price: Some(price.clone()),
        given: given.collect(),
        kept,
        on_sale: rest,
    }
}

fn why(plan: &Plan, decision: &Decision, line: &[Waiter], place: usize) -> Why {
    let asker = Asker { place: place_of(place), waiter: line[place].clone(), offers: &[] };
    decision.why(plan, &asker, TERMS.rest)
}

fn place_of(at: usize) -> i64 {
    i64::try_from(at).unwrap()
}

fn entry(name: &str) -> EntryId {
    EntryId::parse(name).unwrap()
}

#[test]
fn everybody_in_a_line_learns_what_it_meant_for_them() {
    let (plan, _) = house(&["oo oo", "wooo"]);
    let poor = Wish { price_max: Some(Money { amount: 1, currency: "USD".to_owned() }), ..party(1) };
    let line = [
        waiter("picky", named(1, "A4")),
        waiter("poor", poor),
        waiter("apart", together(2)),
        waiter("first", named(1, "A2")),
        waiter("same", named(1, "A2")),
        waiter("two", party(2)),
        waiter("late", party(1)),
    ];
    let decision = round(&plan, &line, &seats("A2 A3"));
    let said: Vec<_> = (0..line.len()).map(|place| why(&plan, &decision, &line, place)).collect();
    assert_eq!(said[0], Why::OtherSeats);
    assert_eq!(said[1], Why::TooDear { price: price() });
    assert_eq!(said[2], Why::Gathers { seats: seats("A2"), until: at(70) });
    let kept = Why::KeptForEarlier { entry_id: entry("apart"), until: at(70) };
    assert_eq!((&said[3], &said[4], &said[5]), (&kept, &kept, &kept), "{decision:?}");
    assert_eq!(said[6], Why::Offered { seats: seats("A3") });
    assert_eq!(decision.went(&seats("A2")[0]), decision.kept.as_ref().map(Went::Kept));
    assert_eq!(decision.went(&seats("A3")[0]), Some(Went::Given(&decision.given[0])));
    assert_eq!(decision.went(&seats("A4")[0]), None);
}

#[test]
fn what_went_to_those_ahead_is_told_from_what_never_fitted() {
    let (plan, _) = house(&["oo oo", "wooo"]);
    let line = [
        waiter("other", named(1, "B2")),
        waiter("first", party(1)),
        waiter("same", party(1)),
        waiter("two", party(2)),
        waiter("third", party(1)),
    ];
    let decision = round(&plan, &line, &seats("A1 A3 B1"));
    let said: Vec<_> = (0..line.len()).map(|place| why(&plan, &decision, &line, place)).collect();
    assert_eq!(said[0], Why::OtherSeats);
    assert_eq!(said[3], Why::GivenToEarlier { to: vec![entry("first"), entry("same")] });
    assert_eq!(said[4], said[3]);
    assert_eq!(decision.went(&seats("B1")[0]), Some(Went::OnSale));
    let only_kept_places = Decision { freed: seats("B1"), ..decision.clone() };
    assert_eq!(why(&plan, &only_kept_places, &line, 4), Why::OtherKind);
    let off = Decision { price: None, given: vec![], ..decision };
    assert_eq!(why(&plan, &off, &line, 4), Why::OffTheProgram);
}

#[test]
fn too_few_and_not_together_say_how_many_and_whether_they_rested() {
    let (plan, _) = house(&["oo oo"]);
    let resting = Waiter { gathers_until: Some(at(0)), ..waiter("three", party(3)) };
    let line = [resting, waiter("apart", together(2))];
    let decision = Decision { kept: None, ..round(&plan, &line, &seats("A1 A3")) };
    let rests_until = Some(at(300));
    assert_eq!(why(&plan, &decision, &line, 0), Why::TooFew { usable: 2, rests_until });
    assert_eq!(why(&plan, &decision, &line, 1), Why::NotTogether { usable: 2, rests_until: None });
    let rested = Waiter { gathers_until: Some(at(-300)), ..line[0].clone() };
    assert_eq!(why(&plan, &decision, &[rested], 0), Why::TooFew { usable: 2, rests_until: None });
}

#[test]
fn who_was_being_offered_seats_was_not_asked() {
    let (plan, _) = house(&["oo oo"]);
    let line = [waiter("one", party(1))];
    let decision = Decision { given: vec![], ..round(&plan, &line, &seats("A1")) };
    let offer = |second, escrow: &str, gone| PastOffer {
        at: at(second),
        seats: seats("A4"),
        escrow_ids: vec![EscrowId::parse(escrow).unwrap()],
        gone,
    };
    for (offer, expected) in [
        (offer(9, "x", false), Why::BeingOffered { seats: seats("A4") }),
        (offer(9, "e", true), Why::SeatsWereGone { seats: seats("A4") }),
        (offer(9, "x", true), Why::Unexplained),
        (offer(11, "x", false), Why::Unexplained),
    ] {
        let asker = Asker { place: 0, waiter: line[0].clone(), offers: &[offer] };
        assert_eq!(decision.why(&plan, &asker, TERMS.rest), expected);
    }
}

proptest! {
    /// The rule and its explanation are two things; nobody is ever told that there is none.
    #[test]
    fn every_round_is_explained_to_everybody(
        wishes in proptest::collection::vec(any_wish(), 1..14),
        freed in proptest::collection::btree_set(0usize..16, 1..16),
    ) {
        let (plan, _) = house(&ROWS);
        let line: Vec<_> = wishes.iter().enumerate().map(|(at, wish)| waiter(&format!("w{at}"), wish.clone())).collect();
        let freed = plan.ids(freed);
        let decision = round(&plan, &line, &freed);
        for place in 0..line.len() {
            let said = why(&plan, &decision, &line, place);
            prop_assert_ne!(&said, &Why::Unexplained, "{} of {:?}", place, decision);
            let given = decision.given.iter().any(|given| given.place == place_of(place));
            prop_assert_eq!(given, matches!(said, Why::Offered { .. }));
            let read: Why = serde_json::from_value(serde_json::to_value(&said).unwrap()).unwrap();
            prop_assert_eq!(read, said);
        }
        let every = freed.iter().all(|seat| decision.went(seat).is_some());
        prop_assert!(every, "{:?}", decision);
    }
}
