//! Faults of processes: killed, frozen, asked to stop.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fleet::Fleet;

/// A process that must be replaced by another one before its fleet is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gone {
    /// Its name.
    pub(super) name: String,
    /// The one that went.
    pub(super) pid: i32,
}

/// A process that stands still; dropping this lets it go on.
#[derive(Debug)]
struct Frozen(Pid);

impl Drop for Frozen {
    fn drop(&mut self) {
        // One that was killed meanwhile needs no thaw.
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

/// Sends a signal that ends a process.
pub(super) fn end(fleet: &Fleet, name: &str, signal: Signal) -> Result<Gone> {
    let pid = fleet.pid(name)?;
    fleet.signal(name, signal)?;
    Ok(Gone { name: name.to_owned(), pid })
}

/// Lets a process stand still for a while.
pub(super) async fn freeze(fleet: &Fleet, name: &str, lasts: Duration) -> Result<String> {
    let pid = Pid::from_raw(fleet.pid(name)?);
    let frozen = Frozen(pid);
    kill(pid, Signal::SIGSTOP).with_context(|| format!("{name} cannot be frozen"))?;
    tokio::time::sleep(lasts).await;
    drop(frozen);
    Ok(format!("pid {pid}"))
}
