//! What happened, in the order it was seen: every request and its answer, what live sockets showed, every fault.
//!
//! Times are nanoseconds since the run began, on a monotonic clock. A request that got no answer is `Info`: it may have had
//! its effect, may have it later, or never. A history can be written down and judged again ([`History::save`]).

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use domain::id::{BookingId, EntryId, HoldId, SeatId, ShowId};
use domain::live::Seats;
use serde::{Deserialize, Serialize};

/// Why an [`What::Info`] has no answer: its buyer went away before there could be one.
pub const GIVEN_UP: &str = "given up";

/// Nanoseconds since the run began.
pub type Nanos = u64;
/// One request, from its leaving to its answer.
pub type OpId = u64;

/// Everything that was seen in one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct History {
    /// Wall clock at time zero, in nanoseconds since the epoch: deadlines in answers are wall clock.
    pub began_at_ns: u64,
    /// In the order they were seen.
    pub records: Vec<Record>,
}

/// One thing, and when it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Nanos,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// A request leaves.
    Invoke {
        /// Which.
        op: OpId,
        /// Whose.
        buyer: u32,
        /// What it asks for.
        call: Call,
    },
    /// It was done.
    Ok {
        /// Which.
        op: OpId,
        /// The answer's status.
        status: u16,
        /// What came of it.
        effect: Effect,
    },
    /// It was refused, and had no effect.
    Fail {
        /// Which.
        op: OpId,
        /// The answer's status.
        status: u16,
        /// The problem's stable word; empty when the body was no problem.
        code: String,
        /// Whether it said when to come back.
        retry_after: bool,
        /// The seats that a `seats_unavailable` names.
        lost: Vec<SeatId>,
    },
    /// There was no answer, or one (a 5xx after the request left) that does not tell whether it was done.
    Info {
        /// Which.
        op: OpId,
        /// The answer's status, if there was one.
        status: Option<u16>,
        /// Whether the answer said when to come back.
        #[serde(default)]
        retry_after: bool,
        /// Why.
        why: String,
    },
    /// A live socket showed something.
    Saw {
        /// Whose.
        buyer: u32,
        /// Which of their sockets, counted over the whole run.
        socket: u32,
        /// What.
        sight: Sight,
    },
    /// A buyer comes, at the time that was planned and whatever became of those before.
    Arrival {
        /// Who.
        buyer: u32,
        /// When they were to come: what they then wait for begins here, not when we got round to it.
        due: Nanos,
        /// Whether they were let in; not when as many were inside as the plan allows.
        inside: bool,
    },
    /// The fleet was broken on purpose.
    Fault {
        /// Counted from 1.
        fault: u32,
        /// Its kind.
        name: String,
        /// What it broke.
        part: String,
    },
    /// The machine stood still, everything on it, until now.
    Stood {
        /// Since when, or up to a moment before.
        since: Nanos,
    },
    /// A fault is over, and the fleet is whole again.
    Recovered {
        /// Which.
        fault: u32,
    },
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    /// One that changes nothing.
    Read {
        /// Which.
        step: Step,
    },
    /// A hold. Repetitions have the same key.
    Hold {
        /// Of which show.
        show: ShowId,
        /// The seats, or none for the best `party`.
        seats: Vec<SeatId>,
        /// How many.
        party: usize,
        /// The `Idempotency-Key`.
        key: String,
    },
    /// A confirmation. Repetitions have the same key.
    Confirm {
        /// Of which hold.
        hold: HoldId,
        /// The `Idempotency-Key`.
        key: String,
        /// The payment token.
        token: String,
    },
    /// More time for a hold.
    Extend {
        /// Which.
        hold: HoldId,
    },
    /// A hold given back.
    Release {
        /// Which.
        hold: HoldId,
    },
    /// A booking taken back.
    Cancel {
        /// Which.
        booking: BookingId,
    },
    /// A place in line.
    Join {
        /// Of which show.
        show: ShowId,
        /// How many they are.
        party: usize,
        /// The only seats they want; any when empty.
        seats: Vec<SeatId>,
        /// Whether beside each other or not at all.
        #[serde(default)]
        together: bool,
        /// Whether with room for a wheelchair.
        #[serde(default)]
        wheelchair: bool,
        /// The `Idempotency-Key`.
        key: String,
    },
    /// A place in line given up.
    Leave {
        /// Which.
        entry: EntryId,
    },
}

/// The steps of a buyer, as the report's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// `GET /`.
    Page,
    /// `GET /api/movies/popular`.
    Popular,
    /// `GET /api/movies/{id}`.
    Movie,
    /// `GET /api/movies/{id}/shows`.
    Shows,
    /// `GET /api/shows/{id}/seat-map`.
    SeatMap,
    /// `GET /api/shows/{id}/seats`.
    Seats,
    /// The live socket's handshake and first snapshot.
    Live,
    /// `POST /api/shows/{id}/holds`.
    Hold,
    /// `POST /api/holds/{id}/extend`.
    Extend,
    /// `GET /api/holds/{id}`.
    GetHold,
    /// `DELETE /api/holds/{id}`.
    Release,
    /// `POST /api/holds/{id}/confirm`.
    Confirm,
    /// `GET /api/bookings`.
    Bookings,
    /// `DELETE /api/bookings/{id}`.
    Cancel,
    /// `POST /api/shows/{id}/waitlist`.
    Join,
    /// `GET /api/waitlist`.
    Lines,
    /// `GET /api/waitlist/{id}`.
    Entry,
    /// `DELETE /api/waitlist/{id}`.
    Leave,
}

impl Call {
    /// The row it is counted in.
    pub fn step(&self) -> Step {
        match self {
            Self::Read { step } => *step,
            Self::Hold { .. } => Step::Hold,
            Self::Extend { .. } => Step::Extend,
            Self::Confirm { .. } => Step::Confirm,
            Self::Release { .. } => Step::Release,
            Self::Cancel { .. } => Step::Cancel,
            Self::Join { .. } => Step::Join,
            Self::Leave { .. } => Step::Leave,
        }
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Nothing to remember.
    Nothing,
    /// A hold as it was answered.
    Hold {
        /// Which.
        hold: HoldId,
        /// Its seats.
        seats: Vec<SeatId>,
        /// Its deadline, in nanoseconds since the epoch.
        expires_at_ns: u64,
    },
    /// A booking as it was answered.
    Booking {
        /// Which.
        booking: BookingId,
        /// Its hold.
        hold: HoldId,
        /// Its seats.
        seats: Vec<SeatId>,
        /// The whole body: one key has one answer, to the letter.
        body: String,
    },
    /// A place in line as it was answered.
    Entry {
        /// Which.
        entry: EntryId,
        /// `waiting`, `offered`…
        status: String,
        /// Where they stand, while waiting.
        position: Option<u64>,
    },
}

/// What a live socket shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "sight", rename_all = "snake_case")]
pub enum Sight {
    /// It is open, and has its first snapshot.
    Opened {
        /// Of which show.
        show: ShowId,
    },
    /// It is gone.
    Closed {
        /// The close code: the server's word, or 1000 when it was its owner who closed it. None when it broke.
        code: Option<u16>,
    },
    /// A version that is not above the last (a snapshot may repeat it), or a step that skips.
    OutOfStep {
        /// Of which show.
        show: ShowId,
        /// The last version.
        before: u64,
        /// The one that came.
        after: u64,
        /// Whether it was a snapshot.
        snapshot: bool,
    },
    /// A seat changed for this watcher, this long after the buyer who changed it asked for it.
    Change {
        /// Nanoseconds since that request left.
        behind: Nanos,
    },
    /// The whole picture, taken when the run had come to rest.
    Picture {
        /// Of which show.
        show: ShowId,
        /// Its version.
        version: u64,
        /// All that is not free.
        seats: Seats,
    },
    /// `hold_expired`.
    HoldExpired {
        /// Which.
        hold: HoldId,
    },
    /// `offer`.
    Offer {
        /// To which place in line.
        entry: EntryId,
        /// The hold in their name.
        hold: HoldId,
        /// Of which show.
        show: ShowId,
        /// Its seats.
        seats: Vec<SeatId>,
        /// Its deadline, in nanoseconds since the epoch.
        expires_at_ns: u64,
    },
    /// `offer_lapsed`.
    OfferLapsed {
        /// Of which place in line.
        entry: EntryId,
    },
    /// `sold`.
    Sold {
        /// Of which show.
        show: ShowId,
        /// The seats.
        seats: Vec<SeatId>,
    },
}

/// Takes records from everybody at once. Clones write to the same history.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    began_at_ns: u64,
    records: Mutex<Vec<Record>>,
    ops: AtomicU64,
    sockets: AtomicU32,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// Time zero is now.
    pub fn new() -> Self {
        let began_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(Arc::new(Inner {
            origin: Instant::now(),
            began_at_ns: nanos(began_at),
            records: Mutex::default(),
            ops: AtomicU64::new(1),
            sockets: AtomicU32::new(1),
        }))
    }

    /// The run's clock.
    pub fn now(&self) -> Nanos {
        nanos(self.0.origin.elapsed())
    }

    /// Writes down what is seen now.
    pub fn record(&self, what: What) {
        // Under the lock, so that the order of records is the order of their times.
        let mut records = self.0.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push(Record { at: self.now(), what });
    }

    /// Writes down that a request leaves.
    pub fn invoke(&self, buyer: u32, call: Call) -> OpId {
        let op = self.0.ops.fetch_add(1, Ordering::Relaxed);
        self.record(What::Invoke { op, buyer, call });
        op
    }

    /// A number for a new socket.
    pub fn socket(&self) -> u32 {
        self.0.sockets.fetch_add(1, Ordering::Relaxed)
    }

    /// Requests so far.
    pub fn ops(&self) -> u64 {
        self.0.ops.load(Ordering::Relaxed) - 1
    }

    /// All of it, so far.
    pub fn history(&self) -> History {
        let records = self.0.records.lock().unwrap_or_else(PoisonError::into_inner).clone();
        History { began_at_ns: self.0.began_at_ns, records }
    }
}

impl History {
    /// A wall clock time (nanoseconds since the epoch) on the run's clock; zero for what was before.
    pub fn at_wall(&self, wall_ns: u64) -> Nanos {
        wall_ns.saturating_sub(self.began_at_ns)
    }

    /// Writes it to a file: a line with the start, then a line a record.
    pub fn save(&self, path: &Path) -> Result<()> {
        let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        let mut out = BufWriter::new(file);
        writeln!(out, "{}", self.began_at_ns)?;
        for record in &self.records {
            serde_json::to_writer(&mut out, record)?;
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    /// Reads what [`History::save`] wrote.
    pub fn load(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let mut lines = BufReader::new(file).lines();
        let began_at_ns = lines.next().context("an empty history")??.parse().context("no start time")?;
        let read = |(at, line): (usize, std::io::Result<String>)| {
            serde_json::from_str(&line?).with_context(|| format!("line {}", at + 2))
        };
        Ok(Self { began_at_ns, records: lines.enumerate().map(read).collect::<Result<_>>()? })
    }
}

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_read_back() {
        let recorder = Recorder::new();
        let show = ShowId::parse("show_1").unwrap();
        let seats = vec![SeatId::parse("A1").unwrap()];
        let op = recorder.invoke(7, Call::Hold { show: show.clone(), seats, party: 1, key: "k".into() });
        recorder.record(What::Fail {
            op,
            status: 409,
            code: "seats_unavailable".into(),
            retry_after: false,
            lost: vec![],
        });
        recorder.record(What::Saw { buyer: 7, socket: recorder.socket(), sight: Sight::Opened { show } });
        let history = recorder.history();
        let file = std::env::temp_dir().join(format!("history-{}.jsonl", std::process::id()));
        history.save(&file).unwrap();
        let read = History::load(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!((read.began_at_ns, read.records), (history.began_at_ns, history.records));
        assert_eq!(recorder.ops(), 1);
    }
}
