//! Seats in escrow: offered to those whom the waitlist names, or put on open sale.

use std::time::Duration;

use domain::deadline::Deadline;
use domain::id::{EntryId, EscrowId, HoldId, SeatId, SessionId};
use domain::status::HoldStatus;
use service::{outbox, postgres};

use crate::app::App;
use crate::error::Error;
use crate::store::SCHEMA;
use crate::store::claims::{self, Claim, Owned, Passing};
use crate::store::escrows::{self, Escrow};
use crate::store::holds::{self, Hold};
use crate::{mirror, names, placing, telling};

/// Seats for somebody in line.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Where the seats are.
    pub escrow: EscrowId,
    /// Whose place in line.
    pub entry: EntryId,
    /// Who.
    pub session: SessionId,
    /// Which seats, sorted.
    pub seats: Vec<SeatId>,
    /// How long they have.
    pub lasts: Duration,
}

impl Offer {
    /// The same offer is the same hold, however often it is asked for.
    fn hold_id(&self) -> HoldId {
        let id = names::derived("hold", &["offer", self.escrow.as_str(), self.entry.as_str()]);
        HoldId::parse(id).expect("a generated id has the form of one")
    }
}

/// Places a hold for somebody who waits.
pub async fn offer(app: &App, offer: &Offer) -> Result<Hold, Error> {
    let id = offer.hold_id();
    let made = holds::find(&app.connection().await?, &id).await?;
    if let Some(hold) = made {
        return Ok(hold);
    }
    match commit(app, offer, &id).await {
        Ok((hold, claims)) => {
            mirror::follow(app, &hold.show, &claims).await;
            app.bell.ring();
            Ok(hold)
        }
        // Somebody asked for the same offer at the same time, and was first: it is made, and its seats are no longer escrowed.
        Err(error) if made_meanwhile(&error) => {
            holds::find(&app.connection().await?, &id).await?.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

fn made_meanwhile(error: &Error) -> bool {
    match error {
        Error::EscrowGone => true,
        Error::Store(error) => error.unique_violation(),
        _ => false,
    }
}

async fn commit(app: &App, offer: &Offer, id: &HoldId) -> Result<(Hold, Vec<Claim>), Error> {
    let show = escrows::show_of(&app.connection().await?, &offer.escrow).await?.ok_or(Error::EscrowGone)?;
    let show = app.show(&show).await?;
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let escrow = escrows::lock(&transaction, &offer.escrow).await?;
    let escrow = escrow.filter(|escrow| holds_all(escrow, &offer.seats)).ok_or(Error::EscrowGone)?;
    let (token, now) = claims::token(&transaction).await?;
    let expires_at = now + offer.lasts;
    let from = Owned { show: &escrow.show, owner: offer.escrow.as_str(), seats: &offer.seats };
    claims::lock(&transaction, &[from]).await?;
    let passing = Passing { from, to: id.as_str(), token, expires_at };
    let claims = claims::pass(&transaction, "held", &[passing]).await?;
    if claims.len() < offer.seats.len() {
        return Err(Error::EscrowGone);
    }
    let hold = Hold {
        id: id.clone(),
        show: escrow.show.clone(),
        session: offer.session.clone(),
        entry: Some(offer.entry.clone()),
        seats: offer.seats.clone(),
        token,
        status: HoldStatus::OnHold,
        price: show.price.times(offer.seats.len()),
        fingerprint: String::new(),
        deadline: Deadline { created_at: now, expires_at, extended: false, graced: false },
        extension_key: None,
        read_at: now,
    };
    holds::insert(&transaction, std::slice::from_ref(&hold)).await?;
    escrows::remove(&transaction, &escrow.id, &offer.seats).await?;
    outbox::put(&transaction, SCHEMA, &telling::offered(&hold, &offer.entry)).await?;
    placing::without_gate(app, &transaction, &[escrow.show.as_str()]).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    Ok((hold, claims))
}

fn holds_all(escrow: &Escrow, seats: &[SeatId]) -> bool {
    escrow.live && !seats.is_empty() && seats.iter().all(|seat| escrow.seats.contains(seat))
}

/// Puts what is left of an escrow on open sale.
pub async fn close(app: &App, id: &EscrowId) -> Result<(), Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let Some(escrow) = escrows::lock(&transaction, id).await? else { return Ok(()) };
    escrows::close(&transaction, &[id.as_str()]).await?;
    claims::lock(&transaction, &[escrow.owned()]).await?;
    let claims = claims::free(&transaction, &[escrow.owned()]).await?;
    placing::without_gate(app, &transaction, &[escrow.show.as_str()]).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    mirror::follow(app, &escrow.show, &claims).await;
    Ok(())
}
