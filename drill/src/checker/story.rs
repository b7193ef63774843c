//! Records as people read them: a line each, with when, who, what and the answer.

use domain::id::SeatId;

use super::attempts::{Attempt, End};
use crate::history::{Call, Effect, History, Nanos};

/// A line of a story, and when it begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    at: Nanos,
    text: String,
}

impl Line {
    pub(crate) fn new(at: Nanos, text: impl Into<String>) -> Self {
        Self { at, text: format!("{}  {}", moment(at), text.into()) }
    }
}

/// Lines in the order of their beginning.
pub(crate) fn in_order(lines: impl IntoIterator<Item = Line>) -> Vec<String> {
    let mut lines: Vec<Line> = lines.into_iter().collect();
    lines.sort();
    lines.dedup();
    lines.into_iter().map(|line| line.text).collect()
}

/// A request and its answer.
pub(crate) fn request(history: &History, attempt: &Attempt) -> Line {
    let until = if attempt.ended == Nanos::MAX { "…".to_owned() } else { moment(attempt.ended) };
    let asked = asked(attempt.call);
    let text = format!("buyer {:<5} {asked}  → {until} {}", attempt.buyer, answer(history, &attempt.end));
    Line::new(attempt.invoked, text)
}

/// Seconds since the run began.
pub(crate) fn moment(at: Nanos) -> String {
    let micros = at / 1_000;
    format!("{:>4}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// Seats by name.
pub(crate) fn names(seats: &[SeatId]) -> String {
    seats.iter().map(SeatId::as_str).collect::<Vec<_>>().join("+")
}

fn asked(call: &Call) -> String {
    match call {
        Call::Read { step } => format!("reads {step:?}"),
        Call::Hold { show, seats, party, key } if seats.is_empty() => {
            format!("holds the best {party} of {show}, key {key}")
        }
        Call::Hold { show, seats, key, .. } => format!("holds {} of {show}, key {key}", names(seats)),
        Call::Confirm { hold, key, token } => format!("confirms {hold} with {token:?}, key {key}"),
        Call::Extend { hold } => format!("extends {hold}"),
        Call::Release { hold } => format!("releases {hold}"),
        Call::Cancel { booking } => format!("cancels {booking}"),
        Call::Join { show, party, seats, together, wheelchair, key } => {
            let wish = if seats.is_empty() { "any".to_owned() } else { names(seats) };
            let beside = if *together { " together" } else { "" };
            let room = if *wheelchair { " with room for a wheelchair" } else { "" };
            format!("joins {show} for {party}{beside}{room} of {wish}, key {key}")
        }
        Call::Leave { entry } => format!("leaves {entry}"),
    }
}

fn answer(history: &History, end: &End) -> String {
    match end {
        End::Ok(status, effect) => format!("{status} {}", told(history, effect)),
        End::Fail { status, code, lost: [] } => format!("{status} {code}"),
        End::Fail { status, code, lost } => format!("{status} {code}: {}", names(lost)),
        End::Info { status: Some(status), why, .. } => format!("{status} {why}"),
        End::Info { status: None, why, .. } => format!("no answer: {why}"),
    }
}

fn told(history: &History, effect: &Effect) -> String {
    match effect {
        Effect::Nothing => "done".to_owned(),
        Effect::Hold { hold, seats, expires_at_ns } => {
            format!("{hold} of {} until {}", names(seats), moment(history.at_wall(*expires_at_ns)))
        }
        Effect::Booking { booking, seats, .. } => format!("{booking} of {}", names(seats)),
        Effect::Entry { entry, status, position } => {
            let position = position.map(|position| format!(", number {position}")).unwrap_or_default();
            format!("{entry} {status}{position}")
        }
    }
}
