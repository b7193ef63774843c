//! A fleet of our own to break: `scripts/run` in a directory of its own, every wire of it in our hands.
//!
//! However this ends, a signal and a panic included, the fleet is stopped; when we are killed, `scripts/run --while` stops it.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::links::Links;
use crate::fleet::Fleet;

/// How long the fleet may take until it is there, and until it is gone.
const START_MAX: Duration = Duration::from_mins(3);
const STOP_MAX: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(50);

/// Where ports may begin: below those that systems hand to outgoing connections. A fleet has all its ports in one block.
const PORT_BLOCKS: std::ops::Range<u16> = 18..32;
const BLOCK: u16 = 1000;
/// Within the block: `scripts/run` puts services from 101 on, and we the links above them.
const LINKS_OFFSET: u16 = 500;
const LINKS_MAX: u16 = 64;

/// Deadlines that a rehearsal can wait for; the environment may say otherwise.
const SETTINGS: [(&str, &str); 3] = [
    ("MARQUEE_RESERVATIONS__HOLD_SECONDS", "10"),
    ("MARQUEE_RESERVATIONS__ESCROW_SECONDS", "10"),
    ("MARQUEE_WAITLIST__OFFER_SECONDS", "6"),
];

/// A running fleet, and the wires between its parts.
#[derive(Debug)]
pub(super) struct Rehearsal {
    // In this order: the fleet goes while its wires are still there.
    run: Run,
    /// The fleet.
    pub(super) fleet: Fleet,
    /// Its wires.
    pub(super) links: Links,
}

impl Rehearsal {
    /// Starts `script` with `directory` for all that belongs to this fleet, on nothing but a fresh demo catalogue.
    pub(super) async fn start(script: &Path, directory: &Path) -> Result<Self> {
        let home = directory.join("fleet");
        let mut run = Run::start(script, &home, &directory.join("run.log"))?;
        run.until_exists(&home.join("links")).await?;
        let links = Links::open(&home).await?;
        run.until_exists(&home.join("fleet.env")).await?;
        Ok(Self { run, fleet: Fleet::from_directory(&home)?, links })
    }

    /// Stops everything; an error when it did not go in order.
    pub(super) fn stop(mut self) -> Result<()> {
        let status = self.run.stop()?;
        ensure!(
            status.success(),
            "the fleet did not stop in order ({status}): see {}",
            self.run.log.display()
        );
        Ok(())
    }
}

/// `scripts/run`, stopped when this is dropped.
#[derive(Debug)]
struct Run {
    child: Child,
    log: PathBuf,
}

impl Run {
    fn start(script: &Path, home: &Path, log: &Path) -> Result<Self> {
        std::fs::create_dir_all(home).with_context(|| format!("{} cannot be made", home.display()))?;
        // A fleet that died here may have left them, and they are what we wait for.
        for stale in ["links", "links.open", "fleet.env"] {
            drop(std::fs::remove_file(home.join(stale)));
        }
        let words = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
        let ports = free_block()?;
        let mut command = Command::new(script);
        command
            .args(["--fresh", "--port", &ports.to_string(), "--service-ports", &ports.to_string()])
            .args(["--links", &(ports + LINKS_OFFSET).to_string()])
            .args(["--while", &std::process::id().to_string()])
            .env("MARQUEE_RUN_DIR", home)
            .env_remove("DATABASE_URL")
            .env_remove("REDIS_URL")
            .stdin(Stdio::null())
            .stdout(words.try_clone()?)
            .stderr(words)
            // A terminal's Ctrl-C is for us, and we stop the fleet.
            .process_group(0);
        for (name, value) in SETTINGS {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        let child = command.spawn().with_context(|| format!("{} cannot be started", script.display()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    async fn until_exists(&mut self, file: &Path) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        while !file.exists() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the fleet did not start ({status}):\n{}", self.last_words());
            }
            ensure!(Instant::now() < deadline, "the fleet takes too long to start:\n{}", self.last_words());
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Asks it to stop and waits; `scripts/run` kills what does not stop.
    fn stop(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + STOP_MAX;
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        if self.child.try_wait()?.is_none() {
            kill(pid, Signal::SIGTERM)?;
        }
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "the fleet (pid {pid}) does not stop");
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("drill: {error:#}");
        }
    }
}

/// The first block of ports that nobody listens on.
fn free_block() -> Result<u16> {
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let block_free = |base: u16| {
        let links = base + LINKS_OFFSET..base + LINKS_OFFSET + LINKS_MAX;
        let services = [101, 102, 201, 202, 301, 302, 401].map(|offset| base + offset);
        [base, base + 1].into_iter().chain(services).chain(links).all(free)
    };
    let mut bases = PORT_BLOCKS.map(|block| block * BLOCK);
    bases.find(|base| block_free(*base)).context("no thousand ports are free below the ephemeral ones")
}
