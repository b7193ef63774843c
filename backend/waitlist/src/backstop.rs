//! What makes events and crashes harmless: every round finishes whatever is written down and not done yet.
//!
//! Every instance runs it; all its steps are idempotent, so they need not know of each other.

use std::sync::Arc;
use std::time::Duration;

use domain::event::{EntryTold, Fact, LineClosed};
use domain::id::ShowId;
use domain::status::{CloseReason, EntryStatus};
use service::{outbox, postgres};

use crate::flag::Untold;
use crate::leaving::Unreturned;
use crate::settling::Ending;
use crate::store::mails::{self, Kind};
use crate::store::{self, decisions, entries, escrows, lines, offers, published, shows, told};
use crate::{Waitlist, flag, leaving, reservations_client, serving, settling};

/// Rows of one kind that one round takes up.
const ROWS_MAX: i64 = 200;
/// People named in one event; more are told by further events.
const TOLD_MAX: usize = 500;
/// Rounds between two tidyings.
const TIDY_ROUNDS: u64 = 60;
/// Batches that one tidying forgets, at most.
const FORGOTTEN_BATCHES_MAX: usize = 50;
/// Decisions and told sales are kept for longer than any event can be repeated.
const DECISIONS_DAYS: i32 = 2;

/// Runs a round every so often until drained.
pub(crate) async fn run(waitlist: Arc<Waitlist>) {
    let interval = Duration::from_millis(waitlist.config.serve_interval_ms);
    let mut rounds: u64 = 0;
    let last_success = waitlist.metrics.loops.begin("backstop", interval);
    let mut failing = false;
    while waitlist.drain.pause(interval).await {
        let outcome = round(&waitlist, rounds.is_multiple_of(TIDY_ROUNDS)).await;
        // Said once: the next rounds will mostly fail the same way.
        match &outcome {
            Err(error) if !failing => {
                tracing::warn!(error = %format!("{error:#}"), "the backstop cannot do its work");
            }
            Ok(()) if failing => tracing::info!("the backstop works again"),
            Ok(()) | Err(_) => {}
        }
        failing = outcome.is_err();
        last_success.note_if(!failing);
        rounds += 1;
    }
}

/// Every step is tried, also when one before it failed; the first failure is told.
async fn round(waitlist: &Arc<Waitlist>, tidying: bool) -> anyhow::Result<()> {
    let mut outcome = close_over(waitlist).await.map_err(anyhow::Error::from);
    for step in [tell_flags(waitlist).await, settle_offers(waitlist).await, give_back_holds(waitlist).await] {
        outcome = outcome.and(step.map_err(Into::into));
    }
    outcome = outcome.and(serve_shows(waitlist).await.map_err(Into::into));
    outcome = outcome.and(measure(waitlist).await.map_err(Into::into));
    if tidying {
        outcome = outcome.and(tidy(waitlist).await.map_err(Into::into));
    }
    outcome
}

async fn tell_flags(waitlist: &Waitlist) -> Result<(), postgres::Error> {
    let unsynced = shows::unsynced(&waitlist.connection().await?, ROWS_MAX).await?;
    for behind in unsynced {
        match flag::tell(waitlist, &behind).await {
            Ok(()) => {}
            // The others would fail the same way; they come again in the next round.
            Err(Untold::Reservations(reservations_client::Error::Away(_))) => break,
            Err(Untold::Postgres(error)) => return Err(error),
            Err(Untold::Reservations(error)) => {
                tracing::error!(show_id = %behind.show_id, %error, "a queue flag is refused");
            }
        }
    }
    Ok(())
}

async fn settle_offers(waitlist: &Waitlist) -> Result<(), postgres::Error> {
    let ended = published::ended_holds(&waitlist.connection().await?, ROWS_MAX).await?;
    for hold in ended {
        let Some(ending) = Ending::of(hold.status) else { continue };
        settling::settle(waitlist, &hold.entry_id, &hold.hold_id, ending).await?;
    }
    Ok(())
}

async fn give_back_holds(waitlist: &Waitlist) -> Result<(), postgres::Error> {
    let returning = offers::returning(&waitlist.connection().await?, ROWS_MAX).await?;
    for (entry_id, hold_id) in returning {
        match leaving::give_back(waitlist, &entry_id, &hold_id).await {
            Ok(()) => {}
            Err(Unreturned::Reservations(reservations_client::Error::Away(_))) => break,
            Err(Unreturned::Postgres(error)) => return Err(error),
            Err(Unreturned::Reservations(error)) => {
                tracing::error!(%entry_id, %hold_id, %error, "a hold cannot be given back");
            }
        }
    }
    Ok(())
}

async fn serve_shows(waitlist: &Arc<Waitlist>) -> Result<(), postgres::Error> {
    let asked_within_ms = i32::try_from(waitlist.config.takeover_ms).unwrap_or(i32::MAX);
    let due = escrows::shows_due(&waitlist.connection().await?, asked_within_ms, ROWS_MAX).await?;
    for show_id in due {
        serving::begin(waitlist, show_id);
    }
    Ok(())
}

/// Lines of shows that have begun, or are off the program: nobody gets in any more.
async fn close_over(waitlist: &Waitlist) -> Result<(), postgres::Error> {
    let over = shows::over(&waitlist.connection().await?, ROWS_MAX).await?;
    for (show_id, cancelled) in over {
        let reason = if cancelled { CloseReason::Cancelled } else { CloseReason::Started };
        close(waitlist, &show_id, reason).await?;
    }
    Ok(())
}

async fn close(waitlist: &Waitlist, show_id: &ShowId, reason: CloseReason) -> Result<(), postgres::Error> {
    let mut connection = waitlist.connection().await?;
    let transaction = connection.transaction().await?;
    let flag = shows::lock(&transaction, show_id).await?;
    let closed = lines::close_waiting(&transaction, show_id, reason).await?;
    let told = closed.chunks(TOLD_MAX).map(|some| {
        let entries = some.iter().cloned().map(|(entry_id, session_id)| EntryTold { entry_id, session_id });
        Fact::LineClosed(LineClosed { reason, entries: entries.collect() }).of(show_id.clone())
    });
    outbox::put_all(&transaction, store::SCHEMA, &told.collect::<Vec<_>>()).await?;
    let kind = if reason == CloseReason::Cancelled { Kind::Cancelled } else { Kind::Started };
    let entry_ids: Vec<_> = closed.iter().map(|(entry_id, _)| entry_id.as_str()).collect();
    let written = mails::put(&transaction, kind, &entry_ids).await?;
    offers::withdraw_all(&transaction, show_id).await?;
    let flag = if flag.open { shows::set_open(&transaction, show_id, false).await? } else { flag };
    transaction.commit().await?;
    drop(connection);
    waitlist.bell.ring();
    waitlist.mail.ring_if(written);
    tracing::info!(%show_id, closed = closed.len(), reason = reason.as_str(), "a line is closed");
    flag::tell_or_leave(waitlist, &flag).await;
    Ok(())
}

async fn measure(waitlist: &Waitlist) -> Result<(), postgres::Error> {
    let connection = waitlist.connection().await?;
    let depth = lines::depth(&connection).await?;
    for (status, count) in [(EntryStatus::Waiting, depth.waiting), (EntryStatus::Offered, depth.offered)] {
        waitlist.metrics.entries.with_label_values(&[status.as_str()]).set(count);
    }
    waitlist.metrics.gatherings.set(depth.gathering);
    waitlist.metrics.escrow_oldest.set(published::escrow_oldest(&connection).await?);
    Ok(())
}

async fn tidy(waitlist: &Waitlist) -> Result<(), postgres::Error> {
    let mut forgotten = 0;
    for _ in 0..FORGOTTEN_BATCHES_MAX {
        let batch = forget(waitlist).await?;
        forgotten += batch;
        if batch < ROWS_MAX.unsigned_abs() {
            break;
        }
    }
    if forgotten > 0 {
        tracing::info!(forgotten, "old rows are forgotten");
    }
    Ok(())
}

/// Some rows of each kind that are old enough.
async fn forget(waitlist: &Waitlist) -> Result<u64, postgres::Error> {
    let connection = waitlist.connection().await?;
    let days = |days: u32| i32::try_from(days).unwrap_or(i32::MAX);
    let (retention, audit) = (days(waitlist.config.retention_days), days(waitlist.config.audit_days));
    Ok(entries::forget(&connection, retention, ROWS_MAX).await?
        + escrows::forget(&connection, audit.max(DECISIONS_DAYS), ROWS_MAX).await?
        + decisions::forget(&connection, audit, ROWS_MAX).await?
        + told::forget(&connection, DECISIONS_DAYS, ROWS_MAX).await?)
}
