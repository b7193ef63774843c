//! How long it takes to judge a rush. Measured by hand: `cargo test --release -p drill --lib -- --ignored --nocapture rush`.

use domain::id::{BookingId, HoldId, SeatId, ShowId};

use super::told::{BEGAN_AT_NS, lost};
use crate::books::Books;
use crate::checker::allowances::millis;
use crate::checker::judge;
use crate::history::{Call, Effect, History, Record, What};

/// Every seat is wanted by so many at a time, again and again.
const SHOWS: u64 = 10;
const SEATS: u64 = 50;
const ROUNDS: u64 = 2;
const CONTENDERS: u64 = 300;

#[test]
#[ignore = "a measurement"]
fn a_rush_is_judged_soon() {
    let mut records = Vec::new();
    for place in 0..SHOWS * SEATS {
        rush(&mut records, place / SEATS, place);
    }
    records.sort_by_key(|record: &Record| record.at);
    let ops = records.len() / 2;
    let history = History { began_at_ns: BEGAN_AT_NS, records };
    let books = Books { read_at_ns: Some(BEGAN_AT_NS), ..Books::default() };
    let began = std::time::Instant::now();
    let verdict = judge(&history, &books);
    eprintln!("{ops} operations in {:.1} s\n{verdict}", began.elapsed().as_secs_f64());
    assert_eq!(verdict.judgements[2].violated, 0);
}

/// One seat: somebody holds it and many are refused, all at once; the hold is confirmed and cancelled, and it begins again.
fn rush(records: &mut Vec<Record>, show: u64, place: u64) {
    let show = ShowId::parse(format!("show_{show}")).unwrap();
    let seats = vec![SeatId::parse(format!("S{place}")).unwrap()];
    for round in 0..ROUNDS {
        let begin = 4_000 * round + place % 7;
        let of = format!("{place}_{round}");
        let (hold, booking) =
            (HoldId::parse(format!("h{of}")).unwrap(), BookingId::parse(format!("b{of}")).unwrap());
        let mut add = |number: u64, from: u64, until: u64, call: Call, end: &dyn Fn(u64) -> What| {
            let op = (place * ROUNDS + round) * (CONTENDERS + 10) + number;
            let buyer = (op % 40_000) as u32;
            records.push(Record { at: millis(begin + from), what: What::Invoke { op, buyer, call } });
            records.push(Record { at: millis(begin + until), what: end(op) });
        };
        let asks = |key: String| Call::Hold { show: show.clone(), seats: seats.clone(), party: 1, key };
        let expires_at_ns = BEGAN_AT_NS + millis(begin + 300_000);
        let told = Effect::Hold { hold: hold.clone(), seats: seats.clone(), expires_at_ns };
        add(0, 0, 60, asks(format!("k{of}")), &|op| What::Ok { op, status: 201, effect: told.clone() });
        for number in 1..CONTENDERS {
            let refused = |op| What::Fail {
                op,
                status: 409,
                code: "seats_unavailable".into(),
                retry_after: false,
                lost: seats.clone(),
            };
            add(number, number * 3, number * 3 + 200, asks(format!("k{of}_{number}")), &refused);
        }
        let confirms = Call::Confirm { hold: hold.clone(), key: format!("c{of}"), token: "ok".into() };
        let sold =
            Effect::Booking { booking: booking.clone(), hold: hold.clone(), seats: seats.clone(), body: of };
        add(CONTENDERS, 100, 500, confirms.clone(), &lost);
        add(CONTENDERS + 1, 600, 900, confirms, &|op| What::Ok { op, status: 201, effect: sold.clone() });
        let done = |op| What::Ok { op, status: 200, effect: Effect::Nothing };
        add(CONTENDERS + 2, 2_000, 2_100, Call::Cancel { booking }, &done);
    }
}
