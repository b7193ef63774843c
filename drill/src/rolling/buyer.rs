//! One browser: what it asks next, and what it makes of the answer. It looks around, holds a seat now and then, pays or lets go,
//! and gives back what it bought, so that there are always seats to sell.

use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::bench::buying::{PAYMENT, made};
use crate::bench::load::{Answer, request};
use crate::bench::seats::{Seat, Seats};
use crate::history::Step;

/// Holds of one browser. The shipped limits are more.
const HOLDS_MAX: usize = 6;
/// How often somebody who looks around asks for a seat, and somebody who has one looks around.
const HOLD_SHARE: f64 = 0.25;
const LOOK_SHARE: f64 = 0.3;
/// How many holds are paid for.
const CONFIRM_SHARE: f64 = 0.6;
/// What is looked at, some of it more often.
const LOOKS: [Step; 7] =
    [Step::Page, Step::Page, Step::Popular, Step::SeatMap, Step::Seats, Step::Seats, Step::Lines];

/// One browser.
#[derive(Debug)]
pub(super) struct Buyer {
    name: String,
    chance: Xoshiro256PlusPlus,
    seats: Seats,
    cookies: Vec<(String, String)>,
    holds: usize,
    state: State,
}

/// Where it stands.
#[derive(Debug, Clone)]
enum State {
    /// It has not been here yet.
    New,
    /// It looks around, at this show first.
    Looking,
    /// It has asked for a seat.
    Wanting(Seat),
    /// It holds one.
    Holding { hold: String, seat: Seat },
    /// It has bought one.
    Owning { booking: String, seat: Seat },
}

/// A request.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) step: Step,
    pub(super) method: &'static str,
    pub(super) path: String,
    /// All of it.
    pub(super) bytes: Vec<u8>,
}

impl Buyer {
    /// Who was never here before, of a run with this seed.
    pub(super) fn new(seed: u64, number: u64, seats: Seats) -> Self {
        Self {
            name: format!("{}-{seed}-{number}", std::process::id()),
            chance: Xoshiro256PlusPlus::seed_from_u64(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            seats,
            cookies: Vec::new(),
            holds: 0,
            state: State::New,
        }
    }

    /// Whether it goes and somebody else comes.
    pub(super) fn leaves(&self) -> bool {
        self.holds >= HOLDS_MAX && matches!(self.state, State::Looking)
    }

    /// Whether it asks on a new connection.
    pub(super) fn comes_anew(&mut self, share: f64) -> bool {
        self.chance.random_bool(share)
    }

    /// What it asks next.
    pub(super) fn ask(&mut self) -> Question {
        match self.state.clone() {
            // The first answer makes the session that its holds belong to.
            State::New => self.get(Step::Bookings, "/api/bookings".to_owned()),
            State::Holding { hold, .. } => self.ask_holding(&hold),
            State::Owning { booking, .. } => self.delete(Step::Cancel, format!("/api/bookings/{booking}")),
            State::Wanting(seat) => self.want(&seat),
            State::Looking => self.ask_looking(),
        }
    }

    fn ask_looking(&mut self) -> Question {
        let Some(seat) = self.seats.take() else { return self.get(Step::Page, "/".to_owned()) };
        if self.chance.random_bool(HOLD_SHARE) {
            self.holds += 1;
            self.state = State::Wanting(seat.clone());
            return self.want(&seat);
        }
        let look = LOOKS.choose(&mut self.chance).copied().unwrap_or(Step::Page);
        let path = match look {
            Step::Popular => "/api/movies/popular?limit=20".to_owned(),
            Step::SeatMap => format!("/api/shows/{}/seat-map", seat.show),
            Step::Seats => format!("/api/shows/{}/seats", seat.show),
            Step::Lines => "/api/waitlist".to_owned(),
            _ => "/".to_owned(),
        };
        self.seats.give_back(seat);
        self.get(look, path)
    }

    /// Asked again it is the same, key included.
    fn want(&self, seat: &Seat) -> Question {
        let path = format!("/api/shows/{}/holds", seat.show);
        let body = format!(r#"{{"seats":["{}"]}}"#, seat.name);
        self.post(Step::Hold, path, &format!("{}-{}", self.name, self.holds), &body)
    }

    fn ask_holding(&mut self, hold: &str) -> Question {
        let path = format!("/api/holds/{hold}");
        if self.chance.random_bool(LOOK_SHARE) {
            self.get(Step::GetHold, path)
        } else if self.chance.random_bool(CONFIRM_SHARE) {
            self.post(Step::Confirm, format!("{path}/confirm"), &format!("pay-{hold}"), PAYMENT)
        } else {
            self.delete(Step::Release, path)
        }
    }

    fn get(&self, step: Step, path: String) -> Question {
        let bytes = request::get(&path, &self.cookie_line());
        Question { step, method: "GET", path, bytes }
    }

    fn delete(&self, step: Step, path: String) -> Question {
        let bytes = request::delete(&path, &self.cookie_line());
        Question { step, method: "DELETE", path, bytes }
    }

    fn post(&self, step: Step, path: String, key: &str, body: &str) -> Question {
        let bytes = request::post(&path, &self.cookie_line(), key, body);
        Question { step, method: "POST", path, bytes }
    }

    fn cookie_line(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// Takes an answer to its last question.
    pub(super) fn answered(&mut self, step: Step, answer: Answer<'_>) {
        for field in answer.fields("set-cookie") {
            self.keep(field);
        }
        if undecided(answer) {
            return;
        }
        let id = || made(answer).ok();
        let good = (200..300).contains(&answer.status);
        self.state = match (std::mem::replace(&mut self.state, State::Looking), step) {
            (State::Wanting(seat), Step::Hold) => {
                id().map_or(State::Looking, |hold| State::Holding { hold, seat })
            }
            (State::Holding { seat, .. }, Step::Confirm) => {
                id().map_or(State::Looking, |booking| State::Owning { booking, seat })
            }
            (State::Holding { seat, .. }, Step::Release) | (State::Owning { seat, .. }, Step::Cancel) => {
                // Whose seat could not be given back is not known: it is left alone.
                if good {
                    self.seats.give_back(seat);
                }
                State::Looking
            }
            (state @ State::Holding { .. }, _) if good => state,
            (State::New, _) if !good => State::New,
            _ => State::Looking,
        };
    }

    fn keep(&mut self, field: &str) {
        let pair = field.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else { return };
        self.cookies.retain(|(kept, _)| kept != name);
        self.cookies.push((name.to_owned(), value.to_owned()));
    }
}

/// Whether it is to be asked again: it failed, came too often, or is being done.
fn undecided(answer: Answer<'_>) -> bool {
    let under_way = || String::from_utf8_lossy(answer.body).contains("idempotency_key_under_way");
    answer.status >= 500 || answer.status == 429 || answer.status == 409 && under_way()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buyer() -> Buyer {
        let seat = |name: &str| Seat { show: "s".to_owned(), name: name.to_owned() };
        Buyer::new(7, 1, [seat("A1"), seat("A2")].into_iter().collect())
    }

    fn answer(buyer: &mut Buyer, step: Step, status: u16, body: &str) {
        buyer.answered(
            step,
            Answer { status, head: b"HTTP/1.1 200 OK\r\nset-cookie: session=1\r\n", body: body.as_bytes() },
        );
    }

    /// Until it asks for this.
    fn asks(buyer: &mut Buyer, step: Step) -> Question {
        for _ in 0..1_000 {
            let question = buyer.ask();
            if question.step == step {
                return question;
            }
        }
        panic!("it never asks for {step:?}")
    }

    #[test]
    fn a_seat_is_held_bought_and_given_back() {
        let mut buyer = buyer();
        assert_eq!(buyer.ask().path, "/api/bookings");
        answer(&mut buyer, Step::Bookings, 200, "{}");
        let hold = asks(&mut buyer, Step::Hold);
        assert!(String::from_utf8(hold.bytes).unwrap().contains("Cookie: session=1\r\nIdempotency-Key: "));
        answer(&mut buyer, Step::Hold, 201, r#"{"id":"h"}"#);
        assert_eq!(asks(&mut buyer, Step::Confirm).path, "/api/holds/h/confirm");
        answer(&mut buyer, Step::Confirm, 201, r#"{"id":"b"}"#);
        let cancel = buyer.ask();
        assert_eq!((cancel.method, cancel.path.as_str()), ("DELETE", "/api/bookings/b"));
        let left = buyer.seats.clone();
        answer(&mut buyer, Step::Cancel, 200, "{}");
        assert!(left.take().is_some() && matches!(buyer.state, State::Looking));
    }

    #[test]
    fn what_failed_is_asked_again_with_the_same_key_and_no_seat_is_forgotten() {
        let mut buyer = buyer();
        buyer.state = State::Looking;
        let hold = asks(&mut buyer, Step::Hold).bytes;
        for (status, body) in [(503, "{}"), (429, "{}"), (409, r#"{"code":"idempotency_key_under_way"}"#)] {
            answer(&mut buyer, Step::Hold, status, body);
            let again = String::from_utf8(buyer.ask().bytes).unwrap();
            let body = String::from_utf8(hold.clone()).unwrap();
            assert_eq!(again.split("Idempotency-Key").nth(1), body.split("Idempotency-Key").nth(1));
        }
        answer(&mut buyer, Step::Hold, 201, r#"{"id":"h"}"#);
        let confirm = asks(&mut buyer, Step::Confirm).bytes;
        answer(&mut buyer, Step::Confirm, 503, "{}");
        assert_eq!(asks(&mut buyer, Step::Confirm).bytes, confirm);
    }
}
