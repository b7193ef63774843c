//! Processor time of processes, from the kernel's own accounting.
//!
//! A process' POSIX CPU clock counts all its threads, those that ended included, in nanoseconds. To it comes what the kernel
//! has added up for children that ended and were waited for (`cutime`, `cstime`): a Postgres backend that served
//! half a round and left is counted with its parent.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// Ticks a second in `/proc/PID/stat`: Linux says 100 to user space, whatever its own timer does.
const TICKS_PER_SECOND: u64 = 100;

/// Some of a contender's processes, by the name they have in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Such as `balancer` or `postgres`.
    pub name: &'static str,
    /// Each of them with all that it started.
    pub roots: Vec<i32>,
}

impl Part {
    /// One process with all that it started.
    pub fn of(name: &'static str, root: i32) -> Self {
        Self { name, roots: vec![root] }
    }
}

/// Processor time that parts have used so far.
#[derive(Debug, Clone)]
pub struct Reading(Vec<(&'static str, Duration)>);

impl Reading {
    /// As it stands now.
    pub fn of(parts: &[Part]) -> Result<Self> {
        let table = Processes::read()?;
        let spent = |part: &Part| Ok((part.name, table.spent(part)?));
        parts.iter().map(spent).collect::<Result<_>>().map(Self)
    }

    /// What each part has used since an earlier reading of the same parts, in seconds.
    pub fn since(&self, earlier: &Self) -> Vec<(&'static str, f64)> {
        let used = |((name, now), (_, before)): (&(&'static str, Duration), &(&'static str, Duration))| {
            (*name, now.saturating_sub(*before).as_secs_f64())
        };
        self.0.iter().zip(&earlier.0).map(used).collect()
    }
}

/// A process and all that it started and that still runs.
pub fn tree(root: i32) -> Result<Vec<i32>> {
    Ok(Processes::read()?.tree(root))
}

/// What `/proc/PID/stat` says of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: i32,
    /// Of children that ended and were waited for.
    reaped: Duration,
}

impl Stat {
    /// The program's name stands in parentheses and may itself contain them, and spaces.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let reaped = Duration::from_millis((ticks(13)? + ticks(14)?) * 1_000 / TICKS_PER_SECOND);
        Some(Self { parent: fields.get(1)?.parse().ok()?, reaped })
    }
}

/// Every process there is.
struct Processes(HashMap<i32, Stat>);

impl Processes {
    fn read() -> Result<Self> {
        let mut found = HashMap::new();
        for entry in std::fs::read_dir("/proc").context("/proc cannot be read")? {
            let Ok(pid) = entry?.file_name().to_string_lossy().parse::<i32>() else { continue };
            // One that ended meanwhile is with its parent by now.
            let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            found.insert(pid, Stat::parse(&text).with_context(|| format!("/proc/{pid}/stat: {text}"))?);
        }
        Ok(Self(found))
    }

    fn tree(&self, root: i32) -> Vec<i32> {
        let mut members = vec![root];
        let mut next = 0;
        while let Some(&parent) = members.get(next) {
            members.extend(self.0.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        members
    }

    fn spent(&self, part: &Part) -> Result<Duration> {
        let mut sum = Duration::ZERO;
        for &root in &part.roots {
            sum += clock(root).with_context(|| format!("{} (pid {root}) is gone", part.name))?;
            for pid in self.tree(root) {
                sum += self.0.get(&pid).map_or(Duration::ZERO, |stat| stat.reaped);
                // One that ended since the table was read is missed once, by as much as it used.
                sum += if pid == root { Duration::ZERO } else { clock(pid).unwrap_or_default() };
            }
        }
        Ok(sum)
    }
}

/// What a process has used itself.
fn clock(pid: i32) -> Result<Duration> {
    Ok(clock_getcpuclockid(Pid::from_raw(pid))?.now()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_stat_line_is_read_behind_the_last_parenthesis() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 11 12 150 50 20 0 1 0 99";
        assert_eq!(Stat::parse(line), Some(Stat { parent: 7, reaped: Duration::from_secs(2) }));
        assert_eq!(Stat::parse("42 (cut) S 7"), None);
    }

    #[test]
    fn work_is_seen_where_it_was_done_and_nowhere_else() {
        let mut idle = Command::new("sleep").arg("60").spawn().expect("sleep");
        let parts =
            [Part::of("ours", std::process::id().cast_signed()), Part::of("idle", idle.id().cast_signed())];
        let before = Reading::of(&parts).expect("read");
        // 50 ms of our own clock, however long that takes on the wall.
        let start = clock(parts[0].roots[0]).expect("clock");
        while clock(parts[0].roots[0]).expect("clock") < start + Duration::from_millis(50) {}
        let used = Reading::of(&parts).expect("read").since(&before);
        idle.kill().expect("killed");
        idle.wait().expect("waited");
        assert_eq!((used[0].0, used[1].0), ("ours", "idle"));
        assert!(used[0].1 >= 0.05 && used[1].1 < 0.05, "{used:?}");
    }

    #[test]
    fn what_an_ended_child_used_stays_with_its_parent() {
        // The shell's own work is nothing; that of its child is, when it is gone. It waits for our word before it ends.
        let script = "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; echo done; read word";
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("sh");
        let mut said = [0; 5];
        std::io::Read::read_exact(shell.stdout.as_mut().expect("piped"), &mut said).expect("read");
        let part = [Part::of("shell", shell.id().cast_signed())];
        let spent = Processes::read().expect("read").spent(&part[0]).expect("spent");
        let own = clock(part[0].roots[0]).expect("clock");
        drop(shell.stdin.take());
        shell.wait().expect("waited");
        assert!(spent > own, "{spent:?} of the tree, {own:?} of the shell alone");
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut gone = Command::new("true").spawn().expect("true");
        gone.wait().expect("waited");
        let error = Reading::of(&[Part::of("gone", gone.id().cast_signed())]).expect_err("gone");
        assert!(format!("{error:#}").contains("gone (pid"), "{error:#}");
    }
}
