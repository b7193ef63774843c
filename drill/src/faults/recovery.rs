//! Whether a fleet is whole: as a visitor sees it, as its admin pages say, and by selling a seat.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use tokio::time::{Instant, sleep, timeout};

use super::probe::Probe;
use super::process::Gone;
use crate::buyer::{Answer, Buyer};
use crate::fleet::Fleet;
use crate::history::Recorder;

/// How long a fleet may take to be whole again before that is a failure.
pub(super) const RECOVERY_MAX: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(50);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Something cheap that only an instance with its Postgres can answer, and the answer.
const QUESTIONS: [(&str, &str, StatusCode); 4] = [
    ("catalog", "/api/movies?limit=1", StatusCode::OK),
    ("reservations", "/api/bookings", StatusCode::OK),
    ("waitlist", "/api/waitlist/00000000-0000-4000-8000-000000000000", StatusCode::NOT_FOUND),
    ("cache-warmer", "/readyz", StatusCode::OK),
];
const ENDPOINT_UP: &str = "marquee_balancer_endpoint_up";

/// How a fleet became whole.
#[derive(Debug)]
pub(super) struct Recovery {
    /// How long it took.
    pub(super) after: Duration,
    /// What came back last, where anything was seen to be missing.
    pub(super) last: Option<String>,
}

/// Looks at one fleet.
#[derive(Debug)]
pub(super) struct Inspector {
    fleet: Fleet,
    services: Vec<String>,
    probe: Probe,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s after", self.after.as_secs_f64())?;
        match &self.last {
            Some(last) => write!(f, "; last: {last}"),
            None => Ok(()),
        }
    }
}

impl Inspector {
    /// Of a fleet that is whole, with these services.
    pub(super) async fn new(fleet: &Fleet, services: &[String], recorder: &Recorder) -> Result<Self> {
        let probe = Probe::new(fleet, recorder).await?;
        Ok(Self { fleet: fleet.clone(), services: services.to_vec(), probe })
    }

    /// Returns once everything that went has been replaced and the fleet is whole.
    pub(super) async fn whole(&self, gone: &[Gone]) -> Result<Recovery> {
        let from = Instant::now();
        let mut last = None;
        while let Err(missing) = self.look(gone).await {
            if from.elapsed() > RECOVERY_MAX {
                return Err(missing.context(format!("not whole after {} s", RECOVERY_MAX.as_secs())));
            }
            last = Some(missing.to_string());
            sleep(PAUSE).await;
        }
        Ok(Recovery { after: from.elapsed(), last })
    }

    /// One look; the error is the first thing that is missing.
    async fn look(&self, gone: &[Gone]) -> Result<()> {
        for Gone { name, pid } in gone {
            ensure!(self.fleet.pid(name).is_ok_and(|now| now != *pid), "{name} has not been started again");
        }
        ask(&self.fleet.url, "/healthz", StatusCode::OK).await.context("the balancer does not serve")?;
        for name in &self.services {
            self.look_at(name).await.with_context(|| format!("{name} does not serve"))?;
        }
        self.endpoints_up().await?;
        self.probe.sell().await.context("no seat can be sold")
    }

    async fn look_at(&self, name: &str) -> Result<()> {
        let url = self.fleet.instance_url(name)?;
        ask(&url, "/readyz", StatusCode::OK).await?;
        for (_, path, status) in QUESTIONS.iter().filter(|(program, ..)| name.starts_with(program)) {
            ask(&url, path, *status).await?;
        }
        Ok(())
    }

    async fn endpoints_up(&self) -> Result<()> {
        let metrics = ask(&self.fleet.admin_url, "/metrics", StatusCode::OK).await?.body;
        let lines = metrics.as_str().unwrap_or_default().lines();
        let endpoints = lines.filter_map(|line| line.strip_prefix(ENDPOINT_UP)?.rsplit_once(' '));
        let (up, out): (Vec<_>, Vec<_>) = endpoints.partition(|(_, up)| *up == "1");
        ensure!(out.is_empty(), "the balancer has out {}", out[0].0);
        ensure!(!up.is_empty(), "the balancer knows no endpoint");
        Ok(())
    }
}

/// Asks as somebody who was never here before, and does not wait long.
async fn ask(url: &str, path: &str, status: StatusCode) -> Result<Answer> {
    let asked = async { Buyer::new(url)?.get(path).await?.expect(status) };
    timeout(PATIENCE, asked)
        .await
        .context("no answer in time")
        .flatten()
        .with_context(|| format!("{url}{path}"))
}
