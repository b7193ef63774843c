//! A show that everybody wants at once. Each buyer has a connection of their own, and goes on until they have a seat or
//! there is none left. Whatever they do at once, in the end every seat is somebody's, and nobody's twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use tokio_postgres::Client;

use crate::bench::block::{Block, Plot};
use crate::bench::cpu::Part;
use crate::bench::load::{self, End};
use crate::bench::marquee::Marquee;
use crate::bench::measure::{Contender, Work};
use crate::bench::rival::{Rival, Won};
use crate::bench::settings::Settings;
use crate::bench::{buying, visitors};

/// So many contenders want so many seats.
const CONTENDERS: u32 = 2_000;
const SEATS: u32 = 300;
/// Connections on which visitors arrive and everything is given back.
const CONNECTIONS: usize = 32;
/// Files that this process needs besides its connections.
const OTHER_FILES: u64 = 200;

/// A show that nobody has touched, with about so many seats, or the next best.
const UNTOUCHED: &str = "
    SELECT s.id FROM catalog_published.shows s
    WHERE s.starts_at > clock_timestamp() + interval '1 hour'
      AND NOT EXISTS (SELECT FROM reservations_published.holds h
                      WHERE h.show_id = s.id AND h.status IN ('on_hold', 'booked'))
    ORDER BY abs(s.capacity::bigint - $1::bigint), s.starts_at DESC, s.id LIMIT 1";
const SEATS_OF: &str = "
    SELECT seat->>'id' FROM catalog_published.shows s, jsonb_array_elements(s.seat_map->'rows') AS line,
        jsonb_array_elements(line->'seats') AS seat WHERE s.id = $1";
/// Seats that are sold, and those that are held.
const TAKEN: &str = "
    SELECT (SELECT coalesce(sum(b.seats), 0) FROM reservations_published.bookings b
            WHERE b.show_id = $1 AND b.status = 'booked')::bigint
         + (SELECT coalesce(sum(cardinality(h.seats)), 0) FROM reservations_published.holds h
            WHERE h.show_id = $1 AND h.status = 'on_hold' AND h.expires_at > clock_timestamp())::bigint";

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let marquee = Marquee::find().await?;
    let files = rlimit::increase_nofile_limit(u64::MAX).context("the limit of open files cannot be read")?;
    ensure!(u64::from(settings.contenders) + OTHER_FILES <= files, "only {files} files may be open");
    let house = Sellout::new(&marquee, settings).await?;
    let title = format!("{} seats sold out to {} buyers at once", house.seats.len(), house.cookies.len());
    let plot = Plot { title, unit: "answers/s", bases: &[], absent: Vec::new() };
    Ok(vec![Block::measure(plot, vec![Box::new(house)], settings.plan()).await])
}

/// The same show again and again: behind each round everything is given back.
struct Sellout {
    marquee: Marquee,
    postgres: Client,
    show: Arc<str>,
    seats: Arc<[String]>,
    cookies: Vec<String>,
    won: Vec<Won>,
    turns: u64,
    /// Of all rounds.
    longest_ms: f64,
    sold_out_ms: f64,
    turned_away: u64,
}

impl Sellout {
    async fn new(marquee: &Marquee, settings: &Settings) -> Result<Self> {
        let postgres = marquee.postgres().await?;
        let wanted = i64::from(settings.contenders * SEATS / CONTENDERS);
        let show = postgres.query_opt(UNTOUCHED, &[&wanted]).await?;
        let show: String = show.context("the fleet has no untouched show; run it with --fresh")?.get(0);
        let seats = postgres.query(SEATS_OF, &[&show]).await?.iter().map(|row| row.get(0)).collect();
        let cookies = visitors::arrive(marquee.balancer, settings.contenders as usize, CONNECTIONS).await?;
        Ok(Self {
            marquee: marquee.clone(),
            postgres,
            show: show.into(),
            seats,
            cookies,
            won: Vec::new(),
            turns: 0,
            longest_ms: 0.0,
            sold_out_ms: 0.0,
            turned_away: 0,
        })
    }

    fn rivals(&self) -> Vec<Rival> {
        let rival = |(at, cookies): (usize, &String)| {
            Rival::new(at as u64, self.turns, &self.show, &self.seats, cookies)
        };
        self.cookies.iter().enumerate().map(rival).collect()
    }

    /// Every seat is one buyer's, as they were told and as the owner publishes.
    async fn check(&self) -> Result<()> {
        let told: HashSet<&str> = self.won.iter().map(|won| won.seat.as_str()).collect();
        let taken: i64 = self.postgres.query_one(TAKEN, &[&&*self.show]).await?.get(0);
        let (seats, won) = (self.seats.len(), self.won.len());
        ensure!(told.len() == won, "{won} buyers were told of {} seats", told.len());
        ensure!(
            usize::try_from(taken)? == won,
            "{won} buyers have a seat, and {taken} seats are sold or held"
        );
        ensure!(won == seats, "{won} of {seats} seats are sold or held, and nobody wants the others");
        Ok(())
    }
}

#[async_trait]
impl Contender for Sellout {
    fn name(&self) -> String {
        "Marquee".to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        self.marquee.parts(&["balancer", "reservations", "waitlist", "postgres", "redis"])
    }

    async fn work(&mut self, _length: Duration) -> Result<Work> {
        let loaded = load::run(self.marquee.balancer, self.rivals(), End::Exhausted).await?;
        self.turns += 1;
        self.longest_ms = self.longest_ms.max(loaded.latency.max() as f64 / 1e6);
        self.sold_out_ms = self.sold_out_ms.max(loaded.elapsed.as_secs_f64() * 1e3);
        self.turned_away += loaded.talks.iter().map(Rival::turned_away).sum::<u64>();
        let work = Work::of(&loaded);
        self.won = loaded.talks.into_iter().filter_map(Rival::won).collect();
        Ok(work)
    }

    async fn tidy(&mut self) -> Result<()> {
        self.check().await?;
        let won = self.won.drain(..).map(|won| (won.path, won.cookies)).collect();
        buying::give_back(self.marquee.balancer, won, CONNECTIONS).await
    }

    async fn note(&mut self) -> Result<String> {
        let turned_away = match self.turned_away {
            0 => "nobody was told to come back".to_owned(),
            times => format!("{times} times somebody was told to come back, which counts as waiting"),
        };
        Ok(format!(
            "in {} rounds every seat was sold or held exactly once; the longest wait for an answer {:.0} ms, until all were \
             answered {:.0} ms; {turned_away}",
            self.turns, self.longest_ms, self.sold_out_ms
        ))
    }
}
