//! What is done to the fleet, one thing after another, each when the one before is over and the fleet is whole again.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use reqwest::StatusCode;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::scene::Scene;
use super::settings::Settings;
use crate::buyer::Buyer;
use crate::fleet::{Fleet, until};

/// Who is killed, in turn: of each of two pools the one and then the other.
const KILLED: [&str; 4] = ["reservations-1", "catalog-1", "reservations-2", "catalog-2"];
/// With everything whole, before a kill.
const CALM: Duration = Duration::from_secs(1);
/// How long an upgrade may take, building apart.
const UPGRADE_MAX: Duration = Duration::from_mins(2);

/// How often what was done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) restarts: u32,
    pub(super) upgrades: u32,
    pub(super) kills: u32,
}

/// One run's doings.
pub(super) struct Course<'run, Say> {
    pub(super) fleet: &'run Fleet,
    pub(super) settings: &'run Settings,
    pub(super) scene: &'run Scene,
    pub(super) say: &'run Say,
}

impl<Say: Fn(&str)> Course<'_, Say> {
    /// All rounds.
    pub(super) async fn roll(&self) -> Result<Done> {
        let mut done = Done::default();
        for round in 1..=self.settings.rounds {
            let began = Instant::now();
            for name in &self.settings.services {
                self.scene.is(format!("round {round}, {name} restarts"));
                self.replace(name, Signal::SIGTERM)
                    .await
                    .with_context(|| format!("round {round}, {name}"))?;
                done.restarts += 1;
            }
            self.scene.is(format!("round {round}, the balancer is upgraded"));
            self.upgrade().await.with_context(|| format!("round {round}, the balancer's upgrade"))?;
            done.upgrades += 1;
            (self.say)(&format!("round {round}: {:.1} s", began.elapsed().as_secs_f64()));
        }
        Ok(done)
    }

    /// All kills.
    pub(super) async fn kill(&self) -> Result<Done> {
        let mut done = Done::default();
        for (number, name) in (1..=self.settings.kills).zip(KILLED.iter().cycle()) {
            self.scene.is(format!("before kill {number}"));
            sleep(CALM).await;
            let began = Instant::now();
            self.scene.is(format!("kill {number}, of {name}"));
            self.replace(name, Signal::SIGKILL).await.with_context(|| format!("kill {number}, of {name}"))?;
            done.kills += 1;
            let whole = began.elapsed().as_secs_f64();
            (self.say)(&format!("kill {number}, of {name}: whole {whole:.1} s after"));
        }
        Ok(done)
    }

    /// Ends a process, and returns once another one serves in its place.
    async fn replace(&self, name: &str, signal: Signal) -> Result<()> {
        let before = self.fleet.pid(name)?;
        self.fleet.signal(name, signal)?;
        until(&format!("{name} to be started again"), async || {
            Ok(self.fleet.pid(name).is_ok_and(|pid| pid != before).then_some(()))
        })
        .await?;
        // The fleet knows of endpoints; the warmer is none.
        let probe = Buyer::new(&self.fleet.instance_url(name)?)?;
        until(&format!("{name} to be ready"), async || {
            let ready = probe.get("/readyz").await.is_ok_and(|answer| answer.status == StatusCode::OK);
            Ok(ready.then_some(()))
        })
        .await?;
        self.fleet.whole().await
    }

    async fn upgrade(&self) -> Result<()> {
        let before = self.fleet.pid("balancer")?;
        let upgrade = Command::new(&self.settings.upgrade)
            .env("MARQUEE_RUN_DIR", self.fleet.directory())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(UPGRADE_MAX, upgrade).await.context("it takes too long")??;
        let said = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&said));
        ensure!(self.fleet.pid("balancer")? != before, "the balancer is still process {before}");
        self.fleet.whole().await
    }
}
