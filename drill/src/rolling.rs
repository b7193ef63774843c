//! Replaces every part of a fleet while buyers are on it, and counts the requests that this cost.
//!
//! First in good order: each service is asked to stop and comes back, one after another, and the balancer is upgraded, round
//! after round. Then without a word: instances are killed (-9). A request fails when it gets no whole answer, or a 5xx; nothing
//! is forgiven: a buyer who asks again, as buyers do, makes another request, and the first has failed all the same. What a
//! buyer may be refused (409, 410, …) is an answer.

mod buyer;
mod course;
mod report;
mod scene;
mod settings;
mod tally;
mod traffic;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use tokio_util::sync::CancellationToken;

use crate::bench::marquee::{address_of, connect};
use crate::bench::seats::Seats;
use crate::faults::asked_to_stop;
use crate::fleet::Fleet;
use crate::fleet::run::{Run, free_ports};
use course::Course;
pub use report::{Failure, Part, Report};
use scene::Scene;
pub use settings::Settings;
use tally::Tally;
use traffic::Traffic;

/// Runs to the end, or until a signal, and says what happens meanwhile.
pub async fn rolling(settings: &Settings, say: impl Fn(&str)) -> Result<Report> {
    // Dropping the run stops the fleet, in order.
    tokio::select! {
        done = run(settings, &say) => done,
        stopped = asked_to_stop() => {
            stopped?;
            bail!("stopped as asked, before the end")
        }
    }
}

async fn run(settings: &Settings, say: &impl Fn(&str)) -> Result<Report> {
    drop(rlimit::increase_nofile_limit(u64::MAX));
    let seed = settings.seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
    say(&format!("seed {seed}: starting a fleet in {}", settings.directory.display()));
    let (run, fleet) = start(settings).await?;
    fleet.whole().await.context("the fleet was never whole")?;
    let stage = Stage { fleet: &fleet, seats: free_seats(&fleet).await?, settings, seed };
    let scene = Scene::default();
    let course = Course { fleet: &fleet, settings, scene: &scene, say };
    let rolled = stage.meanwhile(&scene, course.roll()).await?;
    let killed = stage.meanwhile(&scene, course.kill()).await?;
    run.stop_in_order()?;
    Ok(Report { seed, rate: settings.rate, rounds: settings.rounds, kills: settings.kills, rolled, killed })
}

/// A fleet of our own, on nothing but a fresh demo catalogue.
async fn start(settings: &Settings) -> Result<(Run, Fleet)> {
    let home = home(settings)?;
    let mut command = Command::new(&settings.run);
    command.arg("--fresh").env_remove("DATABASE_URL").env_remove("REDIS_URL");
    let mut run = Run::start(command, free_ports(0..0)?, &home, &settings.directory.join("run.log"))?;
    run.until_exists(&home.join("fleet.env")).await?;
    Ok((run, Fleet::from_directory(&home)?))
}

fn home(settings: &Settings) -> Result<PathBuf> {
    let home = settings.directory.join("fleet");
    std::fs::create_dir_all(&home).with_context(|| format!("{} cannot be made", home.display()))?;
    Ok(home.canonicalize()?)
}

/// Seats for buyers who do not take each other's.
async fn free_seats(fleet: &Fleet) -> Result<Seats> {
    Seats::free(&connect(fleet.variable("DATABASE_URL")?).await?).await
}

/// What buyers come to.
struct Stage<'run> {
    fleet: &'run Fleet,
    seats: Seats,
    settings: &'run Settings,
    seed: u64,
}

impl Stage<'_> {
    /// Lets buyers in until `course` is done, and counts what they got. Nobody comes for nothing.
    async fn meanwhile(
        &self,
        scene: &Scene,
        course: impl Future<Output = Result<course::Done>>,
    ) -> Result<Part> {
        let (over, tally) = (CancellationToken::new(), Tally::default());
        let traffic = Traffic {
            address: address_of(&self.fleet.url)?,
            rate: self.settings.rate,
            buyers: self.settings.buyers,
            seed: self.seed,
            seats: self.seats.clone(),
            scene: scene.clone(),
            tally: tally.clone(),
        };
        let buying = tokio::spawn(traffic.run(over.clone()));
        // However it ended, the buyers go home.
        let done = course.await;
        over.cancel();
        let seconds = buying.await.context("the buyers died")?.as_secs_f64();
        Ok(tally.part(done?, seconds))
    }
}
