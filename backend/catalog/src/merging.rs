//! One film out of what several sources say of it.
//!
//! Rows of different sources are one film when folded title and year agree. Within a source, two rows are two films: a
//! source knows its own (`Swan Song` of 2021 is two films, by their articles). What the first source of [`Source`] says
//! stands; a later one adds what is missing.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Transaction;
use service::postgres::Error;

use crate::names::{derived, folded, words};
use crate::store::movies::{self, Entry};
use crate::store::records::{self, Filed, Record};

/// Who says something of films, in the order of whom to believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Our own demo catalogue.
    Demo,
    /// Files of the shape of `films.jsonl`.
    Films,
    /// Files of the shape of `box_office.csv`.
    BoxOffice,
}

impl Source {
    const ALL: [Self; 3] = [Self::Demo, Self::Films, Self::BoxOffice];

    fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Films => "films",
            Self::BoxOffice => "box_office",
        }
    }
}

/// One row of a source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// What the source tells its films apart by, beyond title and year; often nothing.
    pub(crate) article: String,
    /// What it says.
    pub(crate) record: Record,
}

impl Row {
    fn natural_key(&self) -> String {
        format!("{}|{}", folded(&self.record.title), self.record.year)
    }

    /// The row's own key in its source.
    pub(crate) fn key(&self) -> String {
        if self.article.is_empty() {
            self.natural_key()
        } else {
            format!("{}|{}", self.natural_key(), self.article)
        }
    }
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A new film, or a known row that now says something else.
    Written,
    /// A row about a film that another source brought.
    Merged,
    /// It was all known.
    Unchanged,
}

/// Where a row goes.
struct Decision {
    outcome: Outcome,
    movie_id: String,
    natural_key: String,
}

/// Takes in rows of one source, no two with the same [`Row::key`], and says what became of each.
pub(crate) async fn take_in(
    transaction: &Transaction<'_>,
    source: Source,
    rows: &[Row],
) -> Result<Vec<Outcome>, Error> {
    // One at a time: two that decide on one film would each miss what the other brings.
    transaction.execute("SELECT pg_advisory_xact_lock(hashtext('catalog.merging'))", &[]).await?;
    let keys: Vec<String> = rows.iter().map(Row::key).collect();
    let known =
        records::by_key(transaction, source.name(), &keys.iter().map(String::as_str).collect::<Vec<_>>())
            .await?;
    let plain: Vec<String> = rows.iter().map(|row| movie_id(&row.natural_key())).collect();
    let mut candidates: HashSet<&str> = plain.iter().map(String::as_str).collect();
    candidates.extend(known.values().map(|filed| filed.movie_id.as_str()));
    let mut on_file = OnFile::default();
    for filed in records::of_movies(transaction, &candidates.into_iter().collect::<Vec<_>>()).await? {
        on_file.add(filed);
    }
    let decisions: Vec<Decision> = rows.iter().map(|row| decide(source, row, &known, &mut on_file)).collect();
    write(transaction, &decisions, &on_file, source, &keys).await?;
    Ok(decisions.into_iter().map(|decision| decision.outcome).collect())
}

/// What is filed of each film.
#[derive(Default)]
struct OnFile(HashMap<String, Vec<Filed>>);

impl OnFile {
    /// Adds a record, in the place of what the same row said before.
    fn add(&mut self, filed: Filed) {
        let records = self.0.entry(filed.movie_id.clone()).or_default();
        records.retain(|old| (&old.source, &old.key) != (&filed.source, &filed.key));
        records.push(filed);
    }

    fn of(&self, movie_id: &str) -> &[Filed] {
        self.0.get(movie_id).map_or(&[], Vec::as_slice)
    }
}

/// Decides about one row and files it.
fn decide(source: Source, row: &Row, known: &HashMap<String, Filed>, on_file: &mut OnFile) -> Decision {
    let key = row.key();
    let natural_key = row.natural_key();
    let plain = movie_id(&natural_key);
    let file = |movie_id: &str| Filed {
        source: source.name().to_owned(),
        key: key.clone(),
        movie_id: movie_id.to_owned(),
        record: row.record.clone(),
    };
    if let Some(filed) = known.get(&key) {
        let outcome = if filed.record == row.record { Outcome::Unchanged } else { Outcome::Written };
        let natural_key = if filed.movie_id == plain { natural_key } else { key.clone() };
        on_file.add(file(&filed.movie_id));
        return Decision { outcome, movie_id: filed.movie_id.clone(), natural_key };
    }
    let others = on_file.of(&plain);
    if others.iter().any(|other| other.source == source.name()) {
        let own = movie_id(&key);
        on_file.add(file(&own));
        return Decision { outcome: Outcome::Written, movie_id: own, natural_key: key };
    }
    let outcome = if others.is_empty() { Outcome::Written } else { Outcome::Merged };
    on_file.add(file(&plain));
    Decision { outcome, movie_id: plain, natural_key }
}

async fn write(
    transaction: &Transaction<'_>,
    decisions: &[Decision],
    on_file: &OnFile,
    source: Source,
    keys: &[String],
) -> Result<(), Error> {
    let changed: HashMap<&str, &str> = decisions
        .iter()
        .filter(|decision| decision.outcome != Outcome::Unchanged)
        .map(|decision| (decision.movie_id.as_str(), decision.natural_key.as_str()))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let merged: Vec<(&str, &str, Record)> =
        changed.into_iter().map(|(id, natural_key)| (id, natural_key, merge(on_file.of(id)))).collect();
    let entries: Vec<Entry<'_>> =
        merged.iter().map(|(id, natural_key, record)| entry(id, natural_key, record)).collect();
    movies::write(transaction, &entries).await?;
    let new: Vec<Filed> = decisions
        .iter()
        .zip(keys)
        .filter(|(decision, _)| decision.outcome != Outcome::Unchanged)
        .filter_map(|(decision, key)| {
            on_file
                .of(&decision.movie_id)
                .iter()
                .find(|filed| filed.source == source.name() && filed.key == *key)
        })
        .cloned()
        .collect();
    records::write(transaction, &new).await
}

fn entry<'a>(id: &'a str, natural_key: &'a str, record: &'a Record) -> Entry<'a> {
    Entry { id, natural_key, sort_title: folded(&record.title), words: words(&record.title), record }
}

/// The id of the film that a row is about when its source has no other film of the same title and year.
pub(crate) fn shared_id(row: &Row) -> String {
    movie_id(&row.natural_key())
}

fn movie_id(key: &str) -> String {
    derived("movie", &[key])
}

/// What all records of a film say together.
fn merge(records: &[Filed]) -> Record {
    let rank = |filed: &Filed| Source::ALL.iter().position(|source| source.name() == filed.source);
    let mut sorted: Vec<&Filed> = records.iter().collect();
    sorted.sort_by_key(|filed| rank(filed));
    let mut whole = Record::default();
    for filed in sorted {
        whole = filled(whole, &filed.record);
    }
    whole
}

fn filled(whole: Record, from: &Record) -> Record {
    fn list(known: Vec<String>, more: &[String]) -> Vec<String> {
        if known.is_empty() { more.to_vec() } else { known }
    }
    // A page belongs to the synopsis that was taken from it.
    let (synopsis, synopsis_source) = match whole.synopsis {
        Some(synopsis) => (Some(synopsis), whole.synopsis_source),
        None => (from.synopsis.clone(), from.synopsis_source.clone()),
    };
    Record {
        title: if whole.title.is_empty() { from.title.clone() } else { whole.title },
        year: if whole.year == 0 { from.year } else { whole.year },
        released_on: whole.released_on.or(from.released_on),
        runtime_minutes: whole.runtime_minutes.or(from.runtime_minutes),
        mpaa_rating: whole.mpaa_rating.or_else(|| from.mpaa_rating.clone()),
        genres: list(whole.genres, &from.genres),
        directors: list(whole.directors, &from.directors),
        cast: list(whole.cast, &from.cast),
        synopsis,
        synopsis_source,
        distributor: whole.distributor.or_else(|| from.distributor.clone()),
        us_gross: whole.us_gross.or(from.us_gross),
        worldwide_gross: whole.worldwide_gross.or(from.worldwide_gross),
        imdb_rating: whole.imdb_rating.or(from.imdb_rating),
        imdb_votes: whole.imdb_votes.or(from.imdb_votes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(title: &str, year: i16, article: &str) -> Row {
        let record = Record { title: title.to_owned(), year, ..Record::default() };
        Row { article: article.to_owned(), record }
    }

    fn outcome(source: Source, row: &Row, on_file: &mut OnFile) -> (Outcome, String) {
        let known = on_file.0.values().flatten().filter(|filed| filed.source == source.name());
        let known = known.map(|filed| (filed.key.clone(), filed.clone())).collect();
        let decision = decide(source, row, &known, on_file);
        (decision.outcome, decision.movie_id)
    }

    #[test]
    fn sources_meet_by_title_and_year_and_never_by_title_alone() {
        let mut on_file = OnFile::default();
        let (first, film) = outcome(Source::Films, &row("Alice in Wonderland", 2010, "a"), &mut on_file);
        let (second, same) = outcome(Source::BoxOffice, &row("ALICE in Wonderland", 2010, ""), &mut on_file);
        let (third, other) = outcome(Source::BoxOffice, &row("Alice in Wonderland", 1951, ""), &mut on_file);
        assert_eq!((first, second, third), (Outcome::Written, Outcome::Merged, Outcome::Written));
        assert_eq!(film, same);
        assert_ne!(film, other);
    }

    #[test]
    fn two_articles_of_one_source_stay_two_films() {
        let mut on_file = OnFile::default();
        let (_, first) = outcome(Source::Films, &row("Swan Song", 2021, "Todd_Stephens"), &mut on_file);
        let (_, second) = outcome(Source::Films, &row("Swan Song", 2021, "Benjamin_Cleary"), &mut on_file);
        assert_ne!(first, second);
        let again = outcome(Source::Films, &row("Swan Song", 2021, "Benjamin_Cleary"), &mut on_file);
        assert_eq!(again, (Outcome::Unchanged, second));
    }

    #[test]
    fn whoever_comes_first_the_same_film_comes_out() {
        let filed = |source: Source, record: Record| Filed {
            source: source.name().to_owned(),
            key: String::new(),
            movie_id: String::new(),
            record,
        };
        let ours = filed(Source::Demo, Record { title: "Amélie".into(), year: 2001, ..Record::default() });
        let theirs = filed(
            Source::BoxOffice,
            Record { title: "AMELIE".into(), year: 2001, runtime_minutes: Some(122), ..Record::default() },
        );
        let whole = merge(&[theirs.clone(), ours.clone()]);
        assert_eq!(whole, merge(&[ours, theirs]));
        assert_eq!((whole.title.as_str(), whole.runtime_minutes), ("Amélie", Some(122)));
    }
}
