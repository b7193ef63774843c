//! A program that the bench starts for itself: a peer, the balancer alone, the origin. Stopped when it is dropped.

use std::fs::{File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;

use super::cpu;

/// How long a program may take to listen; Varnish compiles its configuration first.
const READY_PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// One running program.
#[derive(Debug)]
pub struct Program {
    child: Child,
}

impl Program {
    /// Starts it and returns once it listens. What it says goes to `NAME.out` and `NAME.err` in `directory`.
    pub async fn start(
        name: &str,
        mut command: Command,
        directory: &Path,
        address: SocketAddr,
    ) -> Result<Self> {
        let said = directory.join(format!("{name}.err"));
        command.stdin(Stdio::null()).stderr(append(&said)?);
        command.stdout(append(&directory.join(format!("{name}.out")))?);
        let child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        let mut program = Self { child };
        let deadline = Instant::now() + READY_PATIENCE;
        while TcpStream::connect(address).await.is_err() {
            let ended = program.child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                bail!("{name} does not listen: {}", last_words(&said));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(program)
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What is left of it is killed: workers do not always end with their master.
    fn kill_tree(&mut self) {
        for pid in cpu::tree(self.pid()).unwrap_or_default() {
            // It may have ended by itself meanwhile.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        drop(self.child.wait());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(self.pid()), Signal::SIGTERM);
        let deadline = Instant::now() + STOP_PATIENCE;
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                return self.kill_tree();
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// An address on this machine that nobody listens on just now.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn append(file: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    opened.with_context(|| format!("{} cannot be written", file.display()))
}

fn last_words(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let last: Vec<_> = text.lines().rev().take(3).collect();
    if last.is_empty() {
        "it said nothing".to_owned()
    } else {
        last.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

/// A directory for one row's configurations and logs, removed when it is dropped.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// A new one.
    pub fn new(name: &str) -> Result<Self> {
        let path =
            std::env::temp_dir().join(format!("marquee-bench-{name}-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.0.join(name);
        std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
        Ok(file)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left there lies among temporary files, and harms nobody.
        drop(std::fs::remove_dir_all(&self.0));
    }
}
