//! Judges a run: what buyers were told and saw, beside what the tables say, against the ten invariants of DESIGN, section 4.
//!
//! It believes nobody. Answers, sockets and tables must tell one story, and where they do not, the smallest part of it that
//! shows why is printed. What a judgement forgives stands in [`allowances`] and [`excuses`], and nowhere else. Pure: the
//! same history and books get the same verdict.

mod allowances;
mod attempts;
mod excuses;
mod linear;
mod lives;
mod story;
mod windows;

mod announced;
mod answered;
mod honoured;
mod house;
mod kept;
mod keys;
mod line;
mod seats;
mod sold;
mod views;

pub mod command;
mod verdict;

use crate::books::Books;
use crate::books::audit::{Audit, audit};
use crate::history::{History, Nanos};
use attempts::Attempts;
use excuses::Excuses;
use lives::Lives;

pub use verdict::{Judgement, Story, Verdict};

/// Judges all ten. Books that nobody has read ([`Books::known`]) are not held against the run.
pub fn judge(history: &History, books: &Books) -> Verdict {
    let evidence = Evidence::of(history, books);
    let judgements = [
        sold::judge,
        kept::judge,
        seats::judge,
        honoured::judge,
        announced::judge,
        line::judge,
        views::judge,
        answered::judge,
        keys::judge,
        house::judge,
    ];
    Verdict { judgements: judgements.iter().map(|judge| judge(&evidence)).collect() }
}

/// All that the judgements are made from.
struct Evidence<'a> {
    history: &'a History,
    books: &'a Books,
    attempts: Attempts<'a>,
    lives: Lives<'a>,
    excuses: Excuses,
    /// What the tables say against each other.
    audit: Audit,
}

impl<'a> Evidence<'a> {
    fn of(history: &'a History, books: &'a Books) -> Self {
        let attempts = Attempts::of(history);
        let lives = Lives::of(history, &attempts, books);
        let audit = if books.known() { audit(books) } else { Audit::default() };
        Self { history, books, lives, attempts, excuses: Excuses::of(history), audit }
    }

    /// When the last thing was seen.
    fn end(&self) -> Nanos {
        self.history.records.last().map_or(0, |record| record.at)
    }

    /// Accuses by what was wrong in the tables themselves, at the end and while the run went on.
    fn complaints(&self, judgement: &mut Judgement) {
        for complaint in self.audit.complaints.iter().chain(&self.books.complaints) {
            if complaint.invariant == judgement.number {
                let at = story::moment(self.history.at_wall(complaint.at_ns));
                judgement.accuse(|| {
                    Story::new(format!("in the tables, at {}: {}", at.trim(), complaint.text), Vec::new())
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
