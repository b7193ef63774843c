//! Money that follows what was decided: taken for what is booked, given back for what is not.
//!
//! What is due stands in the books (`store/unsettled`) before anybody asks the provider for it, written with the decision. It is
//! asked for at once when all goes well, and again and again, ever more seldom, until the provider answers. Every call may be
//! repeated, so any number of processes may settle; nobody waits for the answer, and nothing is decided by it.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use service::drain::Drain;
use service::postgres;
use tokio::sync::{Mutex, mpsc};

use crate::app::App;
use crate::error::Error;
use crate::payment::PaymentError;
use crate::store::idempotency;
use crate::store::unsettled::{self, Backoff, Due, Unsettled};

/// What waits to be settled at once; more is found by the next look.
const WAITING_MAX: usize = 4_096;
/// Calls to the provider under way at once: those made at once, and of each kind those made later.
const CONCURRENT_MAX: usize = 64;
/// Between two looks for what was left undone.
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Taken of one kind by one look.
const TAKEN_MAX: i64 = 64;
/// Attempts given up in one transaction.
const ABANDONED_MAX: i64 = 200;
/// The longest pause before what the provider did not answer is asked again.
const REPEAT_PAUSE_MAX: Duration = Duration::from_mins(5);
/// Between two measurements of what is unsettled.
const MEASURE_PAUSE: Duration = Duration::from_secs(5);
/// Between two looks for bookings of an older program.
const OLDER_PAUSE: Duration = Duration::from_mins(5);
/// How far such a look goes back.
const OLDER_BACK: Duration = Duration::from_hours(1);
/// How far the first one goes back.
const OLDER_BACK_FIRST: Duration = Duration::from_hours(24);

/// What is on its way to be settled at once.
pub struct Prompt {
    sender: mpsc::Sender<Unsettled>,
    receiver: Mutex<mpsc::Receiver<Unsettled>>,
}

impl Default for Prompt {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        Self { sender, receiver: Mutex::new(receiver) }
    }
}

impl Prompt {
    /// Has something settled that stands in the books. What finds no place here is found there.
    pub fn submit(&self, unsettled: Unsettled) {
        drop(self.sender.try_send(unsettled));
    }

    async fn next(&self) -> Option<Unsettled> {
        self.receiver.lock().await.recv().await
    }
}

/// Settles what has just become due, until drained.
pub async fn settle_new(app: &App, drain: Drain) {
    let new = stream::unfold(&app.prompt, async |prompt| Some((prompt.next().await?, prompt)));
    tokio::select! {
        () = drain.stopped() => {}
        () = new.for_each_concurrent(CONCURRENT_MAX, |unsettled| settle_one(app, unsettled)) => {}
    }
}

/// Asks the provider, and notes that it answered.
async fn settle_one(app: &App, unsettled: Unsettled) {
    let Unsettled { id, due, reference } = unsettled;
    let call = match due {
        Due::Capture => app.payment.capture(&reference),
        Due::Refund => app.payment.refund(&reference),
        Due::Void => app.payment.void(&reference),
    };
    let answer = tokio::time::timeout(app.config.payment_timeout(), call).await;
    if let Err(error) = answer.unwrap_or(Err(PaymentError::Unknown)) {
        tracing::warn!(id, due = due.word(), %error, "money is not settled yet");
    } else if let Err(error) = note(app, &id, due).await {
        tracing::debug!(id, due = due.word(), %error, "what was settled was not noted");
    }
}

async fn note(app: &App, id: &str, due: Due) -> Result<(), Error> {
    match due {
        Due::Capture => app.queues.captures.write(id.to_owned()).await,
        Due::Refund | Due::Void => Ok(unsettled::delete(&app.connection().await?, &[id], due).await?),
    }
}

/// Settles what was left undone, until drained. No kind waits for another.
pub async fn settle(app: &App, drain: Drain) {
    let [captures, refunds, voids] = Due::ALL.map(|due| settle_due(app, due, &drain));
    tokio::join!(
        captures,
        refunds,
        voids,
        give_up_abandoned(app, &drain),
        find_older(app, &drain),
        measure_on(app, &drain)
    );
}

async fn settle_due(app: &App, due: Due, drain: &Drain) {
    let last_success = app.metrics.loops.begin(loop_of(due), LOOK_PAUSE);
    while drain.pause(LOOK_PAUSE).await {
        while let Some(full) = settle_round(app, due).await {
            last_success.note();
            if !full || drain.is_stopped() {
                break;
            }
        }
    }
}

/// What it is called in metrics.
fn loop_of(due: Due) -> &'static str {
    match due {
        Due::Capture => "captures",
        Due::Refund => "refunds",
        Due::Void => "voids",
    }
}

/// One round; says whether there may be more, or nothing when it failed.
async fn settle_round(app: &App, due: Due) -> Option<bool> {
    let backoff = Backoff { first: app.config.settle_after(), longest: REPEAT_PAUSE_MAX };
    let taken =
        async { Ok::<_, Error>(unsettled::take(&app.connection().await?, due, backoff, TAKEN_MAX).await?) };
    match taken.await {
        Ok(taken) => {
            let full = taken.len() as u64 == TAKEN_MAX.unsigned_abs();
            stream::iter(taken)
                .for_each_concurrent(CONCURRENT_MAX, |unsettled| settle_one(app, unsettled))
                .await;
            Some(full)
        }
        Err(error) => {
            tracing::warn!(due = due.word(), %error, "money waits to be settled");
            None
        }
    }
}

async fn give_up_abandoned(app: &App, drain: &Drain) {
    let last_success = app.metrics.loops.begin("abandoned_attempts", LOOK_PAUSE);
    while drain.pause(LOOK_PAUSE).await {
        match give_up_once(app).await {
            Ok(()) => last_success.note(),
            Err(error) => {
                tracing::warn!(%error, "attempts to pay that nobody finished wait to be given up");
            }
        }
    }
}

/// Attempts nobody finished: their keys are as new, and what they may have set aside is due to be given back.
async fn give_up_once(app: &App) -> Result<(), Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let age = app.config.settle_after();
    let attempts = idempotency::forget_abandoned(&transaction, age, ABANDONED_MAX).await?;
    if attempts.is_empty() {
        return Ok(());
    }
    let attempts: Vec<_> = attempts.iter().map(String::as_str).collect();
    unsettled::insert(&transaction, &attempts, Due::Void, Duration::ZERO).await?;
    Ok(transaction.commit().await.map_err(postgres::Error::from)?)
}

/// While an older program runs beside this one, it sells without a note of what is due. What it did not capture itself is found
/// here: by a look soon after the start that goes far back, and short ones now and then. One reads the pages of the bookings of its
/// time, and those of which the index does not know the time yet, and no others. What an older program sold and did not capture
/// longer ago than that, with no new one running meanwhile, is not found.
async fn find_older(app: &App, drain: &Drain) {
    let mut back = OLDER_BACK_FIRST;
    let mut pause = LOOK_PAUSE;
    let last_success = app.metrics.loops.begin("older_bookings", OLDER_PAUSE);
    while drain.pause(pause).await {
        let age = app.config.settle_after();
        let noted =
            async { Ok::<_, Error>(unsettled::note_captures(&app.connection().await?, age, back).await?) };
        match noted.await {
            Ok(bookings) => {
                (back, pause) = (OLDER_BACK, OLDER_PAUSE);
                last_success.note();
                if bookings > 0 {
                    tracing::info!(bookings, "bookings of an older program are to be captured");
                }
            }
            Err(error) => {
                pause = LOOK_PAUSE;
                tracing::warn!(%error, "bookings of an older program were not looked for");
            }
        }
    }
}

async fn measure_on(app: &App, drain: &Drain) {
    let last_success = app.metrics.loops.begin("unsettled_measure", MEASURE_PAUSE);
    while drain.pause(MEASURE_PAUSE).await {
        match measure(app).await {
            Ok(()) => last_success.note(),
            Err(error) => tracing::debug!(%error, "what is unsettled was not measured"),
        }
    }
}

async fn measure(app: &App) -> Result<(), Error> {
    let client = app.connection().await?;
    for due in Due::ALL {
        let amount = unsettled::amount(&client, due).await?;
        app.metrics.unsettled_rows.with_label_values(&[due.word()]).set(amount.rows);
        app.metrics.unsettled_oldest.with_label_values(&[due.word()]).set(amount.oldest_seconds);
    }
    Ok(())
}
