//! The contender that sells: buyers hold one free seat after another through the balancer, and confirm if they are told to.
//! Behind each round they give everything back, so that no round starves the next. Each round has visitors of its own: limits on
//! what one of them may hold within a minute are those that are shipped.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use serde::Deserialize;

use super::cpu::Part;
use super::load::{self, Answer, End, Line, Talk, request};
use super::marquee::Marquee;
use super::measure::{Contender, Plan, Work};
use super::seats::{Seat, Seats};
use super::visitors;

/// Holds of one visitor, of one seat each. The shipped limits are ten holds at once with twenty seats, and thirty holds a minute.
const HOLDS_PER_VISITOR: usize = 8;
/// Visitors of a connection for the warm-up, which shows how many a round wants.
const FIRST_VISITORS: usize = 13;
/// More visitors than the fastest round so far would have wanted.
const VISITORS_RESERVE: f64 = 1.5;
/// What confirms a hold, with the test provider's token.
pub const PAYMENT: &str = r#"{"email":"buyer@marquee.example","payment":{"token":"ok"}}"#;

/// Buyers on so many connections.
pub struct Buying {
    name: &'static str,
    marquee: Marquee,
    connections: usize,
    length: Duration,
    confirming: bool,
    /// Holds a second, evenly; as many as can be had when there is none.
    pace: Option<f64>,
    seats: Seats,
    visitors: Vec<String>,
    rate_max: f64,
    bought: Vec<Bought>,
    turns: usize,
    starved: usize,
}

/// What a buyer got, and gives back.
#[derive(Debug)]
struct Bought {
    seat: Seat,
    cookies: String,
    /// DELETE it.
    path: String,
}

impl Buying {
    /// Buyers who hold, and who confirm what they hold when `confirming`.
    pub fn new(
        name: &'static str,
        marquee: &Marquee,
        confirming: bool,
        seats: &Seats,
        connections: usize,
        plan: Plan,
    ) -> Self {
        Self {
            name,
            marquee: marquee.clone(),
            connections,
            length: plan.length,
            confirming,
            pace: None,
            seats: seats.clone(),
            visitors: Vec::new(),
            rate_max: 0.0,
            bought: Vec::new(),
            turns: 0,
            starved: 0,
        }
    }

    /// Buyers who come at a constant rate, whatever becomes of those before, instead of one after another.
    #[must_use]
    pub fn paced(self, rate: f64) -> Self {
        Self { pace: Some(rate), rate_max: rate, ..self }
    }

    fn end(&self, length: Duration) -> End {
        self.pace.map_or(End::After(length), |rate| End::Paced { length, rate })
    }

    fn lanes(&self) -> Vec<Buyer> {
        let visitors = |lane| self.visitors.iter().skip(lane).step_by(self.connections).cloned().collect();
        let lane = |lane| Buyer {
            key: format!("{}-{}-{lane}", std::process::id(), self.turns),
            confirming: self.confirming,
            seats: self.seats.clone(),
            visitors: visitors(lane),
            bought: Vec::new(),
        };
        (0..self.connections).map(lane).collect()
    }
}

#[async_trait]
impl Contender for Buying {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        self.marquee.parts(&["balancer", "reservations", "waitlist", "postgres", "redis"])
    }

    async fn prepare(&mut self) -> Result<()> {
        let round = self.rate_max * self.length.as_secs_f64() * VISITORS_RESERVE;
        let least = FIRST_VISITORS * self.connections;
        let wanted = least.max((round / HOLDS_PER_VISITOR as f64).ceil() as usize);
        self.visitors = visitors::arrive(self.marquee.balancer, wanted, self.connections).await?;
        Ok(())
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let loaded = load::run(self.marquee.balancer, self.lanes(), self.end(length)).await?;
        let work = Work::of(&loaded);
        self.bought = loaded.talks.into_iter().flat_map(|lane: Buyer| lane.bought).collect();
        self.rate_max = self.rate_max.max(work.done as f64 / work.elapsed.as_secs_f64());
        // The warm-up may run out of visitors: it is there to find out how many there must be.
        let due = self.pace.map_or(0, |rate| (length.as_secs_f64() * rate) as u64);
        let early = self.pace.is_none() && work.elapsed < length;
        self.starved += usize::from(self.turns > 0 && (early || work.done < due));
        self.turns += 1;
        Ok(work)
    }

    async fn tidy(&mut self) -> Result<()> {
        let paths = self.bought.iter().map(|bought| (bought.path.clone(), bought.cookies.clone())).collect();
        give_back(self.marquee.balancer, paths, self.connections).await?;
        for bought in self.bought.drain(..) {
            self.seats.give_back(bought.seat);
        }
        Ok(())
    }

    async fn note(&mut self) -> Result<String> {
        let starved = match self.starved {
            0 => String::new(),
            rounds => format!("; {rounds} rounds ended early, out of free seats or visitors"),
        };
        let how = match self.pace {
            Some(rate) => {
                format!("open loop, {rate:.0} a second evenly, waits counted from when each was due")
            }
            None => "everything on".to_owned(),
        };
        Ok(format!("{how}, {HOLDS_PER_VISITOR} holds a session at most{starved}"))
    }
}

/// One connection's buyers, one after another.
struct Buyer {
    /// What its idempotency keys begin with.
    key: String,
    confirming: bool,
    seats: Seats,
    visitors: Vec<String>,
    bought: Vec<Bought>,
}

#[derive(Deserialize)]
struct Made<'a> {
    id: &'a str,
}

impl Talk for Buyer {
    async fn ask(&mut self, line: &mut Line) -> Result<bool> {
        let turn = self.bought.len();
        let Some(cookies) = self.visitors.get(turn / HOLDS_PER_VISITOR).cloned() else { return Ok(false) };
        let Some(seat) = self.seats.take() else { return Ok(false) };
        let key = format!("{}-{turn}", self.key);
        let path = buy(line, &seat, &cookies, &key, self.confirming).await?;
        self.bought.push(Bought { seat, cookies, path });
        Ok(true)
    }
}

/// Holds one free seat, and confirms the hold when `confirming`. Returns the path of what came of it.
pub async fn buy(line: &mut Line, seat: &Seat, cookies: &str, key: &str, confirming: bool) -> Result<String> {
    let hold = made(line.exchange(&wish(seat, cookies, key)).await?)?;
    let path = format!("/api/holds/{hold}");
    if !confirming {
        return Ok(path);
    }
    let confirm = request::post(&format!("{path}/confirm"), cookies, key, PAYMENT);
    Ok(format!("/api/bookings/{}", made(line.exchange(&confirm).await?)?))
}

/// The request for a hold of one seat.
pub fn wish(seat: &Seat, cookies: &str, key: &str) -> Vec<u8> {
    let path = format!("/api/shows/{}/holds", seat.show);
    request::post(&path, cookies, key, &format!(r#"{{"seats":["{}"]}}"#, seat.name))
}

/// The id of what was made.
pub fn made(answer: Answer<'_>) -> Result<String> {
    ensure!(answer.status == 201, "expected 201, got {answer}");
    let made: Made<'_> = serde_json::from_slice(answer.body).with_context(|| format!("no id in {answer}"))?;
    Ok(made.id.to_owned())
}

/// Ends what was bought: paths to be deleted, each with its owner's cookies.
pub async fn give_back(address: SocketAddr, bought: Vec<(String, String)>, connections: usize) -> Result<()> {
    end_all(address, &bought, connections, &[200, 204]).await
}

/// The same, where some of it may be over already.
pub async fn end(address: SocketAddr, bought: Vec<(String, String)>, connections: usize) -> Result<()> {
    end_all(address, &bought, connections, &[200, 204, 404, 410]).await
}

async fn end_all(
    address: SocketAddr,
    bought: &[(String, String)],
    connections: usize,
    good: &'static [u16],
) -> Result<()> {
    let mut lanes: Vec<_> = (0..connections).map(|_| Ending { requests: Vec::new(), good }).collect();
    for (at, (path, cookies)) in bought.iter().enumerate() {
        lanes[at % connections].requests.push(request::delete(path, cookies));
    }
    load::run(address, lanes, End::Exhausted).await.map(drop)
}

/// Requests that end what was bought.
struct Ending {
    requests: Vec<Vec<u8>>,
    good: &'static [u16],
}

impl Talk for Ending {
    async fn ask(&mut self, line: &mut Line) -> Result<bool> {
        let Some(request) = self.requests.pop() else { return Ok(false) };
        let answer = line.exchange(&request).await?;
        ensure!(self.good.contains(&answer.status), "giving back got {answer}");
        Ok(true)
    }
}
