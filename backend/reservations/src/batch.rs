//! Many buyers, one transaction. What is asked for while a writer is busy is written together by the next one that is free; a
//! writer that is idle begins at once, so nobody waits for company.
//!
//! Each kind of write has a queue of its own, with a bound, and a few writers. A job's answer is sent when its transaction is
//! committed and the mirrors were told. When Postgres refuses a batch, each of its jobs is tried alone, so that nobody pays for
//! a neighbour.

pub mod attempts;
pub mod bookings;
pub mod captures;
pub mod holds;

use std::sync::Arc;

use serde::Deserialize;
use service::config::Validate;
use service::drain::Drain;
use service::{postgres, traces};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::app::App;
use crate::error::Error;
use crate::mirror;
use crate::store::claims::Claim;

/// How often a batch is decided anew because something changed between looking and writing.
const ATTEMPTS_MAX: usize = 3;

/// The bounds of a queue of writes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// Writers of each kind, each with a connection of its own. What waits for one is written together; a second has it written
    /// sooner, and by smaller transactions that cost more.
    pub writers: usize,
    /// Jobs written by one transaction.
    pub jobs_max: usize,
    /// Jobs that wait for a writer; who comes when there are as many is told to come back.
    pub waiting_max: usize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { writers: 1, jobs_max: 128, waiting_max: 4_096 }
    }
}

impl Validate for BatchConfig {
    fn validate(&self) -> Result<(), String> {
        for (key, value) in
            [("writers", self.writers), ("jobs_max", self.jobs_max), ("waiting_max", self.waiting_max)]
        {
            if value == 0 {
                return Err(format!("`batch.{key}` must be at least 1"));
            }
        }
        Ok(())
    }
}

/// One kind of write.
pub trait Write: Send + Sync + 'static {
    /// What is to be written.
    type Job: Send + Sync + 'static;
    /// What is answered.
    type Answer: Send + 'static;
    /// What it is called in metrics.
    const NAME: &'static str;

    /// Writes all jobs in one transaction, each of them whole or not at all. An error means that nothing was written; so does
    /// nothing, when something changed between looking and writing: then it is looked at anew.
    fn attempt(
        app: &App,
        jobs: &[Self::Job],
    ) -> impl Future<Output = Result<Option<Written<Self::Answer>>, Error>> + Send;
}

/// What was committed.
#[derive(Debug)]
pub struct Written<A> {
    /// One for each job, in their order.
    pub answers: Vec<Result<A, Error>>,
    /// What the mirrors have to learn.
    pub claims: Vec<Claim>,
}

struct Waiting<W: Write> {
    job: W::Job,
    answer: oneshot::Sender<Result<W::Answer, Error>>,
}

/// Jobs of one kind on their way to a writer.
pub struct Queue<W: Write> {
    sender: mpsc::Sender<Waiting<W>>,
    receiver: Arc<Mutex<mpsc::Receiver<Waiting<W>>>>,
}

impl<W: Write> Queue<W> {
    fn new(config: &BatchConfig) -> Self {
        let (sender, receiver) = mpsc::channel(config.waiting_max);
        Self { sender, receiver: Arc::new(Mutex::new(receiver)) }
    }

    /// Has a job written, and waits until it is durable.
    pub async fn write(&self, job: W::Job) -> Result<W::Answer, Error> {
        let (answer, answered) = oneshot::channel();
        self.sender.try_send(Waiting { job, answer }).map_err(|_| Error::Busy)?;
        let span = tracing::debug_span!(target: traces::TARGET, "write", otel.name = W::NAME, db.system.name = "postgresql");
        answered
            .instrument(span)
            .await
            .unwrap_or_else(|_| Err(postgres::Error::Away("this server stops".to_owned()).into()))
    }
}

/// The queues of a process.
pub struct Queues {
    /// Holds to be placed.
    pub holds: Queue<holds::Holds>,
    /// Payments about to begin.
    pub attempts: Queue<attempts::Attempts>,
    /// Holds to be sold.
    pub bookings: Queue<bookings::Bookings>,
    /// Bookings whose money is ours.
    pub captures: Queue<captures::Captures>,
}

impl Queues {
    /// Empty ones.
    pub fn new(config: &BatchConfig) -> Self {
        Self {
            holds: Queue::new(config),
            attempts: Queue::new(config),
            bookings: Queue::new(config),
            captures: Queue::new(config),
        }
    }
}

/// The writers of a process; they stop when this is dropped.
#[derive(Debug)]
pub struct Writers {
    _tasks: JoinSet<()>,
}

/// Starts all writers. `drain` waits for the mirrors to be told.
pub fn start(app: &Arc<App>, drain: &Drain) -> Writers {
    let mut tasks = JoinSet::new();
    for _ in 0..app.config.batch.writers {
        tasks.spawn(serve(Arc::clone(app), Arc::clone(&app.queues.holds.receiver), drain.clone()));
        tasks.spawn(serve(Arc::clone(app), Arc::clone(&app.queues.attempts.receiver), drain.clone()));
        tasks.spawn(serve(Arc::clone(app), Arc::clone(&app.queues.bookings.receiver), drain.clone()));
    }
    tasks.spawn(serve(Arc::clone(app), Arc::clone(&app.queues.captures.receiver), drain.clone()));
    Writers { _tasks: tasks }
}

/// One writer. Whoever is free first takes all that waits.
async fn serve<W: Write>(app: Arc<App>, queue: Arc<Mutex<mpsc::Receiver<Waiting<W>>>>, drain: Drain) {
    loop {
        let mut waiting = Vec::new();
        if queue.lock().await.recv_many(&mut waiting, app.config.batch.jobs_max).await == 0 {
            return;
        }
        app.metrics.batch_jobs.with_label_values(&[W::NAME]).observe(waiting.len() as f64);
        let (jobs, answers): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|waiting| (waiting.job, waiting.answer)).unzip();
        let written = write::<W>(&app, &jobs).await;
        let app = Arc::clone(&app);
        drain.spawn(async move {
            mirror::follow_all(&app, written.claims).await;
            for (answer, outcome) in std::iter::zip(answers, written.answers) {
                // Nobody waits for it when the request is gone.
                drop(answer.send(outcome));
            }
        });
    }
}

async fn write<W: Write>(app: &App, jobs: &[W::Job]) -> Written<W::Answer> {
    match attempts::<W>(app, jobs).await {
        Ok(written) => written,
        Err(Error::Store(postgres::Error::Refused(error))) if jobs.len() > 1 => {
            tracing::warn!(kind = W::NAME, jobs = jobs.len(), %error, "a batch was refused; each job is tried alone");
            one_by_one::<W>(app, jobs).await
        }
        Err(error) => failed(error, jobs.len()),
    }
}

async fn attempts<W: Write>(app: &App, jobs: &[W::Job]) -> Result<Written<W::Answer>, Error> {
    for _ in 0..ATTEMPTS_MAX {
        match W::attempt(app, jobs).await {
            Ok(Some(written)) => return Ok(written),
            // Where a seat has no row yet nothing can be locked: two batches may meet there, and Postgres ends one of them.
            Ok(None) | Err(Error::Store(postgres::Error::Again(_))) => {}
            Err(error) => return Err(error),
        }
    }
    Err(postgres::Error::Away("what was to be written changed again and again".to_owned()).into())
}

async fn one_by_one<W: Write>(app: &App, jobs: &[W::Job]) -> Written<W::Answer> {
    let mut all = Written { answers: Vec::with_capacity(jobs.len()), claims: Vec::new() };
    for job in jobs {
        let alone =
            attempts::<W>(app, std::slice::from_ref(job)).await.unwrap_or_else(|error| failed(error, 1));
        all.answers.extend(alone.answers);
        all.claims.extend(alone.claims);
    }
    all
}

/// Everybody is told what went wrong.
fn failed<A>(error: Error, jobs: usize) -> Written<A> {
    let why = error.to_string();
    let mut answers: Vec<_> = (1..jobs).map(|_| Err(postgres::Error::Away(why.clone()).into())).collect();
    answers.push(Err(error));
    Written { answers, claims: Vec::new() }
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queues").finish_non_exhaustive()
    }
}
