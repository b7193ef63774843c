//! `drill check`: judges a run that was written down.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{Verdict, judge};
use crate::books::Books;
use crate::history::History;

/// What to judge. Without books only the answers are judged, and what sockets showed.
#[derive(Debug, Clone, Args)]
pub struct Check {
    /// The history, as a run wrote it
    #[arg(long)]
    history: PathBuf,
    /// The books, as a run wrote them
    #[arg(long, conflicts_with = "database_url")]
    books: Option<PathBuf>,
    /// The database to read the books from
    #[arg(long)]
    database_url: Option<String>,
    /// The verdict as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Reads all of it, and judges. The verdict, and as it is to be printed.
    pub async fn run(&self) -> Result<(Verdict, String)> {
        let history = History::load(&self.history)?;
        let books = match (&self.books, &self.database_url) {
            (Some(file), _) => Books::load(file)?,
            (None, Some(url)) => Books::read(url).await?,
            (None, None) => Books::default(),
        };
        let verdict = judge(&history, &books);
        let text = if self.json { serde_json::to_string_pretty(&verdict)? } else { verdict.to_string() };
        Ok((verdict, text))
    }
}
