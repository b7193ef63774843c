//! What a judgement comes to: for each invariant what it says, how much was looked at, and the stories that break it.

use std::fmt;

use serde::Serialize;

/// Stories that are told of one invariant; the others are counted.
const STORIES_MAX: usize = 5;

/// All ten.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// In the order of DESIGN's section 4.
    pub judgements: Vec<Judgement>,
}

/// One invariant, judged.
#[derive(Debug, Clone, Serialize)]
pub struct Judgement {
    /// As DESIGN numbers it.
    pub number: u8,
    /// What it says.
    pub says: &'static str,
    /// How many things were looked at.
    pub checked: u64,
    /// How often it is broken.
    pub violated: u64,
    /// The first of these.
    pub violations: Vec<Story>,
}

/// One violation: what is wrong, and as few records as show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Story {
    /// What is wrong.
    pub title: String,
    /// What happened, in order.
    pub lines: Vec<String>,
}

impl Verdict {
    /// Whether every invariant held.
    pub fn holds(&self) -> bool {
        self.violated().is_empty()
    }

    /// The numbers of those that did not.
    pub fn violated(&self) -> Vec<u8> {
        self.judgements.iter().filter(|each| each.violated > 0).map(|each| each.number).collect()
    }
}

impl Judgement {
    pub(crate) fn new(number: u8, says: &'static str) -> Self {
        Self { number, says, checked: 0, violated: 0, violations: Vec::new() }
    }

    /// So many more were looked at.
    pub(crate) fn looked(&mut self, count: usize) {
        self.checked += count as u64;
    }

    /// One of what was looked at is not as it should be. Its story is asked for only while there is room for it.
    pub(crate) fn accuse(&mut self, story: impl FnOnce() -> Story) {
        self.violated += 1;
        if self.violations.len() < STORIES_MAX {
            self.violations.push(story());
        }
    }
}

impl Story {
    pub(crate) fn new(title: impl Into<String>, lines: Vec<String>) -> Self {
        Self { title: title.into(), lines }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for judgement in &self.judgements {
            judgement.fmt(f)?;
        }
        match self.violated().as_slice() {
            [] => writeln!(f, "every invariant holds"),
            violated => writeln!(f, "VIOLATED: {violated:?}"),
        }
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.violated == 0 { "holds" } else { "VIOLATED" };
        writeln!(f, "{:>2}  {word:<8}  {:>9} checked  {}", self.number, self.checked, self.says)?;
        for story in &self.violations {
            story.fmt(f)?;
        }
        match self.violated - self.violations.len() as u64 {
            0 => Ok(()),
            more => writeln!(f, "      and {more} more"),
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "      {}", self.title)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "        {line}"))
    }
}
