//! A fleet that `scripts/run` started on this machine: where it is, and how to break it.
//!
//! Only processes whose ids stand in the fleet's own directory are ever signalled.

pub mod run;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::Instant;

use crate::buyer::Buyer;

/// The services of a fleet that can be asked to stop, and the warmer.
pub const SERVICES: [&str; 7] = [
    "catalog-1",
    "catalog-2",
    "reservations-1",
    "reservations-2",
    "waitlist-1",
    "waitlist-2",
    "cache-warmer",
];

/// How long anything may take to come true before it counts as failed.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(50);

/// One fleet.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The balancer's public address.
    pub url: String,
    /// The balancer's admin address.
    pub admin_url: String,
    directory: PathBuf,
    variables: HashMap<String, String>,
}

/// A process that is kept down; dropping this lets it come back.
#[derive(Debug)]
pub struct Down(PathBuf);

impl Drop for Down {
    fn drop(&mut self) {
        // What cannot be removed was removed already.
        drop(std::fs::remove_file(&self.0));
    }
}

impl Fleet {
    /// As `fleet.env` of a run says, through the environment.
    pub fn from_environment() -> Result<Self> {
        // What is not text is none of ours.
        let text =
            |(name, value): (OsString, OsString)| name.into_string().ok().zip(value.into_string().ok());
        Self::told(std::env::vars_os().filter_map(text).collect())
            .context("run this through scripts/test, or read fleet.env of a scripts/run before")
    }

    /// As `fleet.env` in the directory of a run says.
    pub fn from_directory(directory: &Path) -> Result<Self> {
        let file = directory.join("fleet.env");
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        Self::told(text.lines().filter_map(variable).collect())
    }

    fn told(variables: HashMap<String, String>) -> Result<Self> {
        let told = |name| variables.get(name).cloned().with_context(|| format!("{name} is not set"));
        Ok(Self {
            url: told("MARQUEE_URL")?,
            admin_url: told("MARQUEE_ADMIN_URL")?,
            directory: told("MARQUEE_RUN_DIR")?.into(),
            variables,
        })
    }

    /// What the run says of itself under a name such as `DATABASE_URL`.
    pub fn variable(&self, name: &str) -> Result<&str> {
        self.variables.get(name).map(String::as_str).with_context(|| format!("{name} is not set"))
    }

    /// Where an instance listens, such as `catalog-1`.
    pub fn instance_url(&self, name: &str) -> Result<String> {
        let variable = format!("MARQUEE_{}_URL", name.to_uppercase().replace('-', "_"));
        self.variable(&variable).map(str::to_owned)
    }

    /// Where the run keeps what it has to say.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A new buyer.
    pub fn buyer(&self) -> Result<Buyer> {
        Buyer::new(&self.url)
    }

    /// The process behind a name, such as `reservations-1` or `redis`.
    pub fn pid(&self, name: &str) -> Result<i32> {
        pid_in(&self.directory.join("pids").join(format!("{name}.pid")))
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let pid = self.pid(name)?;
        ensure!(pid > 1, "{name} has no process of its own");
        kill(Pid::from_raw(pid), signal).with_context(|| format!("cannot signal {name}"))
    }

    /// Kills a process (-9) and returns once another one has taken its place.
    pub async fn kill_and_wait(&self, name: &str) -> Result<()> {
        let before = self.pid(name)?;
        self.signal(name, Signal::SIGKILL)?;
        until(&format!("{name} to be started again"), async || {
            Ok(self.pid(name).is_ok_and(|pid| pid != before).then_some(()))
        })
        .await
    }

    /// Stops a process, and keeps it down until the result is dropped.
    pub async fn take_down(&self, name: &str, signal: Signal) -> Result<Down> {
        let pid = self.pid(name)?;
        std::fs::create_dir_all(self.directory.join("down"))?;
        let down = Down(self.directory.join("down").join(name));
        std::fs::write(&down.0, "")?;
        self.signal(name, signal)?;
        let gone = async || Ok(kill(Pid::from_raw(pid), None).is_err().then_some(()));
        until(&format!("{name} to be gone"), gone).await?;
        Ok(down)
    }

    /// Returns once the balancer says that every pool can serve.
    pub async fn healthy(&self) -> Result<()> {
        let buyer = self.buyer()?;
        until("the fleet to be healthy", async || {
            Ok(buyer.get("/healthz").await.is_ok_and(|answer| answer.status == 200).then_some(()))
        })
        .await
    }

    /// Returns once every endpoint of every pool is up in the balancer's eyes, and every service says it is ready.
    pub async fn whole(&self) -> Result<()> {
        self.healthy().await?;
        for service in ["catalog", "reservations", "waitlist"] {
            for instance in 1..=2 {
                let name = format!("{service}-{instance}");
                let probe = Buyer::new(&self.instance_url(&name)?)?;
                until(&format!("{name} to be ready"), async || {
                    Ok(probe.get("/readyz").await.is_ok_and(|answer| answer.status == 200).then_some(()))
                })
                .await?;
            }
        }
        let admin = Buyer::new(&self.admin_url)?;
        until("every endpoint to be up", async || {
            let metrics = admin.get("/metrics").await?.body.to_string();
            let mut ups =
                metrics.split("\\n").filter(|line| line.starts_with("marquee_balancer_endpoint_up{"));
            Ok((metrics.contains("marquee_balancer_endpoint_up{") && ups.all(|line| line.ends_with(" 1")))
                .then_some(()))
        })
        .await
    }
}

/// `NAME=VALUE`, the value in single quotes where a shell would read it otherwise.
fn variable(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let bare = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    Some((name.to_owned(), bare.map_or_else(|| value.to_owned(), |quoted| quoted.replace(r"'\''", "'"))))
}

fn pid_in(file: &Path) -> Result<i32> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let first = text.split_whitespace().next().with_context(|| format!("{} is empty", file.display()))?;
    Ok(first.parse()?)
}

/// Asks until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        ensure!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_of_as_a_shell_would_read_it() {
        let read = |line| variable(line).unwrap();
        assert_eq!(
            read("MARQUEE_URL=http://127.0.0.1:8080"),
            ("MARQUEE_URL".into(), "http://127.0.0.1:8080".into())
        );
        assert_eq!(read(r"MARQUEE_RUN_DIR='/our fleet'\''s'").1, "/our fleet's");
        assert_eq!(variable("nothing"), None);
    }
}
