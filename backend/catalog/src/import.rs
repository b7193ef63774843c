//! `catalog import FILE…`: films, box office figures, cities and theaters from files of others.
//!
//! A file is recognised by what stands in it, read line by line, and written in batches. Every row ends as exactly one of
//! written, merged, unchanged or refused, and each refusal is said with its line: none is lost silently. Importing a file
//! again changes nothing. Which rows are one film is [`crate::merging`]'s to say.

mod box_office;
mod cities;
mod films;
mod lines;
mod shape;
mod sheet;
mod theaters;
mod tidy;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use anyhow::Context;
use deadpool_postgres::Transaction;
use service::postgres::{self, Pool};

use crate::config::Config;
use crate::merging::{self, Outcome, Row, Source};
use crate::store::cities::{self as city_table, Place};
use crate::store::theaters::House;
use lines::Lines;
use shape::Shape;

/// Rows written in one transaction.
const BATCH_ROWS: usize = 200;
/// The most rows of one file: each is remembered, to find a second of its kind.
const ROWS_MAX: u64 = 2_000_000;

/// What became of a file's rows; `read` is the sum of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rows found; a line with nothing but spaces is none.
    pub read: u64,
    /// New, or different from what was known.
    pub written: u64,
    /// About a film that another source had brought, which now knows more.
    pub merged: u64,
    /// All known.
    pub unchanged: u64,
    /// Not taken in, for a reason that was said.
    pub refused: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, written, merged, unchanged, refused } = self;
        write!(
            formatter,
            "{read} rows read: {written} written, {merged} merged, {unchanged} unchanged, {refused} refused"
        )
    }
}

/// A row that was not taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its line in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Imports files one after the other and says on stdout what became of every one.
///
/// # Errors
/// When a file cannot be read or recognised, after the others were imported; rows that are refused are no error.
pub async fn run(config: &Config, files: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(
        !files.is_empty(),
        "import what? name files of films, box office figures, cities or theaters"
    );
    let mut failures = Vec::new();
    for file in files {
        let path = Path::new(file);
        let imported =
            load(config, path, |refused| say(&format!("{file}:{}: {}", refused.line, refused.reason)));
        match imported.await {
            Ok(counts) => say(&format!("{file}: {counts}")),
            Err(error) => failures.push(format!("{file}: {error:#}")),
        }
    }
    anyhow::ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report is for the person at the terminal")]
fn say(line: &str) {
    println!("{line}");
}

/// Imports one file and tells `refused` of each row that is not taken in.
pub async fn load(config: &Config, path: &Path, refused: impl FnMut(Refused)) -> anyhow::Result<Counts> {
    let pool = postgres::pool("catalog", &config.postgres)?;
    let shape = shape::recognise(Lines::open(path)?)?.context(
        "its first lines are neither films (JSON lines) nor the header of box office figures, cities or theaters",
    )?;
    let mut import =
        Import { pool, counts: Counts::default(), seen: HashMap::new(), batch: Vec::new(), refused };
    let parse = shape.parser(path)?;
    let mut lines = Lines::open(path)?;
    lines.skip_rows(parse.header_rows())?;
    while let Some(line) = lines.next_row()? {
        import.counts.read += 1;
        anyhow::ensure!(import.counts.read <= ROWS_MAX, "it has more than {ROWS_MAX} rows; split it");
        let parsed = line.text.and_then(|text| parse.parse(&text));
        import.take(shape, line.number, parsed).await?;
    }
    import.flush(shape).await?;
    Ok(import.counts)
}

/// What a line says.
#[derive(Debug, Clone)]
enum Item {
    Film(Row),
    City(Place),
    Theater(House),
}

impl Item {
    fn key(&self) -> String {
        match self {
            Self::Film(row) => row.key(),
            Self::City(place) => place.id(),
            Self::Theater(house) => house.key(),
        }
    }
}

/// An import under way.
struct Import<F> {
    pool: Pool,
    counts: Counts,
    /// The line of each key.
    seen: HashMap<String, u64>,
    batch: Vec<Item>,
    refused: F,
}

impl<F: FnMut(Refused)> Import<F> {
    async fn take(&mut self, shape: Shape, line: u64, parsed: Result<Item, String>) -> anyhow::Result<()> {
        let item = match parsed {
            Ok(item) => item,
            Err(reason) => {
                self.refuse(line, reason);
                return Ok(());
            }
        };
        if let Some(before) = self.seen.get(&item.key()) {
            let reason = format!("the same {} as line {before}", shape.row_name());
            self.refuse(line, reason);
            return Ok(());
        }
        self.seen.insert(item.key(), line);
        self.batch.push(item);
        if self.batch.len() >= BATCH_ROWS { self.flush(shape).await } else { Ok(()) }
    }

    fn refuse(&mut self, line: u64, reason: String) {
        self.counts.refused += 1;
        (self.refused)(Refused { line, reason });
    }

    /// Writes what has come together.
    async fn flush(&mut self, shape: Shape) -> anyhow::Result<()> {
        let (mut films, mut places, mut houses) = (Vec::new(), Vec::new(), Vec::new());
        for item in self.batch.drain(..) {
            match item {
                Item::Film(row) => films.push(row),
                Item::City(place) => places.push(place),
                Item::Theater(house) => houses.push(house),
            }
        }
        let mut client = self.pool.get().await?;
        let transaction = client.transaction().await?;
        let outcomes = match shape {
            Shape::Films => merging::take_in(&transaction, Source::Films, &films).await?,
            Shape::BoxOffice => merging::take_in(&transaction, Source::BoxOffice, &films).await?,
            Shape::Cities => city_outcomes(&city_table::write(&transaction, &places).await?, &places),
            Shape::Theaters => self.take_theaters(&transaction, &houses).await?,
        };
        transaction.commit().await?;
        for outcome in outcomes {
            match outcome {
                Outcome::Written => self.counts.written += 1,
                Outcome::Merged => self.counts.merged += 1,
                Outcome::Unchanged => self.counts.unchanged += 1,
            }
        }
        Ok(())
    }

    /// Writes theaters; one whose city is not known is refused after all.
    async fn take_theaters(
        &mut self,
        transaction: &Transaction<'_>,
        houses: &[House],
    ) -> anyhow::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for house in houses {
            match theaters::write(transaction, house).await? {
                Ok(outcome) => outcomes.push(outcome),
                Err(reason) => {
                    let line = self.seen.get(&house.key()).copied().unwrap_or_default();
                    self.refuse(line, reason);
                }
            }
        }
        Ok(outcomes)
    }
}

fn city_outcomes(changed: &[String], places: &[Place]) -> Vec<Outcome> {
    let outcome = |place: &Place| {
        if changed.contains(&place.id()) { Outcome::Written } else { Outcome::Unchanged }
    };
    places.iter().map(outcome).collect()
}
