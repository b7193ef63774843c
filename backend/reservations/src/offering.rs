//! Seats in escrow: offered to those whom the waitlist names, kept for longer, or put on open sale.

use std::time::Duration;

use deadpool_postgres::Transaction;
use domain::deadline::Deadline;
use domain::id::{EntryId, EscrowId, HoldId, SeatId, SessionId, ShowId};
use domain::status::HoldStatus;
use jiff::Timestamp;
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
    /// The seats, by where they are. The first of the escrows names the offer.
    pub parts: Vec<Part>,
    /// Whose place in line.
    pub entry: EntryId,
    /// Who.
    pub session: SessionId,
    /// How long they have.
    pub lasts: Duration,
}

/// Seats of one escrow.
#[derive(Debug, Clone)]
pub struct Part {
    /// Which escrow.
    pub escrow: EscrowId,
    /// Which seats, sorted.
    pub seats: Vec<SeatId>,
}

impl Part {
    fn owned<'a>(&'a self, show: &'a ShowId) -> Owned<'a> {
        Owned { show, owner: self.escrow.as_str(), seats: &self.seats }
    }
}

impl Offer {
    /// The same offer is the same hold, however often it is asked for.
    fn hold_id(&self) -> Result<HoldId, Error> {
        let first = self.parts.first().ok_or(Error::EscrowGone)?;
        let id = names::derived("hold", &["offer", first.escrow.as_str(), self.entry.as_str()]);
        Ok(HoldId::parse(id).expect("a generated id has the form of one"))
    }

    fn seats(&self) -> Vec<SeatId> {
        let mut seats: Vec<_> = self.parts.iter().flat_map(|part| part.seats.iter().cloned()).collect();
        seats.sort();
        seats
    }
}

/// Places a hold for somebody who waits.
pub async fn offer(app: &App, offer: &Offer) -> Result<Hold, Error> {
    let id = offer.hold_id()?;
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
    let first = &offer.parts.first().ok_or(Error::EscrowGone)?.escrow;
    let show = escrows::show_of(&app.connection().await?, first).await?.ok_or(Error::EscrowGone)?;
    let show = app.show(&show).await?;
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let ids: Vec<_> = offer.parts.iter().map(|part| part.escrow.as_str()).collect();
    let escrows = escrows::lock_all(&transaction, &ids).await?;
    if !offer.parts.iter().all(|part| has(&escrows, &show.id, part)) {
        return Err(Error::EscrowGone);
    }
    let (token, now) = claims::token(&transaction).await?;
    let deadline =
        Deadline { created_at: now, expires_at: now + offer.lasts, extended: false, graced: false };
    let claims = pass(&transaction, offer, &show.id, id, (token, deadline.expires_at)).await?;
    let hold = Hold {
        id: id.clone(),
        show: show.id.clone(),
        session: offer.session.clone(),
        entry: Some(offer.entry.clone()),
        seats: offer.seats(),
        token,
        status: HoldStatus::OnHold,
        price: show.price.times(claims.len()),
        fingerprint: String::new(),
        deadline,
        extension_key: None,
        read_at: now,
    };
    holds::insert(&transaction, std::slice::from_ref(&hold)).await?;
    escrows::remove(&transaction, &ids, &hold.seats).await?;
    outbox::put(&transaction, SCHEMA, &telling::offered(&hold, &offer.entry)).await?;
    placing::without_gate(app, &transaction, &[show.id.as_str()]).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    Ok((hold, claims))
}

/// Whether the escrow of a part is live, is of this show and has all its seats.
fn has(escrows: &[Escrow], show: &ShowId, part: &Part) -> bool {
    let escrow = escrows.iter().find(|escrow| escrow.id == part.escrow && escrow.show == *show);
    let whole = |escrow: &Escrow| part.seats.iter().all(|seat| escrow.seats.contains(seat));
    !part.seats.is_empty() && escrow.is_some_and(|escrow| escrow.live && whole(escrow))
}

/// From the escrows to the hold, all seats or none.
async fn pass(
    transaction: &Transaction<'_>,
    offer: &Offer,
    show: &ShowId,
    to: &HoldId,
    (token, expires_at): (i64, Timestamp),
) -> Result<Vec<Claim>, Error> {
    let owned: Vec<_> = offer.parts.iter().map(|part| part.owned(show)).collect();
    claims::lock(transaction, &owned).await?;
    let passings: Vec<_> =
        owned.iter().map(|from| Passing { from: *from, to: to.as_str(), token, expires_at }).collect();
    let claims = claims::pass(transaction, "held", &passings).await?;
    let wanted: usize = offer.parts.iter().map(|part| part.seats.len()).sum();
    if claims.len() == wanted { Ok(claims) } else { Err(Error::EscrowGone) }
}

/// Keeps escrows of a show for longer, none past its bound. Those that are over stay so.
pub async fn keep(app: &App, show: &ShowId, ids: &[EscrowId], lasts: Duration) -> Result<(), Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let ids: Vec<_> = ids.iter().map(EscrowId::as_str).collect();
    let mut kept = escrows::lock_all(&transaction, &ids).await?;
    kept.retain(|escrow| escrow.live && escrow.show == *show);
    let (_, now) = claims::token(&transaction).await?;
    for escrow in &mut kept {
        escrow.expires_at = escrow.expires_at.max((now + lasts).min(escrow.bound_at));
    }
    let ends: Vec<_> = kept.iter().map(|escrow| escrow.expires_at).collect();
    let owned: Vec<_> = kept.iter().map(Escrow::owned).collect();
    claims::lock(&transaction, &owned).await?;
    let claims = claims::keep(&transaction, &owned, &ends).await?;
    escrows::keep(&transaction, &kept.iter().map(|escrow| escrow.id.as_str()).collect::<Vec<_>>(), &ends)
        .await?;
    placing::without_gate(app, &transaction, &[show.as_str()]).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    mirror::follow(app, show, &claims).await;
    Ok(())
}

/// Puts seats of escrows on open sale, as far as they are still there.
pub async fn release(app: &App, show: &ShowId, parts: &[Part]) -> Result<(), Error> {
    let mut client = app.connection().await?;
    let transaction = client.transaction().await?;
    let ids: Vec<_> = parts.iter().map(|part| part.escrow.as_str()).collect();
    escrows::lock_all(&transaction, &ids).await?;
    let owned: Vec<_> = parts.iter().map(|part| part.owned(show)).collect();
    claims::lock(&transaction, &owned).await?;
    let claims = claims::free(&transaction, &owned).await?;
    let seats: Vec<_> = claims.iter().map(|claim| claim.seat.clone()).collect();
    escrows::remove(&transaction, &ids, &seats).await?;
    placing::without_gate(app, &transaction, &[show.as_str()]).await?;
    transaction.commit().await.map_err(postgres::Error::from)?;
    mirror::follow(app, show, &claims).await;
    Ok(())
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
