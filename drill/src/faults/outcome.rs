//! What a run came to, and everything that a verdict on it is based on.

use std::fmt;
use std::path::PathBuf;

use anyhow::Result;

use super::settings::Settings;
use super::tally::Tally;
use crate::books::Books;
use crate::checker::{Verdict, judge};
use crate::history::History;
use crate::report::Report;

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    report: Report,
    tally: Tally,
    verdict: Verdict,
    /// Why the run ended before there was enough.
    cut_short: Option<String>,
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
        let again = settings.again(seed, tally.faults());
        let (report, verdict) = (Report::of(&history), judge(&history, &books));
        Ok(Self { report, tally, verdict, cut_short, kept, again })
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

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n{}\n{}", self.report, self.tally, self.verdict)?;
        if let Some(why) = &self.cut_short {
            writeln!(f, "not enough: {why}")?;
        }
        let (history, books) = (self.kept.history.display(), self.kept.books.display());
        writeln!(f, "judge it again:  drill check --history {history} --books {books}")?;
        write!(f, "break it again:  {}", self.again)
    }
}
