//! What it costs that everybody sees a seat change, and what a socket costs that only waits.

use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;

use crate::bench::block::{Block, Plot};
use crate::bench::cpu::{Part, tree};
use crate::bench::crowd::{Crowd, Pace, Place};
use crate::bench::load::quantile_ms;
use crate::bench::marquee::Marquee;
use crate::bench::measure::{Contender, Work};
use crate::bench::memory::pss_kib;
use crate::bench::seats::{Seat, Seats};
use crate::bench::settings::Settings;

/// Sockets that are there before memory is looked at, so that what the first one brings with it does not count.
const FIRST_SOCKETS: usize = 32;
/// Buyers who take turns.
const BUYERS: usize = 32;
/// Files that this process needs besides its sockets.
const OTHER_FILES: usize = 200;

const BALANCER: &str = "through the balancer";
const DIRECT: &str = "straight from the service";

pub(super) async fn measure(settings: &Settings) -> Result<Vec<Block>> {
    let marquee = Marquee::find().await?;
    let free = Seats::free(&marquee.postgres().await?).await?;
    let instances = vec![marquee.instance("reservations-1")?, marquee.instance("reservations-2")?];
    let mut crowds = [
        Watched::gather(BALANCER, &["balancer", "reservations"], vec![marquee.balancer], &free, &marquee)?,
        Watched::gather(DIRECT, &["reservations"], instances, &free, &marquee)?,
    ];
    let mut sizes: Vec<usize> = settings.sockets.iter().map(|sockets| *sockets as usize).collect();
    sizes.sort_unstable();
    let mut blocks = Vec::new();
    for size in sizes {
        let size = size.min(sockets_max()?);
        for crowd in &mut crowds {
            crowd.grow(size).await?;
        }
        for pace in [Pace::Seen, Pace::Answered] {
            let contenders = crowds.iter().map(|crowd| crowd.at(pace)).collect();
            blocks.push(Block::measure(plot(size, pace), contenders, settings.plan()).await);
        }
    }
    Ok(blocks)
}

fn plot(sockets: usize, pace: Pace) -> Plot<'static> {
    let title = match pace {
        Pace::Seen => format!("seat change to {sockets} sockets"),
        Pace::Answered => format!("seats changing as fast as they can before {sockets} sockets"),
    };
    Plot { title, unit: "messages/s", bases: &[DIRECT], absent: Vec::new() }
}

/// As many as both crowds can have open at once in this process.
fn sockets_max() -> Result<usize> {
    let files = rlimit::increase_nofile_limit(u64::MAX).context("the limit of open files cannot be read")?;
    Ok((usize::try_from(files)?.saturating_sub(OTHER_FILES)) / 2)
}

/// A crowd and what it keeps busy.
#[derive(Clone)]
struct Watched {
    name: &'static str,
    crowd: Crowd,
    marquee: Marquee,
    /// Who has a socket for each of them.
    holders: Vec<Part>,
    sockets: usize,
    memory: String,
    pace: Pace,
}

impl Watched {
    fn gather(
        name: &'static str,
        holders: &[&'static str],
        watch_at: Vec<std::net::SocketAddr>,
        free: &Seats,
        marquee: &Marquee,
    ) -> Result<Self> {
        let (show, seats) = of_one_show(free)?;
        let place = Place { watch_at, buy_at: marquee.balancer, show, seats };
        let (crowd, holders) = (Crowd::gather(place)?, marquee.parts(holders));
        let (marquee, memory) = (marquee.clone(), String::new());
        Ok(Self { name, crowd, marquee, holders, sockets: 0, memory, pace: Pace::Seen })
    }

    /// The same crowd, before which seats change so fast.
    fn at(&self, pace: Pace) -> Box<dyn Contender> {
        Box::new(Self { pace, ..self.clone() })
    }

    /// Opens sockets until there are so many, and notes what each of the new ones takes.
    async fn grow(&mut self, size: usize) -> Result<()> {
        let first = FIRST_SOCKETS.min(size).saturating_sub(self.sockets);
        self.crowd.open(first).await?;
        let before = self.memory()?;
        let more = size.saturating_sub(self.sockets + first);
        self.crowd.open(more).await?;
        let grown = std::iter::zip(self.memory()?, before).map(|((name, after), (_, before))| {
            format!("{name} {:.1} KiB", (after as f64 - before as f64) / more as f64)
        });
        if more > 0 {
            self.memory = format!("memory of an idle socket: {}", grown.collect::<Vec<_>>().join(", "));
        }
        self.sockets = size.max(self.sockets);
        Ok(())
    }

    fn memory(&self) -> Result<Vec<(&'static str, u64)>> {
        let of_part = |part: &Part| {
            let pids = part.roots.iter().map(|root| tree(*root)).collect::<Result<Vec<_>>>()?.concat();
            Ok((part.name, pss_kib(&pids)?))
        };
        self.holders.iter().map(of_part).collect()
    }
}

/// A show with free seats, one for each buyer.
fn of_one_show(free: &Seats) -> Result<(String, Vec<Seat>)> {
    loop {
        let first = free.take().context("no show of the fleet has seats enough left; run it with --fresh")?;
        let show = first.show.clone();
        let mut seats = vec![first];
        seats.extend(free.take_of(&show, BUYERS - 1));
        if seats.len() == BUYERS {
            return Ok((show, seats));
        }
    }
}

#[async_trait]
impl Contender for Watched {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        let mut names: Vec<_> = self.holders.iter().map(|part| part.name).collect();
        if self.pace == Pace::Answered {
            names.push("postgres");
        }
        names.push("redis");
        self.marquee.parts(&names)
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let seen = self.crowd.change(length, self.pace).await?;
        let (p50_ms, p99_ms) = (quantile_ms(&seen.delay, 0.5), quantile_ms(&seen.delay, 0.99));
        Ok(Work { done: seen.messages, elapsed: seen.elapsed, p50_ms, p99_ms })
    }

    async fn note(&mut self) -> Result<String> {
        Ok(match self.pace {
            Pace::Seen => {
                format!("delay from the buyer's request, a release's commit included; {}", self.memory)
            }
            Pace::Answered => format!("{BUYERS} buyers, each with a seat to hold and to release"),
        })
    }
}
