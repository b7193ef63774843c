//! What it costs to sell a seat, beside the bare work of its two judges.

use std::path::PathBuf;

use anyhow::Result;

use crate::bench::block::{Block, Plot};
use crate::bench::buying::Buying;
use crate::bench::claim;
use crate::bench::marquee::Marquee;
use crate::bench::measure::Contender;
use crate::bench::peers::pgbench::Pgbench;
use crate::bench::peers::redis_benchmark::{Claims, RedisBenchmark};
use crate::bench::peers::{Absent, PGBENCH, REDIS_BENCHMARK};
use crate::bench::program::Directory;
use crate::bench::scratch::Scratch;
use crate::bench::seats::Seats;
use crate::bench::settings::Settings;

/// Of the peak, the rate at which waits are looked at: a house that is driven at its peak makes everybody wait.
const BELOW_THE_PEAK: f64 = 0.8;
/// Connections for each buyer of the closed loop, so that in an open one nobody waits for a connection.
const CONNECTIONS_PER_BUYER: usize = 4;
/// As the table calls the whole house.
const HOUSE: &str = "Marquee";

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let marquee = Marquee::find().await?;
    let scratch = Scratch::create(&marquee, settings).await?;
    let directory = Directory::new("holds")?;
    let desk = Desk {
        seats: Seats::free(&marquee.postgres().await?).await?,
        durability: durability(&marquee).await?,
        settings,
        marquee,
        scratch: &scratch,
    };
    let hold = desk.hold(directory.write("hold.sql", claim::HOLD)?).await;
    let paced = match hold.as_ref().ok().and_then(peak) {
        Some(peak) => Some(desk.paced(peak * BELOW_THE_PEAK).await),
        None => None,
    };
    let confirm =
        desk.confirm(directory.write("confirm.sql", &[claim::HOLD, claim::CONFIRM].concat())?).await;
    scratch.remove().await?;
    Ok([Some(hold?), paced, Some(confirm)].into_iter().flatten().collect())
}

/// What the whole house did in a closed loop.
fn peak(block: &Block) -> Option<f64> {
    block.entries.iter().find(|entry| entry.name == HOUSE)?.figures.as_ref().map(|figures| figures.rate)
}

/// What both blocks need.
struct Desk<'a> {
    marquee: Marquee,
    scratch: &'a Scratch,
    settings: &'a Settings,
    seats: Seats,
    durability: String,
}

impl Desk<'_> {
    async fn hold(&self, script: PathBuf) -> Result<Block> {
        let mut absent = Vec::new();
        let mut contenders = self.contenders(false, script, &mut absent);
        match REDIS_BENCHMARK.find() {
            Ok(program) => {
                let parts = self.marquee.parts(&["redis"]);
                let url = &self.marquee.redis_url;
                let gate = RedisBenchmark::new(program, url, Claims::Fresh, parts, self.settings).await?;
                contenders.push(Box::new(gate));
            }
            Err(missing) => absent.push(missing),
        }
        Ok(self.block("durable hold of one seat", "holds/s", absent, contenders).await)
    }

    /// Buyers who come evenly, at a rate that the house can bear.
    async fn paced(&self, rate: f64) -> Block {
        let connections = self.settings.buyers as usize * CONNECTIONS_PER_BUYER;
        let plan = self.settings.plan();
        let house = Buying::new(HOUSE, &self.marquee, false, &self.seats, connections, plan).paced(rate);
        let title = format!("durable hold of one seat, at {:.0}% of that rate", BELOW_THE_PEAK * 100.0);
        self.block(&title, "holds/s", Vec::new(), vec![Box::new(house)]).await
    }

    async fn confirm(&self, script: PathBuf) -> Block {
        let mut absent = Vec::new();
        let contenders = self.contenders(true, script, &mut absent);
        self.block("hold, then confirm", "bookings/s", absent, contenders).await
    }

    fn contenders(
        &self,
        confirming: bool,
        script: PathBuf,
        absent: &mut Vec<Absent>,
    ) -> Vec<Box<dyn Contender>> {
        let connections = self.settings.buyers as usize;
        let plan = self.settings.plan();
        let house = Buying::new(HOUSE, &self.marquee, confirming, &self.seats, connections, plan);
        let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(house)];
        match PGBENCH.find() {
            Ok(program) => contenders.push(Box::new(Pgbench {
                program,
                url: self.scratch.url.clone(),
                script,
                connections,
                parts: self.marquee.parts(&["postgres"]),
                series: u32::from(confirming),
                running: None,
                // A sale takes one for its hold, and one in case it must be claimed anew.
                tokens_each: if confirming { 2 } else { 1 },
                note: format!(
                    "the same statements, one buyer a transaction, prepared, on the same server ({}); what the idle fleet asks of \
                     it counts too",
                    self.durability
                ),
            })),
            Err(missing) => absent.push(missing),
        }
        contenders
    }

    async fn block(
        &self,
        title: &str,
        unit: &'static str,
        absent: Vec<Absent>,
        contenders: Vec<Box<dyn Contender>>,
    ) -> Block {
        let plot = Plot { title: title.to_owned(), unit, bases: &[PGBENCH.name], absent };
        Block::measure(plot, contenders, self.settings.plan()).await
    }
}

/// What the server does at a commit.
async fn durability(marquee: &Marquee) -> Result<String> {
    let client = marquee.postgres().await?;
    let asked = "SELECT current_setting('fsync'), current_setting('synchronous_commit')";
    let row = client.query_one(asked, &[]).await?;
    Ok(format!("fsync {}, synchronous_commit {}", row.get::<_, &str>(0), row.get::<_, &str>(1)))
}
