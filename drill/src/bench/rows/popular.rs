//! What the popular list costs, and what it would cost without Redis and the warmer.

use anyhow::Result;

use crate::bench::block::{Block, Plot};
use crate::bench::counting::{self, Counting};
use crate::bench::fetching::Fetching;
use crate::bench::load::{Line, request};
use crate::bench::marquee::Marquee;
use crate::bench::measure::Contender;
use crate::bench::refreshing::Refreshing;
use crate::bench::sales::{self, weights::Weights};
use crate::bench::scratch::Scratch;
use crate::bench::settings::Settings;
use crate::bench::tell;
use crate::bench::visitors::cookies_of;

const PATH: &str = "/api/movies/popular";
/// How much less was sold in the history that the job is measured over besides.
const SHORT_HISTORY: u64 = 100;
/// Connections of the SQL: more than the cores of a machine only wait for each other.
const SQL_CONNECTIONS: usize = 2;

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let marquee = Marquee::find().await?;
    let scratch = Scratch::create(&marquee, settings).await?;
    let blocks = measure_both(&marquee, &scratch, settings).await;
    scratch.remove().await?;
    blocks
}

async fn measure_both(marquee: &Marquee, scratch: &Scratch, settings: &Settings) -> Result<Vec<Block>> {
    let lists = measure_on(marquee, scratch, settings).await?;
    let short = Scratch::create(marquee, settings).await?;
    let job = measure_job(marquee, scratch, &short, settings).await;
    short.remove().await?;
    Ok(vec![lists, job?])
}

/// The warmer's job over a long history and a short one.
async fn measure_job(
    marquee: &Marquee,
    long: &Scratch,
    short: &Scratch,
    settings: &Settings,
) -> Result<Block> {
    let few = settings.bookings / SHORT_HISTORY;
    sales::write(&short.connect().await?, &Weights::find(settings.data.as_deref())?, few).await?;
    let mut contenders: Vec<Box<dyn Contender>> = Vec::new();
    let base = format!("after {few} bookings");
    for (name, scratch) in [(format!("after {} bookings", settings.bookings), long), (base.clone(), short)] {
        tell(&format!("popular: the job {name}"));
        contenders.push(Box::new(Refreshing::new(name, marquee, scratch, settings).await?));
    }
    let plot = Plot {
        title: "refresh of the popular lists".to_owned(),
        unit: "refreshes/s",
        bases: &[&base],
        absent: Vec::new(),
    };
    Ok(Block::measure(plot, contenders, settings.plan()).await)
}

async fn measure_on(marquee: &Marquee, scratch: &Scratch, settings: &Settings) -> Result<Block> {
    let weights = Weights::find(settings.data.as_deref())?;
    tell(&format!("popular: writing {} bookings, {}", settings.bookings, weights.origin));
    sales::write(&scratch.connect().await?, &weights, settings.bookings).await?;
    let note = format!("{} bookings, {}; {SQL_CONNECTIONS} connections", settings.bookings, weights.origin);
    let sql = Counting::new(scratch, SQL_CONNECTIONS, marquee.parts(&["postgres"]), note).await?;
    let cookies = cookies_of(&mut Line::connect(marquee.balancer).await?, "/api/bookings").await?;
    let contenders: Vec<Box<dyn Contender>> = vec![
        Box::new(through_the_balancer(marquee, &cookies, settings)),
        Box::new(from_the_catalog(marquee, &cookies, settings)?),
        Box::new(sql),
    ];
    let plot = Plot {
        title: "popular list".to_owned(),
        unit: "lists/s",
        bases: &[counting::NAME],
        absent: Vec::new(),
    };
    Ok(Block::measure(plot, contenders, settings.plan()).await)
}

fn through_the_balancer(marquee: &Marquee, cookies: &str, settings: &Settings) -> Fetching {
    Fetching {
        name: "Marquee",
        address: marquee.balancer,
        request: request::get(PATH, cookies),
        connections: settings.connections as usize,
        parts: marquee.parts(&["balancer", "catalog", "redis", "postgres"]),
        note: "everything on: the balancer keeps it for its five seconds".to_owned(),
        program: None,
        logs: Vec::new(),
        hits: None,
    }
}

fn from_the_catalog(marquee: &Marquee, cookies: &str, settings: &Settings) -> Result<Fetching> {
    Ok(Fetching {
        name: "straight from the catalog",
        address: marquee.instance("catalog-1")?,
        parts: marquee.parts(&["catalog", "redis", "postgres"]),
        note: "one instance, a round trip to Redis for each".to_owned(),
        ..through_the_balancer(marquee, cookies, settings)
    })
}
