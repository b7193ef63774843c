//! Who gets what: the seats that are free for a line go to the first in it whom they fit.
//!
//! A round decides about all seats of a show under the lock of its line and writes it down ([`deciding`]), then says it to
//! reservations: offers, seats that go on open sale, seats that are kept longer for somebody who gathers. After offers it looks
//! again: somebody may have gone meanwhile, and their seats belong to the next. Every step may be repeated by anybody: decisions
//! are read, not made again, and reservations gives the same answer to the same offer. So a crash anywhere is mended by serving the
//! show once more.
//!
//! Any instance may serve any show. Who asks for an offer says so first, and others leave it alone for as long as that takes, so
//! that two who look at one line do not do everything twice; when it takes too long, the next who looks takes over.

mod counter;
mod deciding;

use std::sync::Arc;

use domain::id::ShowId;
use service::postgres;
use tracing::Instrument;

pub(crate) use counter::Counter;
use counter::Turn;
use deciding::Plan;

use crate::metrics::Outcome;
use crate::reservations_client::{self, Placed};
use crate::store::entries::{self, Offer};
use crate::store::mails::{self, Kind};
use crate::store::offers::{self, Asker, Pending};
use crate::store::shows;
use crate::{Waitlist, leaving};

/// Why a show is not served to the end; it will be tried again.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Reservations(#[from] reservations_client::Error),
    #[error(transparent)]
    Postgres(#[from] postgres::Error),
}

/// Serves a show in the background. Where this process does so already, it looks once more when it is through.
pub(crate) fn begin(waitlist: &Arc<Waitlist>, show_id: ShowId) {
    if let Some(turn) = waitlist.counter.turn(&show_id) {
        let drain = waitlist.drain.clone();
        drain.spawn(serve_in_turn(Arc::clone(waitlist), show_id, turn).in_current_span());
    }
}

async fn serve_in_turn(waitlist: Arc<Waitlist>, show_id: ShowId, turn: Turn) {
    let _place = waitlist.counter.place().await;
    loop {
        if let Err(error) = serve(&waitlist, &show_id).await {
            waitlist.metrics.serving_failures.inc();
            tracing::warn!(%show_id, %error, "seats of a line wait to be served again");
        }
        if turn.over() {
            return;
        }
    }
}

async fn serve(waitlist: &Waitlist, show_id: &ShowId) -> Result<(), Interrupted> {
    // Every round but the last uses up a seat, or drops a waiter who has gone.
    loop {
        let plan = deciding::decide(waitlist, show_id).await?;
        waitlist.metrics.escrows_served.inc_by(plan.fresh);
        for offer in &plan.offers {
            make(waitlist, show_id, offer).await?;
        }
        say(waitlist, show_id, &plan).await?;
        if plan.offers.is_empty() {
            return Ok(());
        }
    }
}

/// Says what is decided about seats that nobody is offered now.
async fn say(waitlist: &Waitlist, show_id: &ShowId, plan: &Plan) -> Result<(), Interrupted> {
    if !plan.releases.is_empty() {
        waitlist.reservations.release(show_id, &plan.releases).await?;
    }
    if let Some((escrow_ids, seconds)) = &plan.keeps {
        waitlist.reservations.keep(show_id, escrow_ids, *seconds).await?;
    }
    if let (Some(retry_at), true) = (plan.retry_at, plan.offers.is_empty()) {
        shows::looked(&waitlist.connection().await?, show_id, retry_at, plan.look_at).await?;
    }
    Ok(())
}

/// Asks reservations for a hold in a waiter's name.
async fn make(waitlist: &Waitlist, show_id: &ShowId, offer: &Pending) -> Result<(), Interrupted> {
    let asker = asker(waitlist);
    if !offers::ask(&waitlist.connection().await?, offer, asker).await? {
        return Ok(());
    }
    match waitlist.reservations.offer(show_id, offer, waitlist.config.offer_seconds).await? {
        Some(placed) => note_placed(waitlist, show_id, offer, placed).await?,
        None => note_gone(waitlist, show_id, offer).await?,
    }
    Ok(())
}

fn asker(waitlist: &Waitlist) -> Asker<'_> {
    let within_ms = i32::try_from(waitlist.config.takeover_ms).unwrap_or(i32::MAX);
    Asker { name: &waitlist.name, within_ms }
}

/// The hold is there: its owner is offered it, or it goes back when they have gone.
async fn note_placed(
    waitlist: &Waitlist,
    show_id: &ShowId,
    offer: &Pending,
    placed: Placed,
) -> Result<(), postgres::Error> {
    let hold_id = placed.hold_id.clone();
    let made = Offer { hold_id: placed.hold_id, seats: offer.seats(), expires_at: placed.expires_at };
    let mut connection = waitlist.connection().await?;
    let transaction = connection.transaction().await?;
    shows::lock(&transaction, show_id).await?;
    if !offers::unanswered(&transaction, offer.escrow_id(), &offer.entry_id).await? {
        return Ok(());
    }
    let waited_seconds = entries::offered(&transaction, &offer.entry_id, offer.escrow_id(), &made).await?;
    let wanted = waited_seconds.is_some();
    offers::made(&transaction, offer.escrow_id(), &offer.entry_id, &hold_id, wanted).await?;
    let written = wanted && mails::put(&transaction, Kind::Offered, &[offer.entry_id.as_str()]).await?;
    transaction.commit().await?;
    waitlist.mail.ring_if(written);
    drop(connection);
    waitlist.metrics.offer(if wanted { Outcome::Made } else { Outcome::Void });
    waited_seconds.inspect(|seconds| waitlist.metrics.wait.observe(*seconds));
    tracing::info!(entry_id = %offer.entry_id, escrow_id = %offer.escrow_id(), %hold_id, wanted, "an offer is made");
    if !wanted {
        leaving::give_back_or_leave(waitlist, &offer.entry_id, &hold_id).await;
    }
    Ok(())
}

/// The seats are not there any more: the waiter waits on, at their old place.
async fn note_gone(waitlist: &Waitlist, show_id: &ShowId, offer: &Pending) -> Result<(), postgres::Error> {
    let mut connection = waitlist.connection().await?;
    let transaction = connection.transaction().await?;
    shows::lock(&transaction, show_id).await?;
    if !offers::gone(&transaction, offer.escrow_id(), &offer.entry_id).await? {
        return Ok(());
    }
    entries::back_in_line(&transaction, &offer.entry_id, offer.escrow_id()).await?;
    transaction.commit().await?;
    waitlist.metrics.offer(Outcome::Gone);
    tracing::info!(entry_id = %offer.entry_id, escrow_id = %offer.escrow_id(), "the seats of an offer were gone");
    Ok(())
}
