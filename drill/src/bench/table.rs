//! The answer of a bench: a table for people and the same as JSON.

use std::fmt;

use serde::Serialize;

use super::block::{Block, Entry};
use super::machine::Machine;
use super::settings::Settings;

/// Below this a ratio is shown as a part of one.
const SMALL_RATIO: f64 = 0.1;

/// Everything that one bench measured.
#[derive(Debug, Serialize)]
pub struct Table {
    /// On what.
    pub machine: Machine,
    /// How.
    pub how: How,
    /// What.
    pub blocks: Vec<Block>,
    /// Rows that could not be measured, and why.
    pub troubles: Vec<Trouble>,
}

impl Table {
    /// Whether everything could be measured, but for peers that are not here.
    pub fn whole(&self) -> bool {
        self.troubles.is_empty() && self.blocks.iter().all(Block::whole)
    }
}

/// How it was measured.
#[derive(Debug, Serialize)]
pub struct How {
    /// Turns of each contender.
    pub rounds: u32,
    /// Of one turn.
    pub seconds: f64,
    /// Of every closed loop over HTTP, of `pgbench` and of `redis-benchmark`.
    pub connections: u32,
    /// Of those of the row `holds`.
    pub buyers: u32,
}

impl How {
    /// As the settings say.
    pub fn of(settings: &Settings) -> Self {
        let Settings { rounds, seconds, connections, buyers, .. } = *settings;
        Self { rounds, seconds, connections, buyers }
    }
}

/// A row that could not be measured.
#[derive(Debug, Serialize)]
pub struct Trouble {
    /// Which.
    pub row: String,
    /// Why.
    pub why: String,
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}\n", self.machine)?;
        writeln!(
            formatter,
            "Medians of {} rounds of {} s in turns, {} connections in closed loops, {} where seats are sold; CPU is the kernel's account of the \
             contender's own processes, for each one done. A ratio is the median of the rounds' own ratios.\n",
            self.how.rounds, self.how.seconds, self.how.connections, self.how.buyers
        )?;
        writeln!(
            formatter,
            "| row | contender | rate | CPU µs | rate, ratio | CPU, ratio | p50 / p99 ms | note |"
        )?;
        writeln!(formatter, "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")?;
        self.blocks.iter().try_for_each(|block| write!(formatter, "{block}"))?;
        for Trouble { row, why } in &self.troubles {
            writeln!(formatter, "| {} | not measured | | | | | | {} |", cell(row), cell(why))?;
        }
        Ok(())
    }
}

impl fmt::Display for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut title = self.title.as_str();
        for entry in &self.entries {
            let base = self.base.as_deref().unwrap_or_default();
            writeln!(formatter, "| {} | {} |", cell(title), entry.cells(self.unit, base))?;
            title = "";
        }
        Ok(())
    }
}

impl Entry {
    /// Everything behind the row's title.
    fn cells(&self, unit: &str, base: &str) -> String {
        let rate = self.figures.as_ref().map(|figures| format!("{} {unit}", number(figures.rate)));
        let cpu = self.figures.as_ref().and_then(|figures| figures.cpu_us).map(number);
        let to_base = |ratio: f64| {
            if self.name == base { "1".to_owned() } else { format!("{} × {base}", times(ratio)) }
        };
        let rate_ratio = self.ratio.map(|ratio| to_base(ratio.rate));
        let cpu_ratio = self.ratio.and_then(|ratio| ratio.cpu).map(to_base);
        let cells =
            [rate, cpu, rate_ratio, cpu_ratio, self.latency()].map(|cell| cell.unwrap_or_else(|| "–".into()));
        format!("{} | {} | {}", cell(&self.name), cells.join(" | "), cell(&self.full_note()))
    }

    fn latency(&self) -> Option<String> {
        let figures = self.figures.as_ref()?;
        Some(format!("{} / {}", number(figures.p50_ms?), number(figures.p99_ms?)))
    }

    /// With the parts of its processor time, when there are several.
    fn full_note(&self) -> String {
        let parts =
            self.figures.as_ref().map(|figures| &figures.cpu_us_by_part).filter(|parts| parts.len() > 1);
        let parts = parts.into_iter().flatten().map(|(part, us)| format!("{part} {}", number(*us)));
        let parts = parts.collect::<Vec<_>>().join(", ");
        match (parts.is_empty(), self.note.is_empty()) {
            (true, _) => self.note.clone(),
            (false, true) => format!("CPU: {parts}"),
            (false, false) => format!("CPU: {parts}. {}", self.note),
        }
    }
}

/// How often, or as a part: small ratios are read more easily from the other side.
fn times(ratio: f64) -> String {
    if ratio > 0.0 && ratio < SMALL_RATIO { format!("1/{}", number(1.0 / ratio)) } else { number(ratio) }
}

/// At least three digits that count, thousands set apart.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), String::new()), |(whole, fraction)| (whole, format!(".{fraction}")));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &rest
}

/// Text that does not break its row.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Figures, Ratio, Sample};
    use super::*;

    #[test]
    fn numbers_are_short_and_grouped() {
        let shown =
            [(0.123, "0.12"), (12.34, "12.3"), (999.6, "1,000"), (1_234_567.0, "1,234,567"), (0.0, "0.00")];
        for (value, text) in shown {
            assert_eq!(number(value), text);
        }
        assert_eq!([times(0.5), times(143_008.2), times(0.001)], ["0.50", "143,008", "1/1,000"]);
    }

    fn entry(name: &str, done: u64, note: &str) -> Entry {
        let samples = vec![Sample {
            done,
            seconds: 1.0,
            cpu_seconds: [("one".to_owned(), 0.5), ("two".to_owned(), 0.25)].into(),
            p50_ms: Some(1.0),
            p99_ms: Some(2.5),
        }];
        let ratio = Some(Ratio { rate: 0.5, cpu: Some(0.01) });
        Entry { name: name.to_owned(), figures: Figures::of(&samples), ratio, note: note.to_owned(), samples }
    }

    #[test]
    fn a_block_is_rows_of_eight_cells_that_nothing_breaks() {
        let missing = Entry {
            name: "peer".to_owned(),
            figures: None,
            ratio: None,
            note: "not installed: a | b".to_owned(),
            samples: vec![],
        };
        let block = Block {
            title: "title".to_owned(),
            unit: "things/s",
            base: Some("base".to_owned()),
            entries: vec![entry("ours", 1_000, "a\nb"), entry("base", 2_000, ""), missing],
        };
        assert_eq!(
            block.to_string(),
            "| title | ours | 1,000 things/s | 750 | 0.50 × base | 1/100 × base | 1.00 / 2.50 | CPU: one 500, two 250. a b |\n\
             |  | base | 2,000 things/s | 375 | 1 | 1 | 1.00 / 2.50 | CPU: one 250, two 125 |\n\
             |  | peer | – | – | – | – | – | not installed: a \\| b |\n"
        );
        assert!(block.whole(), "a peer that is not here is no trouble");
    }
}
