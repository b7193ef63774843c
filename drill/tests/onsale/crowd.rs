//! Many at once.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::id::SeatId;
use domain::status::SeatStatus;
use drill::fleet::Fleet;
use drill::history::{History, Recorder, Sight, Step};
use drill::onsale::{Curve, Plan, run};
use drill::report::Report;

use crate::{ALONE, bookings, ends, pictures};

/// Quick, and nobody leaves a hold behind that would lapse in the middle of the next test.
fn plan() -> Plan {
    Plan {
        seed: 11,
        curve: Curve::DoorsOpen,
        buyers: Some(120),
        rate: 60.0,
        shows: 2,
        bots: 0.0,
        abandon: 0.0,
        lapse: 0.0,
        replay: 0.5,
        reuse: 0.3,
        declined: 0.1,
        cancel: 0.1,
        think: Duration::from_millis(40),
        patience: Duration::from_secs(1),
        watchers: 6,
        rest: Duration::from_secs(1),
        quiet: true,
        ..Plan::default()
    }
}

/// A run with nothing unexpected.
async fn sold(plan: &Plan) -> (History, Report) {
    let recorder = Recorder::new();
    run(&Fleet::from_environment().unwrap().url, plan, &recorder).await.unwrap();
    let history = recorder.history();
    let report = Report::of(&history);
    assert!(report.as_expected(), "{report}");
    (history, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_answered_and_all_see_the_same_in_the_end() {
    let _alone = ALONE.lock().await;
    let (history, report) = sold(&plan()).await;
    assert_eq!((report.arrivals.came, report.arrivals.missed, report.out_of_step), (120, 0, 0), "{report}");
    assert!(report.sold.seats > 0 && report.change_to_watcher.count > 0, "{report}");
    for (op, ends) in ends(&history) {
        assert_eq!(ends.len(), 1, "request {op} ended as {ends:?}");
    }
    let answers = |step| report.steps.iter().find(|row| row.step == step).unwrap().answers.clone();
    for step in [Step::Hold, Step::Confirm] {
        assert!(answers(step).contains_key("422 idempotency_key_reused"), "{report}");
    }
    assert!(answers(Step::Confirm).contains_key("402 payment_declined"), "{report}");
    agree(&history);
}

/// Watchers and new visitors have the same picture of each show, and every booking is part of one.
fn agree(history: &History) {
    let mut booked = BTreeSet::<(String, SeatId)>::new();
    let pictures = pictures(history);
    assert_eq!(pictures.len(), 2);
    for (show, views) in pictures {
        assert!(views.len() >= 4, "{show} was seen by {} only", views.len());
        assert!(views.iter().all(|view| *view == views[0]), "{views:#?}");
        let Sight::Picture { seats, .. } = views[0] else { unreachable!("only pictures are collected") };
        let sold = seats.iter().filter(|(_, status)| **status == SeatStatus::Booked);
        booked.extend(sold.map(|(seat, _)| (show.to_string(), seat.clone())));
    }
    for (booking, seats) in bookings(history) {
        let in_a_picture = seats.iter().all(|seat| booked.iter().any(|(_, sold)| sold == seat));
        assert!(in_a_picture, "{booking} of {seats:?} is in no picture");
    }
}
