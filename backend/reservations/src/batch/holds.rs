//! Holds of many buyers: locked together, decided one after another, written together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Transaction;
use domain::deadline::Deadline;
use domain::event::Event;
use domain::id::{HoldId, SeatId, SessionId, ShowId};
use domain::limits::Usage;
use domain::status::HoldStatus;
use jiff::Timestamp;
use service::{outbox, postgres};
use tokio::time::Instant;

use super::{Write, Written};
use crate::app::App;
use crate::error::Error;
use crate::store::claims::{self, Claim, Owned};
use crate::store::epochs;
use crate::store::holds::{self, Hold};
use crate::store::shows::Show;
use crate::store::{SCHEMA, queues};
use crate::telling;

/// Who has less left than this is not written for: it would be late, and so would those who are written together with it.
const WRITING: Duration = Duration::from_millis(250);

/// Placing holds.
#[derive(Debug)]
pub struct Holds;

/// A hold to be placed.
#[derive(Debug)]
pub struct Wanted {
    /// The id it will have.
    pub id: HoldId,
    /// Whose it will be.
    pub session: SessionId,
    /// Of which show.
    pub show: Arc<Show>,
    /// Which seats, sorted.
    pub seats: Vec<SeatId>,
    /// Whether the gate knows of it.
    pub gated: bool,
    /// Whether the id comes from an `Idempotency-Key`, so that the hold may be there already.
    pub keyed: bool,
    /// What the request asks for.
    pub fingerprint: String,
    /// When the buyer will have been told that it took too long: nothing is placed after that.
    pub until: Instant,
    /// Which request it was, where that is recorded.
    pub trace: Option<String>,
}

impl Wanted {
    fn owned(&self) -> Owned<'_> {
        Owned { show: &self.show.id, owner: self.id.as_str(), seats: &self.seats }
    }
}

/// What Postgres decided.
#[derive(Debug)]
pub enum Decision {
    /// The hold is placed.
    Placed(Hold),
    /// The same key placed this hold before.
    Repeated(Hold),
}

impl Write for Holds {
    type Job = Wanted;
    type Answer = Decision;
    const NAME: &'static str = "holds";

    async fn attempt(app: &App, jobs: &[Wanted]) -> Result<Option<Written<Decision>>, Error> {
        attempt(app, jobs).await
    }
}

/// Nothing when what was seen had changed by the time it was written: all is rolled back.
async fn attempt(app: &App, jobs: &[Wanted]) -> Result<Option<Written<Decision>>, Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let mut table = Table::look(&transaction, jobs).await?;
    let answers: Vec<_> = jobs.iter().map(|job| table.decide(app, job)).collect();
    let Table { taken: claims, placed, told, .. } = table;
    if placed.is_empty() {
        return Ok(Some(Written { answers, claims }));
    }
    let ungated: Vec<_> = ungated(app, jobs, &answers);
    // The seats first: an event's number is taken when they are ours.
    let taken = claims::take(&transaction, &claims).await?;
    tokio::try_join!(
        holds::insert(&transaction, &placed),
        outbox::put_all(&transaction, SCHEMA, &told),
        epochs::next_of_all(&transaction, &ungated),
    )?;
    let late = std::iter::zip(jobs, &answers)
        .any(|(job, answer)| matches!(answer, Ok(Decision::Placed(_))) && Instant::now() >= job.until);
    if taken < claims.len() as u64 || late {
        return Ok(None);
    }
    transaction.commit().await.map_err(postgres::Error::from)?;
    Ok(Some(Written { answers, claims }))
}

/// Shows of holds that Redis does not know of, or will not carry: a new epoch has their mirrors begun anew.
fn ungated<'a>(app: &App, jobs: &'a [Wanted], answers: &[Result<Decision, Error>]) -> Vec<&'a str> {
    let available = app.gate.available();
    let placed =
        std::iter::zip(jobs, answers).filter(|(_, answer)| matches!(answer, Ok(Decision::Placed(_))));
    placed.filter(|(job, _)| !(available && job.gated)).map(|(job, _)| job.show.id.as_str()).collect()
}

/// All that the decisions need to know, locked; and what was decided so far.
struct Table {
    now: Timestamp,
    usage: HashMap<SessionId, Usage>,
    claims: HashMap<(ShowId, SeatId), Claim>,
    queues_open: HashSet<ShowId>,
    before: HashMap<HoldId, Hold>,
    tokens: std::vec::IntoIter<i64>,
    placed: Vec<Hold>,
    told: Vec<Event>,
    taken: Vec<Claim>,
}

impl Table {
    async fn look(transaction: &Transaction<'_>, jobs: &[Wanted]) -> Result<Self, Error> {
        let sessions: Vec<_> = jobs.iter().map(|job| job.session.as_str()).collect();
        let keyed: Vec<_> = jobs.iter().filter(|job| job.keyed).map(|job| job.id.as_str()).collect();
        let owned: Vec<_> = jobs.iter().map(Wanted::owned).collect();
        let shows: Vec<_> = jobs.iter().map(|job| job.show.id.as_str()).collect();
        // Requests of one session take turns here, so nobody counts what another is about to place, and whoever repeats a key
        // finds what the first one did.
        holds::lock_sessions(transaction, &sessions).await?;
        let (usage, before, claims, queues_open, (tokens, now)) = tokio::try_join!(
            holds::usage(transaction, &sessions),
            holds::find_all(transaction, &keyed),
            claims::lock(transaction, &owned),
            queues::open_among(transaction, &shows),
            claims::tokens(transaction, jobs.len()),
        )?;
        Ok(Self {
            now,
            usage: std::iter::zip(jobs.iter().map(|job| job.session.clone()), usage).collect(),
            claims: claims
                .into_iter()
                .map(|claim| ((claim.show.clone(), claim.seat.clone()), claim))
                .collect(),
            queues_open,
            before: before.into_iter().map(|hold| (hold.id.clone(), hold)).collect(),
            tokens: tokens.into_iter(),
            placed: Vec::new(),
            told: Vec::new(),
            taken: Vec::new(),
        })
    }

    /// All seats or none; who comes first in the batch is first.
    fn decide(&mut self, app: &App, job: &Wanted) -> Result<Decision, Error> {
        if let Some(hold) = self.before.get(&job.id) {
            return Ok(Decision::Repeated(hold.clone()));
        }
        if Instant::now() + WRITING >= job.until {
            return Err(too_late());
        }
        let usage = self.usage.entry(job.session.clone()).or_default();
        app.config.limits().check(usage, job.seats.len())?;
        if self.now >= job.show.starts_at {
            return Err(Error::ShowStarted);
        }
        let lost = self.lost(job);
        if !lost.is_empty() {
            return Err(Error::SeatsUnavailable { unavailable: lost, alternatives: Vec::new() });
        }
        Ok(Decision::Placed(self.place(app, job)))
    }

    fn lost(&self, job: &Wanted) -> Vec<SeatId> {
        let queue_open = self.queues_open.contains(&job.show.id);
        let takeable = |seat: &&SeatId| {
            let claim = self.claims.get(&(job.show.id.clone(), (*seat).clone()));
            claim.is_none_or(|claim| claim.takeable(self.now, queue_open))
        };
        job.seats.iter().filter(|seat| !takeable(seat)).cloned().collect()
    }

    fn place(&mut self, app: &App, job: &Wanted) -> Hold {
        let token = self.tokens.next().expect("there is a token for each job");
        let hold = draft(app, job, token, self.now);
        for seat in &hold.seats {
            let claim = Claim::held(&hold.show, seat, hold.id.as_str(), token, hold.deadline.expires_at);
            self.claims.insert((hold.show.clone(), seat.clone()), claim.clone());
            self.taken.push(claim);
        }
        let usage = self.usage.entry(job.session.clone()).or_default();
        usage.holds_live += 1;
        usage.holds_last_minute += 1;
        usage.seats_live += hold.seats.len() as u64;
        self.before.insert(hold.id.clone(), hold.clone());
        self.told.push(telling::held(&hold, job.trace.as_ref()));
        self.placed.push(hold.clone());
        hold
    }
}

/// A hold as it will be.
fn draft(app: &App, job: &Wanted, token: i64, now: Timestamp) -> Hold {
    Hold {
        id: job.id.clone(),
        show: job.show.id.clone(),
        session: job.session.clone(),
        entry: None,
        seats: job.seats.clone(),
        token,
        status: HoldStatus::OnHold,
        price: job.show.price.times(job.seats.len()),
        fingerprint: job.fingerprint.clone(),
        deadline: Deadline::new(now, &app.config.terms()),
        extension_key: None,
        read_at: now,
    }
}

fn too_late() -> Error {
    postgres::Error::Away("it took longer than the buyer was made to wait".to_owned()).into()
}
