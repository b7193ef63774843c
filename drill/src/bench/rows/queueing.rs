//! Waiting: ten thousand who join one line at once, and how soon an offer is in the hand of whoever is first.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;

use crate::bench::block::{Block, Plot};
use crate::bench::buying::{self, buy};
use crate::bench::cpu::Part;
use crate::bench::lines::joining::{Joined, Joining, Wish, in_order, join};
use crate::bench::lines::offering::{self, Course, How, Scene};
use crate::bench::lines::{Lines, Place};
use crate::bench::load::{self, End, Line, quantile_ms};
use crate::bench::marquee::Marquee;
use crate::bench::measure::{Contender, Work};
use crate::bench::seats::Seat;
use crate::bench::settings::Settings;
use crate::bench::visitors;

/// Joiners are on so many connections at most, so that so many ask at the same time.
const JOINING_CONNECTIONS_MAX: usize = 2_000;
/// Connections on which visitors arrive and everything is given back.
const CONNECTIONS: usize = 32;
/// Holds of one visitor: fewer than the shipped limits allow.
const HOLDS_PER_VISITOR: usize = 8;
/// Lines that are long at the same time.
const LINES: u32 = 1_000;
/// Seats that come free in a second, in as many lines.
const OFFERS_A_SECOND: f64 = 20.0;

/// The smallest show that nobody has touched, which is sold out soonest.
const SMALLEST: &str = "
    SELECT s.id, ARRAY(SELECT seat->>'id' FROM jsonb_array_elements(s.seat_map->'rows') AS line,
                              jsonb_array_elements(line->'seats') AS seat)
    FROM catalog_published.shows s
    WHERE s.starts_at > clock_timestamp() + interval '1 hour' AND NOT s.orphan_rule
      AND NOT EXISTS (SELECT FROM reservations_published.holds h
                      WHERE h.show_id = s.id AND h.status IN ('on_hold', 'booked'))
    ORDER BY s.capacity, s.starts_at DESC, s.id LIMIT 1";

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let marquee = Marquee::find().await?;
    rlimit::increase_nofile_limit(u64::MAX).context("the limit of open files cannot be read")?;
    let joins = joins(&marquee, settings).await?;
    let offers = offers(&marquee, settings).await?;
    Ok(vec![joins, offers])
}

async fn joins(marquee: &Marquee, settings: &Settings) -> Result<Block> {
    let (sold_out, bookings) = sell_out(marquee).await?;
    let joiners = settings.joiners as usize;
    let crowd = Crowd {
        marquee: marquee.clone(),
        wish: Arc::new(Wish { show: sold_out, body: r#"{"party":1}"#.to_owned() }),
        visitors: visitors::arrive(marquee.balancer, joiners, CONNECTIONS).await?,
        joined: Vec::new(),
        turns: 0,
        turned_away: 0,
    };
    let title = format!("{joiners} visitors join the line of one show at once");
    let plot = Plot { title, unit: "joins/s", bases: &[], absent: Vec::new() };
    let block = Block::measure(plot, vec![Box::new(crowd)], settings.plan()).await;
    buying::give_back(marquee.balancer, bookings, CONNECTIONS).await?;
    Ok(block)
}

/// Sells all seats of a show. Returns it, and what gives them back.
async fn sell_out(marquee: &Marquee) -> Result<(String, Vec<(String, String)>)> {
    let show = marquee.postgres().await?.query_opt(SMALLEST, &[]).await?;
    let show = show.context("the fleet has no untouched show; run it with --fresh")?;
    let (show, seats): (String, Vec<String>) = (show.get(0), show.get(1));
    let buyers = visitors::arrive(marquee.balancer, seats.len().div_ceil(HOLDS_PER_VISITOR), 1).await?;
    let mut line = Line::connect(marquee.balancer).await?;
    let mut bookings = Vec::new();
    for (at, name) in seats.into_iter().enumerate() {
        let buyer = &buyers[at / HOLDS_PER_VISITOR];
        let seat = Seat { show: show.clone(), name };
        let path = buy(&mut line, &seat, buyer, &format!("sold-out-{}", seat.name), true).await?;
        bookings.push((path, buyer.clone()));
    }
    Ok((show, bookings))
}

/// Visitors who all want a seat of one show that is sold out, and leave behind each round.
struct Crowd {
    marquee: Marquee,
    wish: Arc<Wish>,
    visitors: Vec<String>,
    joined: Vec<Joined>,
    turns: usize,
    /// Of all rounds.
    turned_away: usize,
}

impl Crowd {
    fn lanes(&self) -> Vec<Joining> {
        let count = self.visitors.len().min(JOINING_CONNECTIONS_MAX);
        let key = |lane| format!("join-{}-{}-{lane}", std::process::id(), self.turns);
        let visitors = |lane| self.visitors.iter().skip(lane).step_by(count).cloned();
        (0..count).map(|lane| Joining::new(&self.wish, key(lane), visitors(lane))).collect()
    }
}

#[async_trait]
impl Contender for Crowd {
    fn name(&self) -> String {
        "Marquee".to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        self.marquee.parts(&["balancer", "reservations", "waitlist", "postgres", "redis"])
    }

    async fn work(&mut self, _length: Duration) -> Result<Work> {
        let loaded = load::run(self.marquee.balancer, self.lanes(), End::Exhausted).await?;
        let work = Work::of(&loaded);
        self.joined = loaded.talks.into_iter().flat_map(|lane: Joining| lane.joined).collect();
        self.turned_away += self.joined.iter().map(|joined| joined.turned_away).sum::<usize>();
        self.turns += 1;
        Ok(work)
    }

    async fn tidy(&mut self) -> Result<()> {
        in_order(&self.joined)?;
        ensure!(self.joined.len() == self.visitors.len(), "only {} have a place", self.joined.len());
        let places = self.joined.drain(..).map(|joined| (joined.path(), joined.cookies)).collect();
        buying::give_back(self.marquee.balancer, places, CONNECTIONS).await
    }

    async fn note(&mut self) -> Result<String> {
        let turned_away = match self.turned_away {
            0 => "nobody was told to come back".to_owned(),
            times => format!("{times} times somebody was told to come back, which counts as waiting"),
        };
        Ok(format!(
            "in {} rounds everybody got a place, in the order in which they came; {} connections; {turned_away}",
            self.turns,
            self.visitors.len().min(JOINING_CONNECTIONS_MAX)
        ))
    }
}

async fn offers(marquee: &Marquee, settings: &Settings) -> Result<Block> {
    let postgres = marquee.postgres().await?;
    let lines = Lines::fill(&postgres, LINES.min(settings.queued), settings.queued).await?;
    let title = format!(
        "an offer, from commit to socket, with {} people in {} lines",
        lines.queued,
        lines.places.len()
    );
    let plot = Plot { title, unit: "offers/s", bases: &[], absent: Vec::new() };
    let count = (OFFERS_A_SECOND * settings.seconds).ceil() as usize;
    let contender = |(at, how)| {
        let places = lines.places.iter().skip(at).step_by(2).cloned().collect();
        Box::new(Offers {
            marquee: marquee.clone(),
            how,
            count,
            places,
            next: 0,
            scenes: Vec::new(),
            turns: 0,
        }) as Box<dyn Contender>
    };
    let contenders = [How::Lapsed, How::GivenBack].into_iter().enumerate().map(contender).collect();
    let block = Block::measure(plot, contenders, settings.plan()).await;
    lines.empty(&postgres).await?;
    Ok(block)
}

/// Seats that come free in one line after the other, behind whose others their first waiter stands.
struct Offers {
    marquee: Marquee,
    how: How,
    /// Of a round.
    count: usize,
    places: Vec<Place>,
    next: usize,
    scenes: Vec<Scene>,
    turns: usize,
}

impl Offers {
    /// Somebody holds the seat of the next line, and somebody else joins it for that seat.
    async fn set(&mut self, line: &mut Line, owner: &str, waiter: String) -> Result<Scene> {
        let place = &self.places[self.next % self.places.len()];
        let key = format!("offer-{}-{}-{:?}", std::process::id(), self.next, self.how);
        self.next += 1;
        let hold = buy(line, &place.seat, owner, &key, false).await?;
        let body = format!(r#"{{"party":1,"seats":["{}"]}}"#, place.seat.name);
        let wish = Wish { show: place.seat.show.clone(), body };
        let joined = join(line, &wish, waiter, &key).await?;
        let hold = hold.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(Scene { hold, owner: owner.to_owned(), entry: joined.id, waiter: joined.cookies })
    }
}

#[async_trait]
impl Contender for Offers {
    fn name(&self) -> String {
        match self.how {
            How::Lapsed => "a hold that lapses",
            How::GivenBack => "a hold that is given back",
        }
        .to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        self.marquee.parts(&["balancer", "reservations", "waitlist", "postgres", "redis"])
    }

    async fn prepare(&mut self) -> Result<()> {
        let owners =
            visitors::arrive(self.marquee.balancer, self.count.div_ceil(HOLDS_PER_VISITOR), 1).await?;
        let waiters = visitors::arrive(self.marquee.balancer, self.count, 1).await?;
        let mut line = Line::connect(self.marquee.balancer).await?;
        for (at, waiter) in waiters.into_iter().enumerate() {
            let scene = self.set(&mut line, &owners[at / HOLDS_PER_VISITOR], waiter).await?;
            self.scenes.push(scene);
        }
        Ok(())
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let count = ((OFFERS_A_SECOND * length.as_secs_f64()).ceil() as usize).min(self.scenes.len());
        let course = Course {
            address: self.marquee.balancer,
            database_url: self.marquee.database_url.clone(),
            how: self.how,
            rate: OFFERS_A_SECOND,
        };
        let (elapsed, latency) = offering::run(course, self.scenes[..count].to_vec()).await?;
        let (p50_ms, p99_ms) = (quantile_ms(&latency, 0.5), quantile_ms(&latency, 0.99));
        self.turns += 1;
        Ok(Work { done: latency.len(), elapsed, p50_ms, p99_ms })
    }

    async fn tidy(&mut self) -> Result<()> {
        let places =
            self.scenes.iter().map(|scene| (format!("/api/waitlist/{}", scene.entry), scene.waiter.clone()));
        buying::give_back(self.marquee.balancer, places.collect(), CONNECTIONS).await?;
        let holds = self.scenes.drain(..).map(|scene| (format!("/api/holds/{}", scene.hold), scene.owner));
        buying::end(self.marquee.balancer, holds.collect(), CONNECTIONS).await
    }

    async fn note(&mut self) -> Result<String> {
        let from = match self.how {
            How::Lapsed => "from when the lapse was written",
            How::GivenBack => "from the request of whoever gives it back",
        };
        Ok(format!(
            "open loop, {OFFERS_A_SECOND:.0} a second evenly; {from}, its commit included, to the frame on the waiter's socket"
        ))
    }
}
