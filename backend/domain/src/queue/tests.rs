use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::hold::{Party, Seating};
use crate::plan::drawn::{house, names};

pub(super) const TERMS: Terms = Terms { gather: Duration::from_mins(1), rest: Duration::from_mins(5) };

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn price() -> Money {
    Money { amount: 1_250, currency: "USD".to_owned() }
}

pub(super) fn seats(names: &str) -> Vec<SeatId> {
    names.split(' ').filter(|name| !name.is_empty()).map(|name| SeatId::parse(name).unwrap()).collect()
}

pub(super) fn waiter(name: &str, wish: Wish) -> Waiter {
    Waiter {
        entry_id: EntryId::parse(name).unwrap(),
        session_id: SessionId::parse(name).unwrap(),
        wish,
        gathers_until: None,
    }
}

pub(super) fn party(size: usize) -> Wish {
    Wish::any(Party::try_from(size).unwrap())
}

pub(super) fn together(size: usize) -> Wish {
    Wish { together: true, ..party(size) }
}

pub(super) fn named(size: usize, names: &str) -> Wish {
    Wish { seats: seats(names), ..party(size) }
}

/// What one round at second 0 gives, keeps and leaves, of seats that may be kept until 60.
fn round(rows: &[&str], line: &[Waiter], freed: &str) -> (Vec<String>, String, String) {
    let (plan, _) = house(rows);
    let freed: Vec<_> = seats(freed).into_iter().map(|seat| Freed { seat, keep_until: at(60) }).collect();
    let price = price();
    let (given, left) = serve(Round::new(House { plan: &plan, price: &price }, &freed, at(0), TERMS), line);
    let text = |seats: &[SeatId]| seats.iter().map(SeatId::as_str).collect::<Vec<_>>().join(" ");
    let given = given.iter().map(|each| format!("{}: {}", each.entry_id.as_str(), text(&each.seats)));
    let kept = left.gathering.map(|kept| format!("{}: {}", kept.entry_id.as_str(), text(&kept.seats)));
    (given.collect(), kept.unwrap_or_default(), text(&left.rest))
}

#[test]
fn the_first_whom_the_seats_fit_gets_them() {
    let line = [waiter("picky", named(1, "B1")), waiter("two", party(2)), waiter("one", party(1))];
    let (given, kept, rest) = round(&["oooo", "oooo"], &line, "A1 A2");
    assert_eq!((given, kept.as_str(), rest.as_str()), (vec!["two: A1 A2".to_owned()], "", ""));
}

#[test]
fn what_nobody_wants_is_left() {
    let (given, kept, rest) = round(&["oooo", "oooo"], &[waiter("picky", named(1, "B1"))], "A1");
    assert_eq!((given, kept.as_str(), rest.as_str()), (vec![], "", "A1"));
}

#[test]
fn who_is_too_many_gathers_and_those_behind_have_what_it_could_not_use() {
    let line = [waiter("four", named(4, "A1 A2 A3 A4")), waiter("one", party(1)), waiter("late", party(1))];
    let (given, kept, rest) = round(&["oooo", "oooo"], &line, "A1 A2 B1");
    assert_eq!((given, kept.as_str(), rest.as_str()), (vec!["one: B1".to_owned()], "four: A1 A2", ""));
}

#[test]
fn a_party_that_sits_together_gathers_one_block() {
    let line = [waiter("three", together(3)), waiter("one", party(1))];
    let (given, kept, rest) = round(&["ooo ooo"], &line, "A1 A4 A6");
    assert_eq!((given, kept.as_str(), rest.as_str()), (vec!["one: A1".to_owned()], "three: A4 A6", ""));
}

#[test]
fn together_is_in_one_row_and_not_across_an_aisle() {
    let line = [waiter("two", together(2)), waiter("any", party(2))];
    let (given, ..) = round(&["oo oo", "oooo"], &line, "A2 A3 B2 B4");
    assert_eq!(given, ["any: A2 A3"], "B2 is kept");
    let (given, ..) = round(&["oo oo", "oooo"], &line, "A2 A3 B2 B3");
    assert_eq!(given, ["two: B2 B3", "any: A2 A3"]);
}

#[test]
fn places_that_are_kept_go_to_those_who_ask_or_name_them() {
    let wheelchair = Wish { seating: Seating::Accessible, ..party(2) };
    let line = [waiter("any", party(1)), waiter("wheel", wheelchair), waiter("named", named(1, "A5"))];
    let (given, kept, rest) = round(&["wc oow"], &line, "A1 A2 A5");
    assert_eq!(given, ["wheel: A1 A2", "named: A5"]);
    assert_eq!((kept.as_str(), rest.as_str()), ("", ""));
    let (given, kept, rest) = round(&["wc oow"], &line[..2], "A2");
    assert_eq!((given, kept.as_str(), rest.as_str()), (vec![], "wheel: A2", ""));
}

#[test]
fn who_would_not_pay_the_price_is_passed_over_and_gathers_nothing() {
    let ceiling = |amount, currency: &str| Wish {
        price_max: Some(Money { amount, currency: currency.to_owned() }),
        ..party(1)
    };
    let line = [
        waiter("poor", Wish { party: Party::try_from(2).unwrap(), ..ceiling(1_249, "USD") }),
        waiter("elsewhere", ceiling(9_999, "EUR")),
        waiter("exact", ceiling(1_250, "USD")),
    ];
    let (given, kept, _) = round(&["oo"], &line, "A1");
    assert_eq!((given, kept.as_str()), (vec!["exact: A1".to_owned()], ""));
}

#[test]
fn what_can_never_be_is_known() {
    let (plan, _) = house(&["oo oo", "wc oo"]);
    let possible = |wish: Wish| wish.possible(&plan).map_err(|why| why.to_string());
    assert_eq!(possible(together(2)), Ok(()));
    assert!(possible(together(3)).unwrap_err().contains("beside each other"));
    assert!(possible(party(7)).unwrap_err().contains("only 6"));
    assert!(possible(named(1, "C1")).unwrap_err().contains("C1"));
    assert_eq!(possible(Wish { seating: Seating::Accessible, ..party(2) }), Ok(()));
    assert!(possible(Wish { seating: Seating::Accessible, ..party(3) }).is_err());
    assert!(possible(Wish { together: true, ..named(2, "A2 A3") }).is_err());
}

/// One who gathers from second 0 on, asked again at `second` with a seat that may be kept for long.
fn kept_at(second: i64, gathers_until: Option<i64>) -> Option<Gathering> {
    let (plan, _) = house(&["oooo"]);
    let price = price();
    let freed = [Freed { seat: seats("A1")[0].clone(), keep_until: at(10_000) }];
    let four = Waiter { gathers_until: gathers_until.map(at), ..waiter("four", party(4)) };
    let round = Round::new(House { plan: &plan, price: &price }, &freed, at(second), TERMS);
    serve(round, &[four]).1.gathering
}

#[test]
fn gathering_ends_and_rests_before_it_begins_again() {
    assert_eq!(kept_at(0, None).unwrap().until, at(60));
    assert_eq!(kept_at(59, Some(60)).unwrap().until, at(60));
    assert_eq!(kept_at(60, Some(60)), None);
    assert_eq!(kept_at(359, Some(60)), None);
    assert_eq!(kept_at(360, Some(60)).unwrap().until, at(420));
}

#[test]
fn while_one_rests_only_smaller_parties_gather_behind_it() {
    let resting = Waiter { gathers_until: Some(at(0)), ..waiter("three", party(3)) };
    let line = |size| [resting.clone(), waiter("behind", party(size))];
    for (size, kept) in [(2, "behind: A1"), (3, ""), (4, "")] {
        assert_eq!(round(&["oooo"], &line(size), "A1").1, kept, "{size}");
    }
}

#[test]
fn a_seat_past_its_own_bound_is_kept_for_nobody_and_fits_all_the_same() {
    let (plan, _) = house(&["oooo"]);
    let price = price();
    let freed = [("A1", 0), ("A2", 9)]
        .map(|(seat, until)| Freed { seat: seats(seat)[0].clone(), keep_until: at(until) });
    let ask = |size| {
        let round = Round::new(House { plan: &plan, price: &price }, &freed, at(1), TERMS);
        serve(round, &[waiter("party", party(size))])
    };
    let (given, left) = ask(3);
    let gathering = left.gathering.unwrap();
    assert_eq!((given.len(), gathering.seats, left.rest), (0, seats("A2"), seats("A1")));
    assert_eq!(gathering.look_at, at(9), "that seat ends before the gathering");
    assert_eq!(ask(2).0.len(), 1);
}

/// A wish of any kind for a house of two rows.
pub(super) fn any_wish() -> impl Strategy<Value = Wish> {
    let seats = proptest::option::weighted(0.3, proptest::collection::btree_set(0usize..16, 1..9));
    (1usize..=4, any::<bool>(), seats, proptest::bool::weighted(0.15)).prop_map(
        |(size, together, seats, accessible)| {
            let seats = seats.filter(|_| !accessible).unwrap_or_default();
            let name = |at: usize| SeatId::parse(format!("{}{}", ["A", "B"][at / 8], at % 8 + 1)).unwrap();
            let mut seats: Vec<_> = seats.into_iter().map(name).collect();
            seats.sort();
            let seating = if accessible { Seating::Accessible } else { Seating::Standard };
            Wish { together, seats, seating, ..party(size) }
        },
    )
}

pub(super) const ROWS: [&str; 2] = ["oooo oooo", "wcoo oooo"];

/// Rounds with more and more seats: what is kept stays for the next, what is given or left is gone.
struct Evening<'a> {
    house: House<'a>,
    line: Vec<Waiter>,
    kept: Vec<Freed>,
    now: i64,
    given: Vec<(usize, Assignment)>,
    left: Vec<SeatId>,
}

impl Evening<'_> {
    fn round(&mut self, at_round: usize, freed: &[usize]) {
        let plan = self.house.plan;
        let keep_until = at(self.now + 60);
        let fresh = freed.iter().map(|seat| Freed { seat: plan.id(*seat).clone(), keep_until });
        let free: Vec<_> = self.kept.drain(..).chain(fresh).collect();
        let round = Round::new(self.house, &free, at(self.now), TERMS);
        let (given, left) = serve(round, &self.line);
        self.line.retain(|waiter| given.iter().all(|each| each.entry_id != waiter.entry_id));
        self.given.extend(given.into_iter().map(|each| (at_round, each)));
        self.left.extend(left.rest);
        if let Some(gathering) = left.gathering {
            let gatherer = self.line.iter_mut().find(|waiter| waiter.entry_id == gathering.entry_id);
            gatherer.unwrap().gathers_until = Some(gathering.until);
            self.kept = free.into_iter().filter(|freed| gathering.seats.contains(&freed.seat)).collect();
        }
    }
}

/// The whole line, or only its first so many, through the same evening.
fn evening<'a>(house: House<'a>, wishes: &[Wish], rounds: &[(i64, Vec<usize>)]) -> Evening<'a> {
    let line = wishes.iter().enumerate().map(|(at, wish)| waiter(&format!("w{at}"), wish.clone()));
    let mut evening = Evening {
        house,
        line: line.collect(),
        kept: Vec::new(),
        now: 0,
        given: Vec::new(),
        left: Vec::new(),
    };
    let mut used = HashSet::new();
    for (at_round, (pause, freed)) in rounds.iter().enumerate() {
        evening.now += pause;
        // A seat comes free once.
        let fresh: Vec<_> = freed.iter().copied().filter(|seat| used.insert(*seat)).collect();
        evening.round(at_round, &fresh);
        for freed in &evening.kept {
            assert!(freed.keep_until > at(evening.now), "kept past its bound");
        }
    }
    evening
}

proptest! {
    #[test]
    fn what_fits_some_seats_fits_more(wish in any_wish(), free in any::<u16>(), more in any::<u16>()) {
        let (plan, _) = house(&ROWS);
        let some = |bits: u16| {
            let mut taken = Taken::all(plan.capacity());
            for at in (0..16).filter(|at| bits & (1 << at) != 0) {
                taken.release(at);
            }
            taken
        };
        if let Some(seats) = fitting::fit(&plan, &wish, &some(free)) {
            prop_assert_eq!(seats.len(), wish.party.size());
            prop_assert!(seats.iter().all(|seat| free & (1 << seat) != 0 && fitting::wants(&plan, &wish, *seat)), "{}", names(&plan, seats));
            prop_assert!(fitting::fit(&plan, &wish, &some(free | more)).is_some());
        } else {
            let useful = fitting::useful(&plan, &wish, &some(free));
            prop_assert!(useful.iter().all(|seat| free & (1 << seat) != 0));
            prop_assert!(useful.len() < wish.party.size(), "what is enough fits");
        }
    }

    #[test]
    fn an_evening_loses_no_seat_gives_none_twice_and_serves_the_same_wish_in_order(
        wishes in proptest::collection::vec(any_wish(), 1..14),
        rounds in proptest::collection::vec((0i64..40, proptest::collection::vec(0usize..16, 0..5)), 1..14),
    ) {
        let (plan, _) = house(&ROWS);
        let price = price();
        let whole = evening(House { plan: &plan, price: &price }, &wishes, &rounds);
        let freed: HashSet<_> = rounds.iter().flat_map(|(_, freed)| freed).map(|seat| plan.id(*seat).clone()).collect();
        let mut seen = HashSet::new();
        let given = whole.given.iter().flat_map(|(_, each)| each.seats.clone());
        let kept = whole.kept.iter().map(|freed| freed.seat.clone());
        for seat in given.chain(whole.left.iter().cloned()).chain(kept) {
            prop_assert!(seen.insert(seat), "given twice");
        }
        prop_assert_eq!(seen, freed);

        let served: Vec<usize> = whole.given.iter().map(|(_, each)| each.entry_id.as_str()[1..].parse().unwrap()).collect();
        for (place, later) in served.iter().enumerate() {
            for earlier in (0..*later).filter(|earlier| wishes[*earlier] == wishes[*later]) {
                prop_assert!(served[..place].contains(&earlier), "w{later} overtook w{earlier}");
            }
        }
    }

    /// Backfilling: nobody is served later, or with other seats, for those behind who are served with what is left. (What is *kept*
    /// for somebody behind stays in reach of those ahead for a while: that can only be more than they had.)
    #[test]
    fn those_who_are_served_from_behind_delay_nobody(
        wishes in proptest::collection::vec(any_wish(), 1..10),
        behind in 1usize..10,
        rounds in proptest::collection::vec((0i64..40, proptest::collection::vec(0usize..16, 0..5)), 1..14),
    ) {
        let (plan, _) = house(&ROWS);
        let price = price();
        let house = House { plan: &plan, price: &price };
        let alone = evening(house, &wishes, &rounds);
        let all: Vec<_> = wishes.iter().cloned().chain(std::iter::repeat_n(party(1), behind)).collect();
        let whole = evening(house, &all, &rounds);
        let of_front = |given: &[(usize, Assignment)]| -> Vec<_> {
            given.iter().filter(|(_, each)| each.entry_id.as_str()[1..].parse::<usize>().unwrap() < wishes.len()).cloned().collect()
        };
        prop_assert_eq!(of_front(&alone.given), of_front(&whole.given));
    }
}
