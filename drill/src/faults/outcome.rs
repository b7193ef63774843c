//! What a run came to, and everything that a verdict on it is based on.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::settings::Settings;
use super::tally::Tally;
use crate::books::Books;
use crate::checker::{Verdict, judge};
use crate::history::{History, Record, What};
use crate::report::Report;

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    report: Report,
    tally: Tally,
    verdict: Verdict,
    /// Why the run ended before there was enough.
    cut_short: Option<String>,
    /// How often, and how long in all, the machine stood still.
    stood: (usize, Duration),
    kept: Kept,
    /// What makes the same faults again.
    again: String,
}

/// Where the evidence is kept, to be judged again (`drill check`).
#[derive(Debug)]
struct Kept {
    history: PathBuf,
    books: PathBuf,
}

impl Outcome {
    /// Judges a run, and keeps the evidence.
    pub(super) fn judged(
        settings: &Settings,
        seed: u64,
        (tally, cut_short): (Tally, Option<String>),
        (history, books): (History, Books),
    ) -> Result<Self> {
        let kept = Kept::of(settings, seed);
        history.save(&kept.history)?;
        books.save(&kept.books)?;
        let stood = stood(&history);
        let again = settings.again(seed, tally.faults());
        let (report, verdict) = (Report::of(&history), judge(&history, &books));
        Ok(Self { report, tally, verdict, cut_short, stood, kept, again })
    }

    /// Whether there were as many faults and operations as wanted, and all was well.
    pub fn good(&self) -> bool {
        self.cut_short.is_none() && self.verdict.holds()
    }
}

impl Kept {
    /// Named by the seed: what judged another run is left alone.
    fn of(settings: &Settings, seed: u64) -> Self {
        let file = |name: &str| settings.directory.join(format!("{name}-{seed}.json"));
        Self { history: file("history"), books: file("books") }
    }
}

fn stood(history: &History) -> (usize, Duration) {
    let spell = |record: &Record| match record.what {
        What::Stood { since } => Some(Duration::from_nanos(record.at - since)),
        _ => None,
    };
    let spells: Vec<Duration> = history.records.iter().filter_map(spell).collect();
    (spells.len(), spells.iter().sum())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n{}\n{}", self.report, self.tally, self.verdict)?;
        if let (times @ 1.., long) = self.stood {
            writeln!(f, "the machine stood still {times} times, {:.1} s in all", long.as_secs_f64())?;
        }
        if let Some(why) = &self.cut_short {
            writeln!(f, "not enough: {why}")?;
        }
        let (history, books) = (self.kept.history.display(), self.kept.books.display());
        writeln!(f, "judge it again:  drill check --history {history} --books {books}")?;
        write!(f, "break it again:  {}", self.again)
    }
}
