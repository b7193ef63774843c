//! One live line while a run goes on: rewritten in place on a terminal, a line now and then elsewhere. It goes to standard
//! error, since the answer is the report.

use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::sale::Sale;

/// Between two lines, on a terminal and elsewhere.
const TERMINAL_PAUSE: Duration = Duration::from_millis(500);
const PLAIN_PAUSE: Duration = Duration::from_secs(5);
/// Back to the first column, and everything there erased.
const ERASE: &str = "\r\x1b[2K";
/// A line that is too long for the terminal is cut off, not wrapped, so that it can be erased.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// A live line; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    task: JoinHandle<()>,
    terminal: bool,
}

/// What has been counted until a moment.
#[derive(Debug, Clone, Copy)]
struct Counts {
    at: Instant,
    requests: u64,
    sold: u64,
}

impl Progress {
    /// Begins to tell how a sale goes.
    pub(super) fn start(sale: &Arc<Sale>) -> Self {
        let terminal = stderr().is_terminal();
        let task = tokio::spawn(tell(Arc::clone(sale), terminal));
        Self { task, terminal }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        if self.terminal {
            write(ERASE);
        }
    }
}

async fn tell(sale: Arc<Sale>, terminal: bool) {
    let mut ticks = interval(if terminal { TERMINAL_PAUSE } else { PLAIN_PAUSE });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = ticks.tick().await;
    let mut before = Counts::of(&sale);
    loop {
        ticks.tick().await;
        let now = Counts::of(&sale);
        let line = line(&sale, began.elapsed(), &before, &now);
        write(&if terminal { format!("{ERASE}{NO_WRAP}{line}{WRAP}") } else { format!("{line}\n") });
        before = now;
    }
}

impl Counts {
    fn of(sale: &Sale) -> Self {
        Self { at: Instant::now(), requests: sale.recorder.ops(), sold: read(&sale.tally.sold) }
    }
}

fn line(sale: &Sale, elapsed: Duration, before: &Counts, now: &Counts) -> String {
    let tally = &sale.tally;
    let seconds = (now.at - before.at).as_secs_f64();
    let per_second = |before: u64, now: u64| (now - before) as f64 / seconds;
    let missed = match read(&tally.missed) {
        0 => String::new(),
        missed => format!("  missed {missed}"),
    };
    format!(
        "{:>4.0}s  {} of {} came, {} inside, {} in line  {:.0} requests/s  {} sold, {:.1} seats/s  4xx {}  5xx {}  no answer {}{missed}",
        elapsed.as_secs_f64(),
        read(&tally.arrived),
        sale.plan.arrivals(),
        read(&tally.inside),
        read(&tally.waiting),
        per_second(before.requests, now.requests),
        now.sold,
        per_second(before.sold, now.sold),
        read(&tally.refused),
        read(&tally.failed),
        read(&tally.unanswered),
    )
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn write(text: &str) {
    // Who cannot be told how it goes is told at the end how it went.
    drop(stderr().write_all(text.as_bytes()));
}
