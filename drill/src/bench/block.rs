//! One block of the table: contenders that did the same thing in turns, and their ratios to one of them.

use serde::Serialize;

use super::figures::{Figures, Ratio, Sample};
use super::measure::{Contender, Measured, Plan, in_turns};
use super::peers::Absent;

/// Characters of a complaint that are shown.
const COMPLAINT_MAX: usize = 300;

/// Contenders that did the same thing, in turns.
#[derive(Debug, Serialize)]
pub struct Block {
    /// What they did.
    pub title: String,
    /// What was counted.
    pub unit: &'static str,
    /// Whom the ratios are to.
    pub base: Option<String>,
    /// Each of them.
    pub entries: Vec<Entry>,
}

/// One contender.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Medians, unless it could not be measured.
    pub figures: Option<Figures>,
    /// To the base, round by round.
    pub ratio: Option<Ratio>,
    /// What a reader must know of it.
    pub note: String,
    /// Every round.
    pub samples: Vec<Sample>,
}

/// What a block is to be.
pub struct Plot<'a> {
    /// What they do.
    pub title: String,
    /// What is counted.
    pub unit: &'static str,
    /// Whom the ratios are to: the first of these that could be measured.
    pub bases: &'a [&'a str],
    /// Peers that are not here.
    pub absent: Vec<Absent>,
}

impl Block {
    /// Measures the contenders in turns.
    pub async fn measure(plot: Plot<'_>, contenders: Vec<Box<dyn Contender>>, plan: Plan) -> Self {
        let mut entries = Vec::new();
        for measured in in_turns(contenders, plan).await {
            entries.push(Entry::of(measured).await);
        }
        entries.extend(plot.absent.iter().map(Entry::absent));
        let mut block = Self { title: plot.title, unit: plot.unit, base: None, entries };
        block.compare(plot.bases);
        block
    }

    fn compare(&mut self, bases: &[&str]) {
        let measured =
            |name: &&&str| self.entries.iter().any(|entry| entry.name == ***name && entry.figures.is_some());
        let Some(base) = bases.iter().find(measured) else { return };
        let samples =
            self.entries.iter().find(|entry| entry.name == **base).map(|entry| entry.samples.clone());
        for entry in &mut self.entries {
            entry.ratio = Ratio::between(&entry.samples, samples.as_deref().unwrap_or_default());
        }
        self.base = Some((**base).to_owned());
    }

    /// Whether everybody who took part could be measured.
    pub fn whole(&self) -> bool {
        self.entries.iter().all(|entry| entry.figures.is_some() || entry.note.starts_with(Absent::WORDS))
    }
}

/// What went wrong, in a table's cell: a peer with many connections complains once for each.
fn failed(why: &str) -> String {
    let cut = why.chars().nth(COMPLAINT_MAX).map_or("", |_| " …");
    format!("failed: {}{cut}", why.chars().take(COMPLAINT_MAX).collect::<String>())
}

impl Entry {
    async fn of(mut measured: Measured) -> Self {
        let name = measured.contender.name();
        let checked = match measured.samples {
            Ok(samples) => measured.contender.note().await.map(|note| (samples, note)),
            Err(error) => Err(error),
        };
        let (samples, note) = checked.unwrap_or_else(|error| (Vec::new(), failed(&format!("{error:#}"))));
        Self { name, figures: Figures::of(&samples), ratio: None, note, samples }
    }

    fn absent(peer: &Absent) -> Self {
        Self {
            name: peer.name.to_owned(),
            figures: None,
            ratio: None,
            note: peer.to_string(),
            samples: vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, done: &[u64]) -> Entry {
        let sample = |done: &u64| Sample { done: *done, seconds: 1.0, ..Sample::default() };
        let samples: Vec<_> = done.iter().map(sample).collect();
        Entry {
            name: name.to_owned(),
            figures: Figures::of(&samples),
            ratio: None,
            note: String::new(),
            samples,
        }
    }

    fn block(entries: Vec<Entry>, bases: &[&str]) -> Block {
        let mut block = Block { title: String::new(), unit: "", base: None, entries };
        block.compare(bases);
        block
    }

    #[test]
    fn ratios_are_to_the_first_base_that_could_be_measured() {
        let block =
            block(vec![entry("a", &[10, 20]), entry("b", &[]), entry("c", &[5, 10])], &["b", "c", "a"]);
        assert_eq!(block.base.as_deref(), Some("c"));
        let rates: Vec<_> = block.entries.iter().map(|entry| entry.ratio.map(|ratio| ratio.rate)).collect();
        assert_eq!(rates, [Some(2.0), None, Some(1.0)]);
        assert!(!block.whole(), "b failed");
    }

    #[test]
    fn without_a_base_there_are_no_ratios() {
        let block = block(vec![entry("a", &[10])], &["b"]);
        assert!(block.base.is_none() && block.entries[0].ratio.is_none());
    }
}
