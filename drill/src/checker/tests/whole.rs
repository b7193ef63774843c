//! One of each invariant, as it holds and as it does not; and how a verdict reads.

use domain::status::HoldStatus;

use super::told::{self, Told, booking, entry, fails, hold, lost, seat, seats, show, unavailable, wall};
use crate::books::{Books, Complaint};
use crate::history::{Call, Effect, Sight, Step, What};

/// A day at the house: a sale, a sale taken back, a hold given back, one that lapsed, a refusal, somebody in line.
fn day() -> Told {
    let mut told = Told::new();
    told.sees(4, 50, Sight::Opened { show: show() });
    told.holds(1, (100, 120), &["A1", "A2"], "hold_1", 5_000);
    told.refused(2, (110, 130), &["A2", "A3"], &["A2"]);
    told.confirms(1, (200, 260), "hold_1", "booking_1");
    told.holds(3, (300, 320), &["A3"], "hold_3", 5_300);
    told.releases(3, (400, 410), "hold_3");
    told.holds(4, (415, 430), &["A3"], "hold_4", 5_400);
    told.lapses("hold_4");
    told.sees(4, 5_600, Sight::HoldExpired { hold: hold("hold_4") });
    told.waits(5, 6_000, 1, &["A1"]);
    told.cancels(1, (7_000, 7_050), "booking_1");
    told.decides(5, 7_060, &["A1"]);
    told.offers(5, 7_070, 7_090, &["A1"], "hold_5", 9_000);
    told.confirms(5, (8_000, 8_040), "hold_5", "booking_5");
    told.books.entries[0].ended_at_ns = Some(wall(8_100));
    let sold = [(seat("A1"), domain::status::SeatStatus::Booked)].into();
    told.sees(4, 20_000, Sight::Picture { show: show(), version: 9, seats: sold });
    told
}

#[test]
fn a_day_at_the_house_is_as_it_should_be() {
    let verdict = day().verdict();
    assert!(verdict.holds(), "{verdict}");
    assert!(verdict.judgements.iter().all(|judgement| judgement.checked > 0), "{verdict}");
}

#[test]
fn every_invariant_can_be_broken_alone() {
    type Spoil = fn(&mut Told);
    let cases: [(u8, Spoil); 10] = [
        (1, |told| {
            let complaint = "two bookings for a moment".to_owned();
            told.books.complaints.push(Complaint {
                at_ns: wall(1),
                invariant: 1,
                show: None,
                text: complaint,
            });
        }),
        (2, |told| {
            // All of it is gone, the hold that it came from as it was when it lapsed.
            told.books.bookings.retain(|row| row.booking != booking("booking_5"));
            told.books.booking_seats.retain(|row| row.booking != booking("booking_5"));
            told.hold_mut("hold_5").status = HoldStatus::Expired;
            told.books.claims.retain(|claim| claim.seat != seat("A1"));
            told.history
                .records
                .retain(|record| !matches!(record.what, What::Saw { sight: Sight::Picture { .. }, .. }));
        }),
        (3, |told| told.refused(6, (60_000, 60_010), &["A4"], &["A4"])),
        (4, |told| told.asks_to_confirm(3, (330, 340), "hold_3", "k", fails(410, "hold_expired"))),
        (5, |told| told.sees(4, 5_700, Sight::HoldExpired { hold: hold("hold_4") })),
        (6, |told| {
            told.waits(6, 6_500, 1, &[]);
            told.books.entries.swap(0, 1);
            (told.books.entries[0].seq, told.books.entries[1].seq) = (0, 1);
        }),
        (7, |told| {
            let sight = Sight::OutOfStep { show: show(), before: 5, after: 4, snapshot: true };
            told.sees(4, 900, sight);
        }),
        (8, |told| told.request(6, (900, 990), Call::Read { step: Step::Seats }, lost)),
        (9, |told| {
            let names = seats(&["A1"]);
            told.asks_to_confirm(5, (8_100, 8_140), "hold_5", "booking_5", |op| {
                let effect = Effect::Booking {
                    booking: booking("booking_5"),
                    hold: hold("hold_5"),
                    seats: names,
                    body: "another".into(),
                };
                What::Ok { op, status: 201, effect }
            });
        }),
        (10, |told| told.books.shows[0].capacity = 5),
    ];
    for (number, spoil) in cases {
        let mut told = day();
        spoil(&mut told);
        let verdict = told.verdict();
        assert_eq!(verdict.violated(), [number], "{verdict}");
        assert!(verdict.to_string().ends_with(&format!("VIOLATED: [{number}]\n")));
    }
}

#[test]
fn without_books_only_what_was_told_is_judged() {
    let mut told = day();
    told.books = Books::default();
    assert!(told.verdict().holds(), "{}", told.verdict());
    told.holds(7, (8_200, 8_210), &["A1"], "hold_7", 13_000);
    told.books = Books::default();
    assert_eq!(told.violated(), [3, 4]);
}

#[test]
fn a_story_is_what_happened_in_lines_with_times_buyers_and_answers() {
    let mut told = Told::new();
    for buyer in 10..40_u32 {
        told.asks(buyer, (u64::from(buyer), 400), &["A1"], "k", unavailable(&["A1"]));
    }
    told.holds(1, (100, 120), &["A1"], "hold_1", 5_000);
    told.holds(2, (200, 215), &["A1"], "hold_2", 5_100);
    let verdict = told.verdict();
    let story = &verdict.judgements[2].violations[0];
    assert_eq!(story.title, "A1 of show_1 had two owners at once, or changed hands without reason");
    let expected = [
        "   0.100000  buyer 1     holds A1 of show_1, key hold_1  →    0.120000 201 hold_1 of A1 until    5.000000",
        "   0.200000  buyer 2     holds A1 of show_1, key hold_2  →    0.215000 201 hold_2 of A1 until    5.100000",
        "   5.000000  deadline    of hold_1",
        "   5.100000  deadline    of hold_2",
    ];
    assert_eq!(story.lines, expected);
}

#[test]
fn of_many_violations_few_are_told_and_all_are_counted() {
    let mut told = Told::new();
    for buyer in 0..20 {
        told.request(buyer, (900, 990), Call::Leave { entry: entry("entry_1") }, lost);
    }
    let verdict = told.verdict();
    let judgement = &verdict.judgements[7];
    assert_eq!((judgement.violated, judgement.violations.len()), (20, 5));
    assert!(verdict.to_string().contains("and 15 more"));
}

#[test]
fn a_fault_excuses_what_it_may() {
    let mut told = Told::new();
    told.request(6, (900, 990), Call::Read { step: Step::Seats }, lost);
    let mut killed = told.clone();
    told::fault(&mut killed, (880, 960), "kill", "reservations-1");
    assert_eq!(killed.violated(), [8]);
    told::fault(&mut told, (880, 960), "balancer_kill", "balancer");
    assert_eq!(told.violated(), [0_u8; 0]);
}
