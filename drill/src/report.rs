//! What a history comes to in figures: how long each step took and how it was answered, what was sold, and how soon watchers
//! saw it.
//!
//! A step's time begins when its request left; a buyer's first one begins when they were due, so that a driver that is late
//! does not flatter the fleet. A request without an answer counts until it was given up.

mod gathering;
mod latency;
mod table;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::history::{History, Step};
pub use latency::Latency;
pub(crate) use latency::Times;

/// The figures of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// From the first arrival to the last answer to somebody who arrived.
    pub seconds: f64,
    /// Who came.
    pub arrivals: Arrivals,
    /// Requests, live sockets' handshakes included.
    pub requests: u64,
    /// Over the whole time.
    pub requests_per_second: f64,
    /// A row for each step that was taken.
    pub steps: Vec<Row>,
    /// What was sold.
    pub sold: Sold,
    /// From a request that made seats held or booked until each watcher saw it.
    pub change_to_watcher: Latency,
    /// Frames that did not follow on the one before.
    pub out_of_step: u64,
    /// Faults that were made on purpose.
    pub faults: u64,
    /// What nobody should be told by a whole fleet, and how often it was, by step and answer.
    pub unexpected: BTreeMap<String, u64>,
}

/// Who came.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Arrivals {
    /// All of them.
    pub came: u64,
    /// Those who were not let in, because as many were inside as the plan allows.
    pub missed: u64,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Which.
    pub step: Step,
    /// How often.
    pub count: u64,
    /// Over the whole time.
    pub per_second: f64,
    /// How long it took.
    pub latency: Latency,
    /// How often it was answered how: a status, and the problem's word if there was one.
    pub answers: BTreeMap<String, u64>,
}

/// What was sold. A booking that was answered twice is one.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sold {
    /// Bookings.
    pub bookings: u64,
    /// Their seats.
    pub seats: u64,
    /// Those of them that were taken back.
    pub cancelled_seats: u64,
    /// Seats sold over the whole time.
    pub seats_per_second: f64,
    /// Seats sold in each second since the first arrival.
    pub series: Vec<u64>,
}

impl Report {
    /// The figures of a history.
    pub fn of(history: &History) -> Self {
        gathering::gather(history)
    }

    /// Whether everybody was answered as a whole fleet answers; of one that was broken on purpose nothing is expected here.
    pub fn as_expected(&self) -> bool {
        self.faults > 0 || self.unexpected.is_empty()
    }
}
