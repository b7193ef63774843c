//! Visitors who all join the line of one show at once, and whether the places they are given are in the order in which they came.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::bench::load::{Line, Talk, request};

/// Before somebody who was told to come back does so.
const PAUSE: Duration = Duration::from_secs(1);
/// Nobody is told so more often.
const TRIES_MAX: usize = 60;

/// One connection's visitors, who join one after another.
pub struct Joining {
    wish: Arc<Wish>,
    key: String,
    visitors: VecDeque<String>,
    /// What they got.
    pub joined: Vec<Joined>,
}

/// What somebody waits for.
#[derive(Debug)]
pub struct Wish {
    /// The show.
    pub show: String,
    /// As the service is asked.
    pub body: String,
}

/// A place in line.
#[derive(Debug, Clone)]
pub struct Joined {
    /// When it was asked for and when it was answered.
    pub asked: (Instant, Instant),
    /// 1 is the front.
    pub position: usize,
    /// How often they were told to come back before.
    pub turned_away: usize,
    /// The entry.
    pub id: String,
    /// Whose it is.
    pub cookies: String,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    position: Option<usize>,
}

impl Joining {
    /// Visitors who wish the same; `key` is theirs alone.
    pub fn new(wish: &Arc<Wish>, key: String, visitors: impl Iterator<Item = String>) -> Self {
        Self { wish: Arc::clone(wish), key, visitors: visitors.collect(), joined: Vec::new() }
    }
}

impl Talk for Joining {
    async fn ask(&mut self, line: &mut Line) -> Result<bool> {
        let Some(cookies) = self.visitors.pop_front() else { return Ok(false) };
        let key = format!("{}-{}", self.key, self.joined.len());
        self.joined.push(join(line, &self.wish, cookies, &key).await?);
        Ok(true)
    }
}

impl Joined {
    /// DELETE it to leave.
    pub fn path(&self) -> String {
        format!("/api/waitlist/{}", self.id)
    }
}

/// Joins a line. Who is told to come back asks the same again, under the same key.
pub async fn join(line: &mut Line, wish: &Wish, cookies: String, key: &str) -> Result<Joined> {
    let asked = request::post(&format!("/api/shows/{}/waitlist", wish.show), &cookies, key, &wish.body);
    for turned_away in 0..TRIES_MAX {
        let asked_at = Instant::now();
        let answer = line.exchange(&asked).await?;
        if matches!(answer.status, 429 | 503) {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        ensure!(answer.status == 201, "a join got {answer}");
        let entry: Entry =
            serde_json::from_slice(answer.body).with_context(|| format!("no entry in {answer}"))?;
        let position = entry.position.with_context(|| format!("no position in {answer}"))?;
        let asked = (asked_at, Instant::now());
        return Ok(Joined { asked, position, turned_away, id: entry.id, cookies });
    }
    bail!("a join was turned away {TRIES_MAX} times")
}

/// Every place from the first to the last is somebody's, and whoever was answered before another one asked stands before them.
pub fn in_order(joined: &[Joined]) -> Result<()> {
    let mut line: Vec<_> = joined.iter().collect();
    line.sort_by_key(|each| each.position);
    let mut asked_last = None;
    for (at, each) in line.into_iter().enumerate() {
        ensure!(
            each.position == at + 1,
            "place {} is {}",
            at + 1,
            if each.position > at { "nobody's" } else { "given twice" }
        );
        let (asked_at, answered_at) = each.asked;
        ensure!(
            asked_last.is_none_or(|last| last <= answered_at),
            "place {} came before one that stands before it",
            at + 1
        );
        asked_last = asked_last.max(Some(asked_at));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(places: &[(usize, u64, u64)]) -> Result<()> {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let joined = |&(position, asked, answered): &(usize, u64, u64)| Joined {
            asked: (at(asked), at(answered)),
            position,
            turned_away: 0,
            id: String::new(),
            cookies: String::new(),
        };
        in_order(&places.iter().map(joined).collect::<Vec<_>>())
    }

    #[test]
    fn who_came_at_the_same_time_may_stand_in_any_order() {
        line(&[(2, 0, 10), (1, 5, 15), (3, 11, 20)]).unwrap();
    }

    #[test]
    fn who_was_answered_before_another_one_asked_stands_before_them() {
        let said = line(&[(2, 0, 10), (1, 11, 20)]).unwrap_err().to_string();
        assert_eq!(said, "place 2 came before one that stands before it");
    }

    #[test]
    fn no_place_is_missing_or_given_twice() {
        assert_eq!(line(&[(1, 0, 1), (3, 0, 1)]).unwrap_err().to_string(), "place 2 is nobody's");
        assert_eq!(line(&[(1, 0, 1), (1, 0, 1)]).unwrap_err().to_string(), "place 2 is given twice");
    }
}
