//! Starting a fleet of one's own: `scripts/run` in a directory of its own.
//!
//! However this ends, a panic included, the fleet is stopped; when we are killed, `scripts/run --while` stops it.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long the fleet may take until it is there, and until it is gone.
const START_MAX: Duration = Duration::from_mins(3);
const STOP_MAX: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(50);

/// Where ports may begin: below those that systems hand to outgoing connections. A fleet has all its ports in one block.
const PORT_BLOCKS: Range<u16> = 18..32;
const BLOCK: u16 = 1000;
/// Within the block: the balancer's two, the services', and the canary's.
const OFFSETS: [u16; 10] = [0, 1, 101, 102, 201, 202, 301, 302, 401, 501];

/// `scripts/run`, stopped when this is dropped.
#[derive(Debug)]
pub struct Run {
    child: Child,
    log: PathBuf,
}

impl Run {
    /// Starts a fleet on a block of free ports, with `home` for all that belongs to it. `command` is the script, with whatever
    /// this fleet needs besides.
    pub fn start(mut command: Command, ports: u16, home: &Path, log: &Path) -> Result<Self> {
        std::fs::create_dir_all(home).with_context(|| format!("{} cannot be made", home.display()))?;
        // A fleet that died here may have left them, and they are what we wait for.
        for stale in ["links", "links.open", "fleet.env"] {
            drop(std::fs::remove_file(home.join(stale)));
        }
        let words = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
        command
            .args(["--port", &ports.to_string(), "--service-ports", &ports.to_string()])
            .args(["--while", &std::process::id().to_string()])
            .env("MARQUEE_RUN_DIR", home)
            .stdin(Stdio::null())
            .stdout(words.try_clone()?)
            .stderr(words)
            // A terminal's Ctrl-C is for us, and we stop the fleet.
            .process_group(0);
        let script = command.get_program().to_owned();
        let child = command.spawn().with_context(|| format!("{} cannot be started", script.display()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Returns once there is a file: `fleet.env` in its home, when the fleet is ready.
    pub async fn until_exists(&mut self, file: &Path) -> Result<()> {
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

    /// Stops everything; an error when it did not go in order.
    pub fn stop_in_order(mut self) -> Result<()> {
        let status = self.stop()?;
        ensure!(status.success(), "the fleet did not stop in order ({status}): see {}", self.log.display());
        Ok(())
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

/// A block of ports that nobody listens on, where `scripts/run` listens and at these offsets besides. Two who look at the same
/// time begin at different blocks: a fleet takes its ports only seconds later.
pub fn free_ports(besides: Range<u16>) -> Result<u16> {
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let block_free = |base: &u16| {
        let offsets = OFFSETS.into_iter().chain(besides.clone());
        offsets.map(|offset| base + offset).all(free)
    };
    let begin = std::process::id() as usize % PORT_BLOCKS.len();
    let mut bases = PORT_BLOCKS.cycle().skip(begin).take(PORT_BLOCKS.len()).map(|block| block * BLOCK);
    bases.find(block_free).context("no thousand ports are free below the ephemeral ones")
}
