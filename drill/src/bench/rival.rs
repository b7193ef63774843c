//! One of many who want a seat of the same show: they try, take what is suggested instead, look again, and go when they have a
//! seat or there is none left. Every second one who gets a seat pays for it. Who is told to come back asks the same again, under
//! the same key.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;

use super::buying::{PAYMENT, made};
use super::load::{Answer, Line, Talk, request};

/// Before somebody who was told to come back does so.
const PAUSE: Duration = Duration::from_secs(1);
/// Nobody needs as many.
const REQUESTS_MAX: usize = 1_000;

/// A buyer among many.
pub struct Rival {
    number: u64,
    key: String,
    show: Arc<str>,
    seats: Arc<[String]>,
    cookies: String,
    chance: Xoshiro256PlusPlus,
    next: Next,
    asked: usize,
    /// What was asked for, the same twice counted once: keys are made of it.
    wishes: usize,
    /// How often they were told to come back, and whether they were just now.
    turned_away: u64,
    pausing: bool,
    won: Option<Won>,
}

/// What a buyer got.
#[derive(Debug)]
pub struct Won {
    /// The seat.
    pub seat: String,
    /// DELETE it to give it back.
    pub path: String,
    /// Whose it is.
    pub cookies: String,
}

/// What is asked next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// A hold, with this body.
    Hold(String),
    /// Which seats are left.
    Look,
    /// The seat is paid.
    Pay,
    /// Nothing.
    Go,
}

#[derive(Deserialize)]
struct Held {
    id: String,
    seats: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    code: String,
    #[serde(default)]
    alternatives: Vec<Vec<String>>,
}

#[derive(Deserialize)]
struct Shown {
    seats: HashMap<String, String>,
}

impl Rival {
    /// In one turn of the bench. Half of them begin with the best seat, half with any.
    pub fn new(number: u64, turn: u64, show: &Arc<str>, seats: &Arc<[String]>, cookies: &str) -> Self {
        let mut chance = Xoshiro256PlusPlus::seed_from_u64(number << 16 | turn);
        let any = seats[chance.random_range(0..seats.len())].clone();
        let first = if number.is_multiple_of(2) { r#"{"best":1}"#.to_owned() } else { named(&any) };
        Self {
            number,
            key: format!("rival-{}-{turn}-{number}", std::process::id()),
            show: Arc::clone(show),
            seats: Arc::clone(seats),
            cookies: cookies.to_owned(),
            chance,
            next: Next::Hold(first),
            asked: 0,
            wishes: 0,
            turned_away: 0,
            pausing: false,
            won: None,
        }
    }

    /// How often they were told to come back.
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// What they got, if anything.
    pub fn won(self) -> Option<Won> {
        self.won
    }

    fn request(&self) -> Option<Vec<u8>> {
        let key = format!("{}-{}", self.key, self.wishes);
        match &self.next {
            Next::Hold(body) => {
                Some(request::post(&format!("/api/shows/{}/holds", self.show), &self.cookies, &key, body))
            }
            Next::Look => Some(request::get(&format!("/api/shows/{}/seats", self.show), &self.cookies)),
            Next::Pay => {
                let path = format!("{}/confirm", self.won.as_ref()?.path);
                Some(request::post(&path, &self.cookies, &key, PAYMENT))
            }
            Next::Go => None,
        }
    }

    fn answered(&mut self, answer: Answer<'_>) -> Result<Next> {
        if answer.status == 503 {
            (self.turned_away, self.pausing) = (self.turned_away + 1, true);
            return Ok(self.next.clone());
        }
        self.wishes += 1;
        match (&self.next, answer.status) {
            (Next::Hold(_), 201) => self.got(answer),
            (Next::Hold(_), 409) => self.lost(answer),
            (Next::Look, 200) => self.looked(answer),
            (Next::Pay, 201) => {
                let path = format!("/api/bookings/{}", made(answer)?);
                self.won.as_mut().context("nothing was held")?.path = path;
                Ok(Next::Go)
            }
            (next, _) => anyhow::bail!("{next:?} got {answer}"),
        }
    }

    fn got(&mut self, answer: Answer<'_>) -> Result<Next> {
        let Held { id, seats } = serde_json::from_slice(answer.body)?;
        ensure!(seats.len() == 1, "a hold of one seat has {}", seats.len());
        let path = format!("/api/holds/{id}");
        self.won = Some(Won { seat: seats.concat(), path, cookies: self.cookies.clone() });
        Ok(if (self.number / 2).is_multiple_of(2) { Next::Pay } else { Next::Go })
    }

    /// One of the seats that are suggested, or a look whether there are any.
    fn lost(&mut self, answer: Answer<'_>) -> Result<Next> {
        let Refused { code, alternatives } = serde_json::from_slice(answer.body)?;
        ensure!(code == "seats_unavailable", "a hold got {answer}");
        let suggested: Vec<String> = alternatives.into_iter().flatten().collect();
        Ok(self.any_of(&suggested).map_or(Next::Look, Next::Hold))
    }

    fn looked(&mut self, answer: Answer<'_>) -> Result<Next> {
        let Shown { seats: taken } = serde_json::from_slice(answer.body)?;
        let free: Vec<String> =
            self.seats.iter().filter(|seat| !taken.contains_key(*seat)).cloned().collect();
        Ok(self.any_of(&free).map_or(Next::Go, Next::Hold))
    }

    fn any_of(&mut self, seats: &[String]) -> Option<String> {
        (!seats.is_empty()).then(|| named(&seats[self.chance.random_range(0..seats.len())]))
    }
}

fn named(seat: &str) -> String {
    format!(r#"{{"seats":["{seat}"]}}"#)
}

impl Talk for Rival {
    async fn ask(&mut self, line: &mut Line) -> Result<bool> {
        let Some(request) = self.request() else { return Ok(false) };
        if std::mem::take(&mut self.pausing) {
            tokio::time::sleep(PAUSE).await;
        }
        self.asked += 1;
        ensure!(self.asked <= REQUESTS_MAX, "{REQUESTS_MAX} requests, and neither a seat nor sold out");
        self.next = self.answered(line.exchange(&request).await?)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rival(number: u64) -> Rival {
        let seats: Arc<[String]> = ["A1", "A2"].map(str::to_owned).into();
        Rival::new(number, 0, &"show".into(), &seats, "session=s")
    }

    fn told(rival: &mut Rival, status: u16, body: &str) -> Next {
        let answer = Answer { status, head: b"", body: body.as_bytes() };
        rival.next = rival.answered(answer).unwrap();
        rival.next.clone()
    }

    #[test]
    fn who_loses_takes_what_is_suggested_and_looks_when_nothing_is() {
        let mut rival = rival(0);
        assert_eq!(rival.next, Next::Hold(r#"{"best":1}"#.to_owned()));
        let suggested = r#"{"code":"seats_unavailable","alternatives":[["A2"]]}"#;
        assert_eq!(told(&mut rival, 409, suggested), Next::Hold(named("A2")));
        assert_eq!(told(&mut rival, 409, r#"{"code":"seats_unavailable","alternatives":[]}"#), Next::Look);
        assert_eq!(told(&mut rival, 200, r#"{"seats":{"A2":"held"}}"#), Next::Hold(named("A1")));
        rival.next = Next::Look;
        assert_eq!(told(&mut rival, 200, r#"{"seats":{"A1":"booked","A2":"held"}}"#), Next::Go);
        assert!(rival.request().is_none() && rival.won().is_none());
    }

    #[test]
    fn every_second_one_who_gets_a_seat_pays() {
        let held = r#"{"id":"hold_1","seats":["A1"]}"#;
        let mut pays = rival(1);
        assert_eq!(told(&mut pays, 201, held), Next::Pay);
        assert_eq!(told(&mut pays, 201, r#"{"id":"booking_1"}"#), Next::Go);
        assert_eq!(pays.won().map(|won| won.path).unwrap(), "/api/bookings/booking_1");
        let mut keeps = rival(2);
        assert_eq!(told(&mut keeps, 201, held), Next::Go);
        let won = keeps.won().unwrap();
        assert_eq!((won.seat.as_str(), won.path.as_str()), ("A1", "/api/holds/hold_1"));
    }

    #[test]
    fn who_is_told_to_come_back_asks_the_same_under_the_same_key() {
        let mut rival = rival(0);
        let first = rival.request();
        told(&mut rival, 503, "");
        assert_eq!((rival.request(), rival.turned_away()), (first.clone(), 1));
        told(&mut rival, 409, r#"{"code":"seats_unavailable","alternatives":[]}"#);
        rival.next = Next::Hold(r#"{"best":1}"#.to_owned());
        assert_ne!(rival.request(), first, "another wish has another key");
    }

    #[test]
    fn any_other_answer_is_trouble() {
        let mut rival = rival(0);
        let answer = Answer { status: 429, head: b"", body: br#"{"code":"too_many_holds"}"# };
        assert!(rival.answered(answer).is_err());
    }
}
