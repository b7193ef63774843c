//! Who gets what: the seats of an escrow go to the first in line whom they fit.
//!
//! A round decides under the lock of the line and writes it down, then asks reservations for each offer, then looks
//! again: somebody may have gone meanwhile, and their seats belong to the next. When a round finds nobody, what is left
//! goes on open sale. Every step may be repeated by anybody: decisions are read, not made again, and reservations gives
//! the same answer to the same offer. So a crash anywhere is mended by serving the escrow once more.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::Transaction;
use domain::id::{EscrowId, SeatId};
use domain::queue::{Assignment, assign};
use service::postgres;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Outcome;
use crate::reservations_client::{self, Placed};
use crate::store::entries::{self, Offer};
use crate::store::escrows::{self, Progress};
use crate::store::offers::{self, Pending};
use crate::store::published::Escrow;
use crate::store::shows;
use crate::{Waitlist, leaving};

/// Waiters looked at in one read of the line.
const LINE_PAGE: i64 = 500;

/// What to do next about an escrow.
#[derive(Debug)]
enum Plan {
    /// Nobody decided in time, or all is done.
    Nothing,
    /// Ask reservations for these.
    Offer(Vec<Pending>),
    /// Put the rest on open sale.
    Clear,
}

/// Why an escrow is not served to the end; it will be tried again.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Reservations(#[from] reservations_client::Error),
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
}

/// The escrows this process serves at the moment: each once, and not too many.
#[derive(Debug)]
pub(crate) struct Counter {
    places: Arc<Semaphore>,
    served: Arc<Mutex<HashSet<EscrowId>>>,
}

/// The right to serve one escrow in this process.
#[derive(Debug)]
struct Turn {
    id: EscrowId,
    served: Arc<Mutex<HashSet<EscrowId>>>,
    _place: OwnedSemaphorePermit,
}

impl Counter {
    /// With so many places.
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), served: Arc::default() }
    }

    /// The right to serve this escrow, unless somebody here has it or all places are taken.
    fn turn(&self, id: &EscrowId) -> Option<Turn> {
        self.turn_at(id, Arc::clone(&self.places).try_acquire_owned().ok()?)
    }

    /// The same, waiting for a place.
    async fn turn_when_free(&self, id: &EscrowId) -> Option<Turn> {
        self.turn_at(id, Arc::clone(&self.places).acquire_owned().await.ok()?)
    }

    fn turn_at(&self, id: &EscrowId, place: OwnedSemaphorePermit) -> Option<Turn> {
        let fresh = self.served.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        fresh.then(|| Turn { id: id.clone(), served: Arc::clone(&self.served), _place: place })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Begins to serve an escrow in the background, unless this process does or is busy; the backstop comes back to it.
pub(crate) fn begin(waitlist: &Arc<Waitlist>, escrow: Escrow) {
    if let Some(turn) = waitlist.counter.turn(&escrow.id) {
        serve_in_background(waitlist, escrow, turn);
    }
}

/// The same, once this process has a place for it.
pub(crate) async fn begin_when_free(waitlist: &Arc<Waitlist>, escrow: Escrow) {
    if let Some(turn) = waitlist.counter.turn_when_free(&escrow.id).await {
        serve_in_background(waitlist, escrow, turn);
    }
}

fn serve_in_background(waitlist: &Arc<Waitlist>, escrow: Escrow, turn: Turn) {
    let waitlist = Arc::clone(waitlist);
    let drain = waitlist.drain.clone();
    drain.spawn(async move {
        if let Err(error) = serve(&waitlist, &escrow).await {
            waitlist.metrics.serving_failures.inc();
            tracing::warn!(escrow_id = %escrow.id, %error, "an escrow waits to be served again");
        }
        drop(turn);
    });
}

async fn serve(waitlist: &Waitlist, escrow: &Escrow) -> Result<(), Interrupted> {
    // Every round but the last uses up a seat, or drops a waiter who has gone.
    loop {
        match plan(waitlist, escrow).await? {
            Plan::Nothing => return Ok(()),
            Plan::Offer(pending) => offer_all(waitlist, escrow, &pending).await?,
            Plan::Clear => break,
        }
    }
    waitlist.reservations.clear(&escrow.id).await?;
    if escrows::set(&waitlist.connection().await?, &escrow.id, Progress::Done).await? {
        waitlist.metrics.escrows_served.inc();
    }
    Ok(())
}

/// Decides under the lock of the line, and writes it down before anybody hears of it.
async fn plan(waitlist: &Waitlist, escrow: &Escrow) -> Result<Plan, postgres::Error> {
    let mut connection = waitlist.connection().await?;
    let transaction = connection.transaction().await?;
    shows::lock(&transaction, &escrow.show_id).await?;
    let plan = match escrows::begin(&transaction, escrow).await? {
        None | Some(Progress::Done) => Plan::Nothing,
        Some(Progress::Clearing) => Plan::Clear,
        Some(Progress::Serving) => decide(&transaction, escrow).await?,
    };
    transaction.commit().await?;
    Ok(plan)
}

async fn decide(transaction: &Transaction<'_>, escrow: &Escrow) -> Result<Plan, postgres::Error> {
    // Who was chosen for seats that have lapsed meanwhile stands in line again as soon as reservations has said so. Until
    // then nobody behind them is chosen; the backstop comes back.
    if offers::overdue_elsewhere(transaction, escrow).await? {
        return Ok(Plan::Nothing);
    }
    // What has lapsed is given to nobody new: it is only found out what became of the offers that were made of it.
    if !escrows::lapsed(transaction, &escrow.id).await? {
        let used = offers::used_seats(transaction, &escrow.id).await?;
        let free = escrow.seats.iter().filter(|seat| !used.contains(seat)).cloned().collect();
        for assignment in walk_the_line(transaction, escrow, free).await? {
            offers::decide(transaction, &escrow.id, &assignment).await?;
            entries::choose(transaction, &escrow.id, &assignment).await?;
        }
    }
    let pending = offers::pending(transaction, &escrow.id).await?;
    if pending.is_empty() {
        escrows::set(transaction, &escrow.id, Progress::Clearing).await?;
        return Ok(Plan::Clear);
    }
    Ok(Plan::Offer(pending))
}

/// Page by page gives the same as all at once, because the rule goes through the line from its front.
async fn walk_the_line(
    transaction: &Transaction<'_>,
    escrow: &Escrow,
    mut free: Vec<SeatId>,
) -> Result<Vec<Assignment>, postgres::Error> {
    let mut assignments = Vec::new();
    let mut behind = i64::MIN;
    while !free.is_empty() {
        let page = entries::line(transaction, &escrow.show_id, &escrow.id, behind, LINE_PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        behind = *last;
        let line: Vec<_> = page.into_iter().map(|(_, waiter)| waiter).collect();
        let (given, rest) = assign(&line, free);
        assignments.extend(given);
        free = rest;
    }
    Ok(assignments)
}

async fn offer_all(waitlist: &Waitlist, escrow: &Escrow, pending: &[Pending]) -> Result<(), Interrupted> {
    for offer in pending {
        if !offers::ask(&waitlist.connection().await?, &escrow.id, &offer.entry_id).await? {
            continue;
        }
        let seconds = waitlist.config.offer_seconds;
        match waitlist.reservations.offer(&escrow.id, offer, seconds).await? {
            Some(placed) => note_placed(waitlist, escrow, offer, placed).await?,
            None => note_gone(waitlist, escrow, offer).await?,
        }
    }
    Ok(())
}

/// The hold is there: its owner is offered it, or it goes back when they have gone.
async fn note_placed(
    waitlist: &Waitlist,
    escrow: &Escrow,
    offer: &Pending,
    placed: Placed,
) -> Result<(), postgres::Error> {
    let hold_id = placed.hold_id.clone();
    let made = Offer { hold_id: placed.hold_id, seats: offer.seats.clone(), expires_at: placed.expires_at };
    let mut connection = waitlist.connection().await?;
    let transaction = connection.transaction().await?;
    shows::lock(&transaction, &escrow.show_id).await?;
    if !offers::unanswered(&transaction, &escrow.id, &offer.entry_id).await? {
        return Ok(());
    }
    let wanted = entries::offered(&transaction, &offer.entry_id, &escrow.id, &made).await?;
    offers::made(&transaction, &escrow.id, &offer.entry_id, &hold_id, wanted).await?;
    transaction.commit().await?;
    drop(connection);
    waitlist.metrics.offer(Outcome::Made);
    tracing::info!(entry_id = %offer.entry_id, escrow_id = %escrow.id, %hold_id, wanted, "an offer is made");
    if !wanted {
        leaving::give_back_or_leave(waitlist, &offer.entry_id, &hold_id).await;
    }
    Ok(())
}

/// The seats are not there any more: the waiter waits on, at their old place.
async fn note_gone(waitlist: &Waitlist, escrow: &Escrow, offer: &Pending) -> Result<(), postgres::Error> {
    let mut connection = waitlist.connection().await?;
    let transaction = connection.transaction().await?;
    shows::lock(&transaction, &escrow.show_id).await?;
    if !offers::gone(&transaction, &escrow.id, &offer.entry_id).await? {
        return Ok(());
    }
    entries::back_in_line(&transaction, &offer.entry_id, &escrow.id).await?;
    transaction.commit().await?;
    waitlist.metrics.offer(Outcome::Gone);
    tracing::info!(entry_id = %offer.entry_id, escrow_id = %escrow.id, "the seats of an offer were gone");
    Ok(())
}
