//! The contender that the popular list replaces: a count of what was sold of each new film, run for every visitor, as somebody
//! would write it who has these tables and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use tokio_postgres::{Client, Statement};

use super::cpu::Part;
use super::load::{histogram, quantile_ms};
use super::measure::{Contender, Work};
use super::scratch::Scratch;

/// As the table calls it.
pub const NAME: &str = "SQL for each visitor";

/// As shipped in `configs/catalog.toml`.
const WINDOW_DAYS: f64 = 28.0;
const MOVIES_MAX: usize = 100;
/// Older bookings would count next to nothing.
const HISTORY_DAYS: f64 = 28.0;
/// As the catalog has it.
const RUN_PAUSE_DAYS: f64 = 10.0;

/// Which films are new.
const OPENINGS: &str = include_str!("counting/openings.sql");
/// What was sold of each, by hour.
const SOLD: &str = include_str!("counting/sold.sql");
/// What is shown of those on the list.
const FILMS: &str = include_str!("counting/films.sql");

/// Visitors whose list is counted for them, each on a connection of its own.
pub struct Counting {
    visitors: Vec<Arc<Visitor>>,
    parts: Vec<Part>,
    note: String,
}

struct Visitor {
    client: Client,
    openings: Statement,
    sold: Statement,
    films: Statement,
}

impl Counting {
    /// So many visitors of a database.
    pub async fn new(scratch: &Scratch, connections: usize, parts: Vec<Part>, note: String) -> Result<Self> {
        let mut visitors = Vec::new();
        for _ in 0..connections {
            visitors.push(Arc::new(Visitor::new(scratch.connect().await?).await?));
        }
        Ok(Self { visitors, parts, note })
    }
}

impl Visitor {
    async fn new(client: Client) -> Result<Self> {
        let openings = client.prepare(OPENINGS).await?;
        let sold = client.prepare(SOLD).await?;
        let films = client.prepare(FILMS).await?;
        Ok(Self { client, openings, sold, films })
    }

    /// One list. At least one film is on it, or the tables were not filled.
    async fn count(&self) -> Result<()> {
        let openings = self.client.query(&self.openings, &[&WINDOW_DAYS, &RUN_PAUSE_DAYS]).await?;
        let sold = self.client.query(&self.sold, &[&HISTORY_DAYS]).await?;
        let ids: Vec<&str> = openings.iter().take(MOVIES_MAX).map(|row| row.get(0)).collect();
        let films = self.client.query(&self.films, &[&ids]).await?;
        ensure!(!sold.is_empty() && films.len() == ids.len() && !ids.is_empty(), "the count found nothing");
        Ok(())
    }
}

#[async_trait]
impl Contender for Counting {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        self.parts.clone()
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let began = Instant::now();
        let ask = async |visitor: &Visitor| {
            let mut latencies = Vec::new();
            while began.elapsed() < length {
                let asked_at = Instant::now();
                visitor.count().await?;
                latencies.push(asked_at.elapsed());
            }
            anyhow::Ok(latencies)
        };
        let latencies = try_join_all(self.visitors.iter().map(|visitor| ask(visitor))).await?.concat();
        let elapsed = began.elapsed();
        let mut latency = histogram();
        for one in &latencies {
            latency.saturating_record(one.as_nanos() as u64);
        }
        let (p50_ms, p99_ms) = (quantile_ms(&latency, 0.5), quantile_ms(&latency, 0.99));
        Ok(Work { done: latencies.len() as u64, elapsed, p50_ms, p99_ms })
    }

    async fn note(&mut self) -> Result<String> {
        Ok(std::mem::take(&mut self.note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::claim::tests::{source, spaced};

    #[test]
    fn films_are_found_as_the_catalog_finds_them() {
        let columns = "id, title, year, released_on, runtime_minutes, mpaa_rating, genres, directors, cast_members, \
                       synopsis, synopsis_source";
        let movies = source("catalog/src/store/movies.rs");
        assert!(movies.contains(&format!("const COLUMNS: &str = \"{columns}\"")));
        let asked =
            [(OPENINGS, source("catalog/src/store/shows.rs")), (FILMS, movies.replace("{COLUMNS}", columns))];
        for (statement, source) in asked {
            assert!(source.contains(&(spaced(statement) + "\"")), "the catalog does not ask: {statement}");
        }
    }

    #[test]
    fn it_counts_as_the_catalog_is_shipped() {
        let config = source("../configs/catalog.toml");
        for said in [format!("window_days = {WINDOW_DAYS}"), format!("movies_max = {MOVIES_MAX}")] {
            assert!(config.contains(&said), "{said}");
        }
        assert!(
            source("catalog/src/popular.rs").contains(&format!("RUN_PAUSE_DAYS: f64 = {RUN_PAUSE_DAYS:.1}"))
        );
    }
}
