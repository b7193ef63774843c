//! What the popular list costs, and what it would cost without Redis and the warmer.

use anyhow::Result;

use crate::bench::block::{Block, Plot};
use crate::bench::counting::{self, Counting};
use crate::bench::fetching::Fetching;
use crate::bench::load::{Line, request};
use crate::bench::marquee::Marquee;
use crate::bench::measure::Contender;
use crate::bench::sales::{self, weights::Weights};
use crate::bench::scratch::Scratch;
use crate::bench::settings::Settings;
use crate::bench::tell;
use crate::bench::visitors::cookies_of;

const PATH: &str = "/api/movies/popular";
/// Connections of the SQL: more than the cores of a machine only wait for each other.
const SQL_CONNECTIONS: usize = 2;

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let marquee = Marquee::find().await?;
    let scratch = Scratch::create(&marquee, settings).await?;
    let block = measure_on(&marquee, &scratch, settings).await;
    scratch.remove().await?;
    Ok(vec![block?])
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
