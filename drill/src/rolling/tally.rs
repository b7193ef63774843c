//! What was asked and what came back, in counts; of what failed, everything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;

use super::buyer::Question;
use super::course::Done;
use super::report::{Failure, Part, Row};
use super::scene::Scene;
use crate::history::Step;
use crate::report::Times;

/// Failures that are told in full.
const TOLD_MAX: usize = 20;

/// How much of a failure's body is told.
const BODY_BYTES_TOLD_MAX: usize = 400;

/// What came back.
#[derive(Debug)]
pub(super) enum Said {
    /// A whole answer.
    Answer { status: u16, body: Vec<u8> },
    /// None, and why.
    Nothing(String),
}

/// Counts; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Arc<Mutex<Counts>>);

#[derive(Debug)]
struct Counts {
    began: Instant,
    answers: BTreeMap<(Step, String), u64>,
    times: Times,
    failed: u64,
    told: Vec<Failure>,
    limited: u64,
    missed: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            answers: BTreeMap::new(),
            times: Times::default(),
            failed: 0,
            told: Vec::new(),
            limited: 0,
            missed: 0,
        }
    }
}

impl Tally {
    /// A request that was sent.
    pub(super) fn count(&self, question: &Question, said: Said, took: Duration, scene: &Scene) {
        let mut counts = self.lock();
        counts.times.add(took.as_nanos() as u64);
        let (key, failure) = match said {
            Said::Answer { status, body } => {
                (key(status, &body), (status >= 500).then(|| told(status, &body)))
            }
            Said::Nothing(why) => ("no answer".to_owned(), Some(why)),
        };
        counts.limited += u64::from(key.starts_with("429"));
        *counts.answers.entry((question.step, key)).or_default() += 1;
        if let Some(what) = failure {
            counts.fail(question, what, took, scene.now());
        }
    }

    /// A request that could not be sent when it was due.
    pub(super) fn missed(&self) {
        self.lock().missed += 1;
    }

    /// All of it, once `done` was done in so many seconds.
    pub(super) fn part(&self, done: Done, seconds: f64) -> Part {
        let counts = self.lock();
        let requests: u64 = counts.answers.values().sum();
        Part {
            seconds,
            restarts: done.restarts,
            upgrades: done.upgrades,
            kills: done.kills,
            requests,
            requests_per_second: if seconds > 0.0 { requests as f64 / seconds } else { 0.0 },
            failed: counts.failed,
            limited: counts.limited,
            missed: counts.missed,
            latency: counts.times.latency(),
            rows: counts.rows(),
            failures: counts.told.clone(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn fail(&mut self, question: &Question, what: String, took: Duration, during: String) {
        self.failed += 1;
        if self.told.len() == TOLD_MAX {
            return;
        }
        self.told.push(Failure {
            at: Timestamp::now().to_string(),
            after_seconds: self.began.elapsed().as_secs_f64(),
            took_ms: took.as_secs_f64() * 1_000.0,
            method: question.method.to_owned(),
            path: question.path.clone(),
            what,
            during,
        });
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows: BTreeMap<Step, BTreeMap<String, u64>> = BTreeMap::new();
        for ((step, answer), count) in &self.answers {
            rows.entry(*step).or_default().insert(answer.clone(), *count);
        }
        let row = |(step, answers): (Step, BTreeMap<String, u64>)| Row {
            step,
            count: answers.values().sum(),
            answers,
        };
        rows.into_iter().map(row).collect()
    }
}

/// The status, and the word of a problem.
fn key(status: u16, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
    }
    let problem = (status >= 400).then(|| serde_json::from_slice::<Problem>(body).ok()).flatten();
    problem.map_or_else(|| status.to_string(), |problem| format!("{status} {}", problem.code))
}

fn told(status: u16, body: &[u8]) -> String {
    format!("{status} {}", String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES_TOLD_MAX)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(said: Said) -> Part {
        let question = Question { step: Step::Page, method: "GET", path: "/".to_owned(), bytes: Vec::new() };
        let tally = Tally::default();
        tally.count(&question, said, Duration::from_millis(2), &Scene::default());
        tally.part(Done::default(), 1.0)
    }

    fn answer(status: u16) -> Said {
        Said::Answer { status, body: br#"{"code":"why"}"#.to_vec() }
    }

    #[test]
    fn a_refusal_is_an_answer_and_a_5xx_or_nothing_is_a_failure() {
        for status in [200, 204, 304, 402, 404, 409, 410, 429] {
            assert_eq!(counted(answer(status)).failed, 0, "{status}");
        }
        for said in [answer(500), answer(503), Said::Nothing("hung up".to_owned())] {
            let part = counted(said);
            assert_eq!((part.requests, part.failed, part.failures.len()), (1, 1, 1));
        }
        assert_eq!((counted(answer(429)).limited, counted(answer(409)).limited), (1, 0));
    }

    #[test]
    fn answers_are_told_apart_by_status_and_word_and_a_failure_is_told_in_full() {
        let keys = |said| counted(said).rows[0].answers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(answer(200)), ["200"]);
        assert_eq!(keys(answer(409)), ["409 why"]);
        assert_eq!(keys(Said::Nothing("hung up".to_owned())), ["no answer"]);
        assert_eq!(counted(answer(503)).failures[0].what, r#"503 {"code":"why"}"#);
    }
}
