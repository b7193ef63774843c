//! What it costs to tell a buyer that the seat is taken.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;

use crate::bench::block::{Block, Plot};
use crate::bench::buying::{buy, wish};
use crate::bench::cpu::Part;
use crate::bench::load::{self, End, Line, Same};
use crate::bench::marquee::Marquee;
use crate::bench::measure::{Contender, Work};
use crate::bench::peers::REDIS_BENCHMARK;
use crate::bench::peers::redis_benchmark::{Claims, RedisBenchmark};
use crate::bench::seats::Seats;
use crate::bench::settings::Settings;
use crate::bench::visitors;

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let marquee = Marquee::find().await?;
    let house = Losing::new(&marquee, settings).await?;
    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(house)];
    let mut absent = Vec::new();
    match REDIS_BENCHMARK.find() {
        Ok(program) => {
            let parts = marquee.parts(&["redis"]);
            let gate =
                RedisBenchmark::new(program, &marquee.redis_url, Claims::Taken, parts, settings).await?;
            contenders.push(Box::new(gate));
        }
        Err(missing) => absent.push(missing),
    }
    let bases = &[REDIS_BENCHMARK.name];
    let plot = Plot { title: "hold of a seat that is taken".to_owned(), unit: "refusals/s", bases, absent };
    Ok(vec![Block::measure(plot, contenders, settings.plan()).await])
}

/// Buyers who all want a seat that somebody holds: each connection has a seat of its own, one show each.
struct Losing {
    marquee: Marquee,
    requests: Vec<Arc<[u8]>>,
}

impl Losing {
    async fn new(marquee: &Marquee, settings: &Settings) -> Result<Self> {
        let connections = settings.connections as usize;
        let seats = Seats::free(&marquee.postgres().await?).await?;
        let winners = visitors::arrive(marquee.balancer, connections, connections).await?;
        let losers = visitors::arrive(marquee.balancer, connections, connections).await?;
        let mut line = Line::connect(marquee.balancer).await?;
        let mut requests = Vec::with_capacity(connections);
        for (winner, loser) in std::iter::zip(winners, losers) {
            let seat = seats.take().context("the fleet has no free seat left; run it with --fresh")?;
            // Sold, so that it stays taken however long this takes.
            buy(&mut line, &seat, &winner, "winning", true).await?;
            // A refusal has no effect, so the same key may be used again and again.
            let losing = wish(&seat, &loser, "losing");
            let refused = line.exchange(&losing).await?;
            ensure!(
                refused.body.windows(17).any(|word| word == b"seats_unavailable"),
                "a loser got {refused}"
            );
            requests.push(losing.into());
        }
        Ok(Self { marquee: marquee.clone(), requests })
    }
}

#[async_trait]
impl Contender for Losing {
    fn name(&self) -> String {
        "Marquee".to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        self.marquee.parts(&["balancer", "reservations", "postgres", "redis"])
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let talks = self.requests.iter().map(|request| Same { request: Arc::clone(request), status: 409 });
        Ok(Work::of(&load::run(self.marquee.balancer, talks.collect(), End::After(length)).await?))
    }

    async fn note(&mut self) -> Result<String> {
        Ok("everything on, with alternatives in the answer".to_owned())
    }
}
