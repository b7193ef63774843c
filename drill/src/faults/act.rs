//! A planned fault, done to a fleet.

use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::signal::Signal;

use super::plan::{Fault, Harm, Kind};
use super::process::Gone;
use super::recovery::Inspector;
use super::rehearsal::Rehearsal;
use super::{clock, process, store};
use crate::fleet::SERVICES;

/// Where it is done.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    /// The fleet and its wires.
    pub(super) rehearsal: &'a Rehearsal,
    /// Who says when it is whole.
    pub(super) inspector: &'a Inspector,
}

/// What was done.
#[derive(Debug)]
pub(super) struct Harmed {
    /// To what, in words.
    pub(super) what: String,
    /// Processes that must be replaced before the fleet is whole.
    pub(super) gone: Vec<Gone>,
}

impl Stage<'_> {
    /// Does it; returns once we have done all that we do, and the fleet is to mend itself.
    pub(super) async fn act(&self, fault: &Fault) -> Result<Harmed> {
        match fault.harm {
            Harm::Blow => self.blow(fault.kind, &fault.part).await,
            Harm::Spell { lasts } => {
                self.spell(fault.kind, &fault.part, lasts).await.map(|what| lasted(&what, lasts))
            }
            Harm::Slowness { lasts, delay } => {
                let what = self.rehearsal.links.slow(&fault.part, lasts, delay).await?;
                Ok(lasted(&format!("{what}, {} ms a chunk", delay.as_millis()), lasts))
            }
            Harm::Skew { lasts, by_seconds } => self.skew(&fault.part, lasts, by_seconds).await,
        }
    }

    async fn blow(&self, kind: Kind, part: &str) -> Result<Harmed> {
        let fleet = &self.rehearsal.fleet;
        match kind {
            Kind::Kill | Kind::BalancerKill | Kind::RedisRestart => self.end(part, Signal::SIGKILL),
            Kind::Restart => self.end(part, Signal::SIGTERM),
            // Postgres' words for a fast and an immediate shutdown.
            Kind::PostgresRestart => self.end(part, Signal::SIGINT),
            Kind::PostgresImmediate => self.end(part, Signal::SIGQUIT),
            Kind::PostgresBackends => store::end_transactions(fleet).await.map(Harmed::alive),
            Kind::RedisFlush => store::flush(fleet).await.map(Harmed::alive),
            Kind::PubsubDrop => store::drop_subscribers(fleet).await.map(Harmed::alive),
            Kind::Roll => self.roll().await,
            other => bail!("{other} is no blow"),
        }
    }

    async fn spell(&self, kind: Kind, part: &str, lasts: Duration) -> Result<String> {
        let Rehearsal { fleet, links, .. } = self.rehearsal;
        match kind {
            Kind::Freeze | Kind::BalancerFreeze | Kind::RedisFreeze => {
                process::freeze(fleet, part, lasts).await
            }
            Kind::LinkCut => links.cut(part, lasts).await,
            Kind::LinkStall => links.stall(part, lasts).await,
            other => bail!("{other} is no spell"),
        }
    }

    fn end(&self, name: &str, signal: Signal) -> Result<Harmed> {
        let gone = process::end(&self.rehearsal.fleet, name, signal)?;
        Ok(Harmed { what: format!("pid {}", gone.pid), gone: vec![gone] })
    }

    /// One after another, each when the one before is back. The last one's return is the recovery.
    async fn roll(&self) -> Result<Harmed> {
        let mut last = Vec::new();
        for name in SERVICES {
            self.inspector.whole(&last).await?;
            last = self.end(name, Signal::SIGTERM)?.gone;
        }
        Ok(Harmed { what: format!("{} one by one", SERVICES.len()), gone: last })
    }

    async fn skew(&self, name: &str, lasts: Duration, by_seconds: i64) -> Result<Harmed> {
        let fleet = &self.rehearsal.fleet;
        let wrong = clock::make_wrong(fleet, name, by_seconds)?;
        self.inspector.whole(&self.end(name, Signal::SIGTERM)?.gone).await?;
        clock::expect_wrong(fleet, name, by_seconds).await?;
        tokio::time::sleep(lasts).await;
        drop(wrong);
        let Harmed { what, gone } = self.end(name, Signal::SIGTERM)?;
        Ok(Harmed { gone, ..lasted(&format!("{what}, off by {by_seconds} s"), lasts) })
    }
}

impl Harmed {
    /// No process has gone.
    fn alive(what: String) -> Self {
        Self { what, gone: Vec::new() }
    }
}

fn lasted(what: &str, lasts: Duration) -> Harmed {
    Harmed::alive(format!("{what}, {:.1} s", lasts.as_secs_f64()))
}
