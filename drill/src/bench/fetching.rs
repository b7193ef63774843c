//! A contender that answers the same GET again and again.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use async_trait::async_trait;

use super::cpu::Part;
use super::load::{self, End, Line, Same, request};
use super::measure::{Contender, Work};
use super::program::Program;

/// One of so many answers that a cache may fetch before it counts as one that does not cache.
const HITS_PER_MISS_MIN: u64 = 1_000;

/// Who answers, and how it is asked.
pub struct Fetching {
    /// As the table calls it.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// The whole request.
    pub request: Vec<u8>,
    /// Connections of the closed loop.
    pub connections: usize,
    /// Whose time it costs.
    pub parts: Vec<Part>,
    /// What a reader must know.
    pub note: String,
    /// Kept running as long as this.
    pub program: Option<Program>,
    /// Emptied behind every round: a run writes gigabytes.
    pub logs: Vec<PathBuf>,
    /// Whether every answer must come from its own memory.
    pub hits: Option<Hits>,
}

/// What got through a cache to the origin behind it.
#[derive(Debug)]
pub struct Hits {
    origin: SocketAddr,
    warm: bool,
    answers: u64,
    misses: u64,
}

impl Hits {
    /// Of a cache in front of this origin.
    pub fn of(origin: SocketAddr) -> Self {
        Self { origin, warm: false, answers: 0, misses: 0 }
    }

    async fn asked(&self) -> Result<u64> {
        let mut line = Line::connect(self.origin).await?;
        let answer = line.exchange(&request::get("/asked", "")).await?;
        Ok(std::str::from_utf8(answer.body)?.parse()?)
    }

    /// The first round fills the cache and does not count.
    fn count(&mut self, answers: u64, misses: u64) {
        if self.warm {
            self.answers += answers;
            self.misses += misses;
        }
        self.warm = true;
    }

    fn check(&self) -> Result<()> {
        let Self { answers, misses, .. } = self;
        ensure!(misses * HITS_PER_MISS_MIN <= *answers, "{misses} of {answers} answers came from the origin");
        Ok(())
    }
}

#[async_trait]
impl Contender for Fetching {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn parts(&self) -> Vec<Part> {
        self.parts.clone()
    }

    async fn work(&mut self, length: Duration) -> Result<Work> {
        let before = match &self.hits {
            Some(hits) => hits.asked().await?,
            None => 0,
        };
        let talk = Same { request: self.request.as_slice().into(), status: 200 };
        let talks = vec![talk; self.connections];
        let work = Work::of(&load::run(self.address, talks, End::After(length)).await?);
        if let Some(hits) = &mut self.hits {
            let misses = hits.asked().await? - before;
            hits.count(work.done, misses);
        }
        Ok(work)
    }

    async fn tidy(&mut self) -> Result<()> {
        for log in &self.logs {
            File::options().write(true).open(log)?.set_len(0)?;
        }
        Ok(())
    }

    async fn note(&mut self) -> Result<String> {
        self.hits.as_ref().map_or(Ok(()), Hits::check)?;
        Ok(std::mem::take(&mut self.note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_asks_its_origin_is_found_out() {
        let mut hits = Hits::of(([127, 0, 0, 1], 1).into());
        hits.count(100, 100);
        assert!(hits.check().is_ok(), "filling it does not count");
        hits.count(10_000, 10);
        assert!(hits.check().is_ok());
        hits.count(100, 1);
        assert!(hits.check().is_err_and(|error| error.to_string().contains("11 of 10100")));
    }
}
