//! The queue flag: reservations knows whether anybody waits for a show before the waiter knows it.
//!
//! The flag changes with the line, under its lock; then reservations is told, with a revision that makes late calls
//! harmless. What could not be told at once is told by the backstop.

use deadpool_postgres::Transaction;
use service::postgres;

use crate::Waitlist;
use crate::reservations_client;
use crate::store::lines;
use crate::store::shows::{self, Flag};

/// Why a flag is not told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untold {
    /// Reservations did not take it.
    #[error(transparent)]
    Reservations(#[from] reservations_client::Error),
    /// It took it, but that could not be noted; it will be told again.
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
}

/// Tells reservations, unless it knows.
pub(crate) async fn tell(waitlist: &Waitlist, flag: &Flag) -> Result<(), Untold> {
    if flag.synced {
        return Ok(());
    }
    if let Err(error) = waitlist.reservations.set_queue(flag).await {
        waitlist.metrics.sync_failures.inc();
        return Err(error.into());
    }
    shows::synced(&waitlist.connection().await?, flag).await?;
    Ok(())
}

/// Tells reservations if that works at once; else the backstop will.
pub(crate) async fn tell_or_leave(waitlist: &Waitlist, flag: &Flag) {
    if let Err(error) = tell(waitlist, flag).await {
        tracing::warn!(show_id = %flag.show_id, %error, "a queue flag waits to be told");
    }
}

/// Opens the flag of a locked line.
pub(crate) async fn open(transaction: &Transaction<'_>, flag: Flag) -> Result<Flag, postgres::Error> {
    if flag.open { Ok(flag) } else { shows::set_open(transaction, &flag.show_id, true).await }
}

/// Closes the flag of a locked line when nobody is left in it.
pub(crate) async fn close_if_empty(
    transaction: &Transaction<'_>,
    flag: Flag,
) -> Result<Flag, postgres::Error> {
    if !flag.open || lines::any_live(transaction, &flag.show_id).await? {
        return Ok(flag);
    }
    shows::set_open(transaction, &flag.show_id, false).await
}
