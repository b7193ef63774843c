//! Walks through a history once and counts.

use std::collections::{BTreeMap, HashMap};

use domain::id::BookingId;

use super::latency::Times;
use super::{Arrivals, Report, Row, Sold};
use crate::history::{Call, Effect, GIVEN_UP, History, Nanos, OpId, Record, Sight, Step, What};

const SECOND: Nanos = 1_000_000_000;
/// Refusals that are part of buying, and the words of 422 for what is asked for on purpose, or of rooms that do not have it.
const EXPECTED: [u16; 4] = [402, 409, 410, 429];
const KEY_REUSED: &str = "422 idempotency_key_reused";
const NEVER_TOGETHER: &str = "422 never_together";
const TOO_SMALL: &str = "422 auditorium_too_small";
const PAYMENT_UNAVAILABLE: &str = "503 payment_unavailable";
const NO_ANSWER: &str = "no answer";

/// The report of a history.
pub(super) fn gather(history: &History) -> Report {
    let mut gathering = Gathering::default();
    for record in &history.records {
        gathering.take(record);
    }
    gathering.report()
}

#[derive(Debug, Default)]
struct Gathering<'history> {
    /// Buyers who came and have not asked for anything yet, and when they were due.
    due: HashMap<u32, Nanos>,
    under_way: HashMap<OpId, UnderWay<'history>>,
    steps: BTreeMap<Step, Counted>,
    arrivals: Arrivals,
    first: Option<Nanos>,
    last: Nanos,
    sales: Sales,
    changes: Times,
    out_of_step: u64,
    faults: u64,
    unexpected: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct UnderWay<'history> {
    since: Nanos,
    call: &'history Call,
    arrived: bool,
}

#[derive(Debug, Default)]
struct Counted {
    times: Times,
    answers: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Sales {
    seats: HashMap<BookingId, usize>,
    cancelled: u64,
    /// When seats were sold, and how many.
    at: Vec<(Nanos, u64)>,
}

impl<'history> Gathering<'history> {
    fn take(&mut self, Record { at, what }: &'history Record) {
        match what {
            What::Arrival { buyer, due, inside } => self.arrive(*buyer, *due, *inside),
            What::Invoke { op, buyer, call } => self.begin(*op, *buyer, call, *at),
            What::Ok { op, status, effect } => {
                if let Some(call) = self.end(*op, *at, &status.to_string()) {
                    self.sales.note(call, effect, *at);
                }
            }
            What::Fail { op, status, code, .. } => {
                self.end(*op, *at, format!("{status} {code}").trim_end());
            }
            What::Info { op, status: Some(status), why, .. } => {
                self.end(*op, *at, format!("{status} {why}").trim_end());
            }
            What::Info { op, status: None, why, .. } => {
                self.end(*op, *at, if why == GIVEN_UP { GIVEN_UP } else { NO_ANSWER });
            }
            What::Saw { sight: Sight::Change { behind }, .. } => self.changes.add(*behind),
            What::Saw { sight: Sight::OutOfStep { .. }, .. } => self.out_of_step += 1,
            What::Fault { .. } => self.faults += 1,
            What::Saw { .. } | What::Recovered { .. } | What::Stood { .. } => {}
        }
    }

    fn arrive(&mut self, buyer: u32, due: Nanos, inside: bool) {
        self.first.get_or_insert(due);
        self.arrivals.came += 1;
        if inside {
            self.due.insert(buyer, due);
        } else {
            self.arrivals.missed += 1;
        }
    }

    fn begin(&mut self, op: OpId, buyer: u32, call: &'history Call, at: Nanos) {
        let due = self.due.get_mut(&buyer);
        let arrived = due.is_some();
        // What was due is waited for once: by the first request.
        let since = due.map_or(at, |due| std::mem::replace(due, Nanos::MAX).min(at));
        self.under_way.insert(op, UnderWay { since, call, arrived });
    }

    fn end(&mut self, op: OpId, at: Nanos, answer: &str) -> Option<&'history Call> {
        let UnderWay { since, call, arrived } = self.under_way.remove(&op)?;
        let step = self.steps.entry(call.step()).or_default();
        step.times.add(at - since);
        *step.answers.entry(answer.to_owned()).or_default() += 1;
        if !expected(answer) {
            *self.unexpected.entry(format!("{}: {answer}", call.step().name())).or_default() += 1;
        }
        if arrived {
            self.last = at;
        }
        Some(call)
    }

    fn report(self) -> Report {
        let first = self.first.unwrap_or_default();
        let seconds = (self.last.saturating_sub(first)) as f64 / SECOND as f64;
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let row = |(step, counted): (Step, Counted)| {
            let latency = counted.times.latency();
            Row {
                step,
                count: latency.count,
                per_second: rate(latency.count),
                latency,
                answers: counted.answers,
            }
        };
        let steps: Vec<Row> = self.steps.into_iter().map(row).collect();
        let requests = steps.iter().map(|row| row.count).sum();
        let mut sold = self.sales.sold(first);
        sold.seats_per_second = rate(sold.seats);
        Report {
            seconds,
            arrivals: self.arrivals,
            requests,
            requests_per_second: rate(requests),
            steps,
            sold,
            change_to_watcher: self.changes.latency(),
            out_of_step: self.out_of_step,
            faults: self.faults,
            unexpected: self.unexpected,
        }
    }
}

impl Sales {
    fn note(&mut self, call: &Call, effect: &Effect, at: Nanos) {
        match (call, effect) {
            (_, Effect::Booking { booking, seats, .. })
                if self.seats.insert(booking.clone(), seats.len()).is_none() =>
            {
                self.at.push((at, seats.len() as u64));
            }
            (Call::Cancel { booking }, _) => {
                self.cancelled += self.seats.get_mut(booking).map_or(0, std::mem::take) as u64;
            }
            _ => {}
        }
    }

    fn sold(self, first: Nanos) -> Sold {
        let second = |at: Nanos| (at.saturating_sub(first) / SECOND) as usize;
        let seconds = self.at.last().map_or(0, |(at, _)| second(*at) + 1);
        let mut series = vec![0; seconds];
        for (at, seats) in &self.at {
            series[second(*at)] += seats;
        }
        Sold {
            bookings: self.seats.len() as u64,
            seats: series.iter().sum(),
            cancelled_seats: self.cancelled,
            seats_per_second: 0.0,
            series,
        }
    }
}

/// Whether a whole fleet may answer so to a buyer who does nothing wrong but on purpose.
fn expected(answer: &str) -> bool {
    let status = answer.split(' ').next().and_then(|status| status.parse::<u16>().ok());
    match status {
        Some(status) => {
            status < 400
                || EXPECTED.contains(&status)
                || [KEY_REUSED, NEVER_TOGETHER, TOO_SMALL].contains(&answer)
                || answer == PAYMENT_UNAVAILABLE
        }
        None => answer == GIVEN_UP,
    }
}

#[cfg(test)]
mod tests;
