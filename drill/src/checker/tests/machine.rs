//! A tiny house that does everything right, driven at random: what it tells is always believed. Changed in one place to
//! what no house could tell, it never is.

mod lies;

use proptest::prelude::*;

use super::told::{On, Told, booked, extended, fails, lost, seats, show, unavailable};
use crate::history::Sight;
use lies::LIES;

const SEATS: [&str; 4] = ["A1", "A2", "A3", "A4"];
const BUYERS: u32 = 5;
/// How long a hold lasts, and after how long its lapsing is announced at the latest.
const LASTS_MS: u64 = 3_000;
const ANNOUNCED_MS: u64 = 900;
/// By how much it is extended, and how much time there is to pay.
const EXTENSION_MS: u64 = 1_500;
const GRACE_MS: u64 = 700;

/// One step of the drive.
#[derive(Debug, Clone)]
struct Step {
    action: Action,
    buyer: u32,
    pick: usize,
    /// After the step before.
    gap_ms: u64,
    /// How long it takes until it is done, and then until it is known.
    there_ms: u64,
    back_ms: u64,
    /// Its answer is lost.
    lost: bool,
}

#[derive(Debug, Clone)]
enum Action {
    Hold(Vec<usize>),
    HoldAgain,
    Extend,
    Decline,
    Confirm,
    Release,
    Cancel,
}

fn step() -> impl Strategy<Value = Step> {
    let action = prop_oneof![
        5 => proptest::sample::subsequence((0..SEATS.len()).collect::<Vec<_>>(), 1..=2).prop_map(Action::Hold),
        1 => Just(Action::HoldAgain),
        2 => Just(Action::Extend),
        1 => Just(Action::Decline),
        4 => Just(Action::Confirm),
        2 => Just(Action::Release),
        2 => Just(Action::Cancel),
    ];
    (action, 1..=BUYERS, any::<usize>(), 0..1_200_u64, 1..120_u64, 1..120_u64, proptest::bool::weighted(0.1))
        .prop_map(|(action, buyer, pick, gap_ms, there_ms, back_ms, lost)| Step {
            action,
            buyer,
            pick,
            gap_ms,
            there_ms,
            back_ms,
            lost,
        })
}

#[derive(Debug, Clone)]
struct Kept {
    name: String,
    buyer: u32,
    seats: Vec<&'static str>,
    /// As its first answer has it, and as it is.
    first_until_ms: u64,
    until_ms: u64,
    /// When its buyer knew of it, if they do.
    known_ms: Option<u64>,
    state: State,
    extended: bool,
    graced: bool,
    booking: Option<String>,
    /// When its buyer knew of the booking.
    sold_ms: Option<u64>,
    /// The first moment at which somebody asked for its end.
    end_asked_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Held,
    Booked,
    /// Past its deadline; what lapsed may be sold all the same.
    Lapsed,
    Over,
}

#[derive(Debug)]
struct House {
    told: Told,
    now_ms: u64,
    holds: Vec<Kept>,
}

impl House {
    fn driven(steps: &[Step]) -> Self {
        let mut house = Self { told: Told::new(), now_ms: 1_000, holds: Vec::new() };
        for buyer in 1..=BUYERS {
            house.told.sees(buyer, 0, Sight::Opened { show: show() });
        }
        for step in steps {
            house.now_ms += step.gap_ms;
            house.lapse();
            house.take(step);
        }
        house.now_ms += LASTS_MS + EXTENSION_MS + GRACE_MS + ANNOUNCED_MS;
        house.lapse();
        house.told.sees(1, house.now_ms + 5_000, Sight::Opened { show: show() });
        house
    }

    /// Whatever is past its deadline is over, and its buyer is told a little later.
    fn lapse(&mut self) {
        for hold in &mut self.holds {
            if hold.state == State::Held && hold.until_ms <= self.now_ms {
                hold.state = State::Lapsed;
                self.told.lapses(&hold.name);
                let late_ms = hold.until_ms % ANNOUNCED_MS;
                let sight = Sight::HoldExpired { hold: super::told::hold(&hold.name) };
                self.told.sees(hold.buyer, hold.until_ms + late_ms, sight);
            }
        }
    }

    fn take(&mut self, step: &Step) {
        let on = (self.now_ms - step.there_ms, self.now_ms + step.back_ms);
        match &step.action {
            Action::Hold(places) => self.hold(step, on, places),
            Action::HoldAgain => self.hold_again(step, on),
            Action::Extend => self.extend(step, on),
            Action::Decline => self.decline(step, on),
            Action::Confirm => self.confirm(step, on),
            Action::Release => self.release(step, on),
            Action::Cancel => self.cancel(step, on),
        }
    }

    fn hold(&mut self, step: &Step, on: On, places: &[usize]) {
        let wanted: Vec<&'static str> = places.iter().map(|place| SEATS[*place]).collect();
        let taken = self.taken(&wanted);
        if !taken.is_empty() {
            let key = format!("key_{}", self.told.history.records.len());
            if step.lost {
                self.told.asks(step.buyer, on, &wanted, &key, lost);
            } else {
                self.told.asks(step.buyer, on, &wanted, &key, unavailable(&taken));
            }
            return;
        }
        let name = format!("hold_{}", self.holds.len());
        let until_ms = self.now_ms + LASTS_MS;
        if step.lost {
            self.told.holds_unheard(step.buyer, on, &wanted, &name, until_ms);
        } else {
            self.told.holds(step.buyer, on, &wanted, &name, until_ms);
        }
        self.holds.push(Kept {
            name,
            buyer: step.buyer,
            seats: wanted,
            first_until_ms: until_ms,
            until_ms,
            known_ms: (!step.lost).then_some(on.1),
            state: State::Held,
            extended: false,
            graced: false,
            booking: None,
            sold_ms: None,
            end_asked_ms: u64::MAX,
        });
    }

    /// Those of these seats that somebody has.
    fn taken(&self, wanted: &[&'static str]) -> Vec<&'static str> {
        let live = self.holds.iter().filter(|hold| matches!(hold.state, State::Held | State::Booked));
        live.flat_map(|hold| hold.seats.iter().copied()).filter(|seat| wanted.contains(seat)).collect()
    }

    /// Once, and not when it is over.
    fn extend(&mut self, step: &Step, on: On) {
        let Some(at) = pick(step.pick, &self.holds, |hold| self.knows(hold)) else { return };
        let hold = self.holds[at].clone();
        let on = (on.0.max(hold.known_ms.unwrap_or_default()), on.1);
        let refusal = match hold.state {
            _ if hold.booking.is_some() => Some((409, "already_booked")),
            State::Held => hold.extended.then_some((409, "extension_used")),
            State::Booked | State::Lapsed | State::Over => Some((410, "hold_expired")),
        };
        if let Some((status, code)) = refusal {
            return self.told.asks_to_extend(hold.buyer, on, &hold.name, fails(status, code));
        }
        let until_ms = hold.until_ms + EXTENSION_MS;
        (self.holds[at].until_ms, self.holds[at].extended) = (until_ms, true);
        self.told.write_extension(&hold.name, until_ms);
        if step.lost {
            self.told.asks_to_extend(hold.buyer, on, &hold.name, lost);
        } else {
            self.told.asks_to_extend(hold.buyer, on, &hold.name, extended(&hold.name, until_ms));
        }
    }

    /// A payment begins, and its card is declined.
    fn decline(&mut self, step: &Step, on: On) {
        let held = |hold: &Kept| hold.state == State::Held && self.knows(hold);
        let Some(at) = pick(step.pick, &self.holds, held) else { return };
        let (name, buyer) = (self.holds[at].name.clone(), self.holds[at].buyer);
        let on = (on.0.max(self.holds[at].known_ms.unwrap_or_default()), on.1);
        self.grace(at);
        let key = format!("declined_{}", self.told.history.records.len());
        self.told.asks_to_confirm(buyer, on, &name, &key, fails(402, "payment_declined"));
    }

    /// Who begins to pay has time for it, once.
    fn grace(&mut self, at: usize) {
        let (now_ms, hold) = (self.now_ms, &mut self.holds[at]);
        if hold.state == State::Held && !hold.graced && hold.until_ms < now_ms + GRACE_MS {
            (hold.until_ms, hold.graced) = (now_ms + GRACE_MS, true);
            self.told.write_grace(&hold.name, now_ms + GRACE_MS);
        }
    }

    fn knows(&self, hold: &Kept) -> bool {
        hold.known_ms.is_some_and(|known_ms| known_ms <= self.now_ms)
    }

    /// The same key again gets the same answer, whatever became of the hold.
    fn hold_again(&mut self, step: &Step, on: On) {
        let Some(at) = pick(step.pick, &self.holds, |_| true) else { return };
        let hold = self.holds[at].clone();
        let on = (on.0.max(hold.known_ms.unwrap_or_default()), on.1);
        if on.0 > self.now_ms {
            return;
        }
        self.told.asks(
            hold.buyer,
            on,
            &hold.seats,
            &hold.name,
            super::told::held(&hold.seats, &hold.name, hold.first_until_ms),
        );
        self.holds[at].known_ms.get_or_insert(on.1);
    }

    fn confirm(&mut self, step: &Step, on: On) {
        let Some(at) = pick(step.pick, &self.holds, |hold| self.knows(hold)) else { return };
        self.grace(at);
        let Kept { name, buyer, state, seats: names, .. } = self.holds[at].clone();
        let on = (on.0.max(self.holds[at].known_ms.unwrap_or_default()), on.1);
        let again = self.holds[at].booking.is_some();
        let anew = state == State::Lapsed && self.taken(&names).is_empty();
        let (sold, names, gone) =
            (format!("{name}_sold"), seats(&names), state == State::Over || state == State::Lapsed);
        if gone && !anew && !again {
            // Another key each time: an answer is kept for its own.
            let key = format!("late_{}", self.told.history.records.len());
            self.told.asks_to_confirm(buyer, on, &name, &key, fails(410, "hold_expired"));
            return;
        }
        if !again {
            if anew {
                self.told.write_late_booking(buyer, self.now_ms, &name, &sold);
            } else {
                self.told.write_booking(buyer, self.now_ms, &name, &sold);
            }
            self.holds[at].booking = Some(sold.clone());
            self.holds[at].state = State::Booked;
        }
        if step.lost {
            self.told.asks_to_confirm(buyer, on, &name, &sold, lost);
        } else {
            self.told.asks_to_confirm(buyer, on, &name, &sold, booked(&names, &name, &sold));
            self.holds[at].sold_ms.get_or_insert(on.1);
        }
    }

    fn release(&mut self, step: &Step, on: On) {
        let known = |hold: &Kept| {
            hold.state != State::Booked
                && hold.booking.is_none()
                && hold.known_ms.is_some_and(|known_ms| known_ms <= self.now_ms)
        };
        let Some(at) = pick(step.pick, &self.holds, known) else { return };
        let on = (on.0.max(self.holds[at].known_ms.unwrap_or_default()), on.1);
        let (name, buyer) = (self.holds[at].name.clone(), self.holds[at].buyer);
        // What has lapsed stays as it is.
        if self.holds[at].state == State::Held {
            self.holds[at].state = State::Over;
        }
        self.holds[at].end_asked_ms = self.holds[at].end_asked_ms.min(on.0);
        self.told.releases(buyer, on, &name);
    }

    fn cancel(&mut self, step: &Step, on: On) {
        let known = |hold: &Kept| {
            hold.state == State::Booked && hold.sold_ms.is_some_and(|sold_ms| sold_ms <= self.now_ms)
        };
        let Some(at) = pick(step.pick, &self.holds, known) else { return };
        let on = (on.0.max(self.holds[at].sold_ms.unwrap_or_default()), on.1);
        let (name, buyer) = (self.holds[at].booking.clone().unwrap(), self.holds[at].buyer);
        self.holds[at].state = State::Over;
        self.holds[at].end_asked_ms = self.holds[at].end_asked_ms.min(on.0);
        self.told.cancels(buyer, on, &name);
    }
}

fn pick(pick: usize, holds: &[Kept], wanted: impl Fn(&Kept) -> bool) -> Option<usize> {
    let fit: Vec<usize> = (0..holds.len()).filter(|at| wanted(&holds[*at])).collect();
    (!fit.is_empty()).then(|| fit[pick % fit.len()])
}

/// All but what is no fault of a house: answers that were lost on their way.
fn violated(told: &Told) -> Vec<u8> {
    told.violated().into_iter().filter(|number| *number != 8).collect()
}

proptest! {
    #[test]
    fn what_a_house_tells_is_believed(steps in proptest::collection::vec(step(), 1..40)) {
        let house = House::driven(&steps);
        prop_assert_eq!(violated(&house.told), Vec::<u8>::new(), "{}", house.told.verdict());
    }

    #[test]
    fn one_lie_is_found(steps in proptest::collection::vec(step(), 1..40), lie in 0..LIES.len(), at in any::<usize>()) {
        let mut house = House::driven(&steps);
        if let Some(number) = LIES[lie].1(&mut house, at) {
            let found = violated(&house.told);
            prop_assert!(found.contains(&number), "{}: {found:?}, not {number}\n{}", LIES[lie].0, house.told.verdict());
        }
    }
}

#[test]
fn every_lie_can_be_told() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut told = [0; LIES.len()];
    for at in 0..100 {
        let steps = proptest::collection::vec(step(), 30).new_tree(&mut runner).unwrap().current();
        for (count, (_, lie)) in told.iter_mut().zip(LIES) {
            *count += usize::from(lie(&mut House::driven(&steps), at).is_some());
        }
    }
    assert!(told.iter().all(|count| *count > 30), "{told:?}");
}
