//! Row 3: what it costs to sell a seat, beside the bare work of its two judges.

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
    let confirm =
        desk.confirm(directory.write("confirm.sql", &[claim::HOLD, claim::CONFIRM].concat())?).await;
    scratch.remove().await?;
    Ok(vec![hold?, confirm])
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
        let connections = self.settings.connections as usize;
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
                note: format!("the same statements, prepared, on the same server ({}); what the idle fleet asks of it counts too", self.durability),
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
