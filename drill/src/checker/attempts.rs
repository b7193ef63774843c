//! Requests and their answers, put together again; and attempts with one key, which are one operation.

use std::collections::HashMap;

use domain::id::{EntryId, HoldId, SeatId, ShowId};

use crate::history::{Call, Effect, History, Nanos, OpId, What};

/// One request, sent once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    /// Whose.
    pub(crate) buyer: u32,
    /// What it asked for.
    pub(crate) call: &'a Call,
    /// When it left.
    pub(crate) invoked: Nanos,
    /// When its end was seen; the end of time when it never was.
    pub(crate) ended: Nanos,
    /// How it ended.
    pub(crate) end: End<'a>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End<'a> {
    /// It was done.
    Ok(u16, &'a Effect),
    /// It was refused and had no effect.
    Fail { status: u16, code: &'a str, lost: &'a [SeatId] },
    /// Nobody knows whether it was done. `why` says what was seen.
    Info { status: Option<u16>, retry_after: bool, why: &'a str },
}

/// All requests of a run, in the order in which they left.
#[derive(Debug)]
pub(crate) struct Attempts<'a>(Vec<Attempt<'a>>);

/// Attempts that are one operation, in the order in which they left.
#[derive(Debug, Clone)]
pub(crate) struct Group<'a>(Vec<Attempt<'a>>);

impl<'a> Attempts<'a> {
    pub(crate) fn of(history: &'a History) -> Self {
        let mut attempts = Vec::new();
        let mut open: HashMap<OpId, usize> = HashMap::new();
        for record in &history.records {
            let (op, end) = match &record.what {
                What::Invoke { op, buyer, call } => {
                    open.insert(*op, attempts.len());
                    attempts.push(Attempt::leaving(*buyer, call, record.at));
                    continue;
                }
                What::Ok { op, status, effect } => (op, End::Ok(*status, effect)),
                What::Fail { op, status, code, retry_after, lost } => {
                    (op, failed(*status, code, *retry_after, lost))
                }
                What::Info { op, status, retry_after, why } => {
                    (op, End::Info { status: *status, retry_after: *retry_after, why })
                }
                _ => continue,
            };
            if let Some(at) = open.remove(op) {
                attempts[at] = Attempt { ended: record.at, end, ..attempts[at] };
            }
        }
        Self(attempts)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Attempt<'a>> {
        self.0.iter()
    }

    /// Attempts that are the same in what `same` says of them, in the order of each group's first; those of which it says
    /// nothing are left out.
    pub(crate) fn grouped<K: Eq + std::hash::Hash>(
        &self,
        same: impl Fn(&Attempt<'a>) -> Option<K>,
    ) -> Vec<Group<'a>> {
        let mut places: HashMap<K, usize> = HashMap::new();
        let mut groups: Vec<Group<'a>> = Vec::new();
        for attempt in &self.0 {
            let Some(key) = same(attempt) else { continue };
            let place = *places.entry(key).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Group(Vec::new()));
            }
            groups[place].0.push(*attempt);
        }
        groups
    }
}

/// A 5xx does not tell whether it was done, whatever it was written down as.
fn failed<'a>(status: u16, code: &'a str, retry_after: bool, lost: &'a [SeatId]) -> End<'a> {
    match status {
        500.. => End::Info { status: Some(status), retry_after, why: code },
        _ => End::Fail { status, code, lost },
    }
}

impl<'a> Attempt<'a> {
    fn leaving(buyer: u32, call: &'a Call, invoked: Nanos) -> Self {
        let end = End::Info { status: None, retry_after: false, why: "no end was seen" };
        Self { buyer, call, invoked, ended: Nanos::MAX, end }
    }

    /// Whether it may have been done without anybody knowing.
    pub(crate) fn unknown(&self) -> bool {
        matches!(self.end, End::Info { .. })
    }

    /// What came of it, if it was done.
    pub(crate) fn effect(&self) -> Option<&'a Effect> {
        match self.end {
            End::Ok(_, effect) => Some(effect),
            _ => None,
        }
    }

    /// Whether it was done, or may have been.
    pub(crate) fn perhaps(&self) -> bool {
        !matches!(self.end, End::Fail { .. })
    }
}

/// The key of a hold's attempts.
pub(crate) fn hold_key<'a>(attempt: &Attempt<'a>) -> Option<(u32, &'a ShowId, &'a str)> {
    match attempt.call {
        Call::Hold { show, key, .. } => Some((attempt.buyer, show, key)),
        _ => None,
    }
}

/// The key of a confirmation's attempts.
pub(crate) fn confirm_key<'a>(attempt: &Attempt<'a>) -> Option<(u32, &'a HoldId, &'a str)> {
    match attempt.call {
        Call::Confirm { hold, key, .. } => Some((attempt.buyer, hold, key)),
        _ => None,
    }
}

impl<'a> Group<'a> {
    /// The first that was known to be done.
    pub(crate) fn done(&self) -> Option<&Attempt<'a>> {
        self.0.iter().filter(|attempt| attempt.effect().is_some()).min_by_key(|attempt| attempt.ended)
    }

    /// Whether one of them may have been done without anybody knowing.
    pub(crate) fn unknown(&self) -> bool {
        self.0.iter().any(Attempt::unknown)
    }

    /// When the first left.
    pub(crate) fn invoked(&self) -> Nanos {
        self.0.first().map_or(0, |attempt| attempt.invoked)
    }

    pub(crate) fn first(&self) -> &Attempt<'a> {
        &self.0[0]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Attempt<'a>> {
        self.0.iter()
    }
}

/// The hold of an effect.
pub(crate) fn held(effect: &Effect) -> Option<(&HoldId, &[SeatId], Nanos)> {
    match effect {
        Effect::Hold { hold, seats, expires_at_ns } => Some((hold, seats, *expires_at_ns)),
        _ => None,
    }
}

/// The place in line of an effect.
pub(crate) fn entered(effect: &Effect) -> Option<&EntryId> {
    match effect {
        Effect::Entry { entry, .. } => Some(entry),
        _ => None,
    }
}
