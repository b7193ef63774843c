//! A place in line when it is sold out: wait, and take what is offered, or not.

use std::sync::Arc;
use std::time::Duration;

use domain::hold::PARTY_MAX;
use domain::id::{EntryId, SeatId};
use domain::live::ServerFrame;
use domain::seat_map::SeatKind;
use rand::RngExt;
use tokio::time::Instant;

use super::choices::Waiting;
use super::holding::Held;
use super::paying::{self, ANNOUNCED_WITHIN, until};
use super::request::{EntryBody, OfferBody, Request, Wanted, parse};
use super::sale::Counted;
use super::visit::{Gone, Visit};
use super::watcher::Watcher;
use crate::history::Step;

/// A message may be lost: who waits also looks, this often.
const LOOK_EVERY: Duration = Duration::from_secs(4);
/// The seats that somebody names who wants certain ones only.
const NAMED: usize = 12;

/// Joins the line and stays in it as chosen.
pub(super) async fn wait(visit: &mut Visit, watcher: &mut Watcher) -> Result<(), Gone> {
    let Some(waiting) = visit.choices.waiting else { return Ok(()) };
    let Some(entry) = join(visit).await? else { return Ok(()) };
    let sale = Arc::clone(&visit.sale);
    let waiting_now = Counted::one(&sale.tally.waiting);
    let patience = match waiting {
        Waiting::Leave => sale.plan.patience / 2,
        Waiting::Take | Waiting::Lapse => sale.plan.patience,
    };
    let offer = offered(visit, watcher, &entry, patience).await?;
    drop(waiting_now);
    match (offer, waiting) {
        (Some(offer), Waiting::Take) => take(visit, &offer).await,
        (Some(offer), Waiting::Lapse) => lapse(visit, watcher, &entry, &offer).await,
        (Some(_), Waiting::Leave) | (None, _) => leave(visit, &entry).await,
    }
}

/// Their place in line, if they get one.
async fn join(visit: &mut Visit) -> Result<Option<EntryId>, Gone> {
    let (show, party, seats, key) = (visit.show_id(), visit.choices.party, named(visit), visit.key());
    // Who names seats may have named none that are beside each other.
    let wheelchair = visit.choices.wheelchair;
    let together = visit.choices.together && party > 1 && seats.is_empty() && !wheelchair;
    let wanted = Wanted { party, together, wheelchair, seats };
    visit.sale.note_in_line(visit.number, &visit.buyer);
    let request = Request::join(&show, wanted, key.clone());
    let reply = visit.ask(&request).await?;
    let Some(entry) = parse::<EntryBody>(&reply) else { return Ok(None) };
    // The same once more under its key, and something else under it: some do, and the key must hold.
    if visit.choices.replay_hold {
        visit.ask(&request).await?;
    }
    if visit.choices.reuse {
        let other = Wanted { party: party % PARTY_MAX + 1, ..Wanted::default() };
        visit.ask(&Request::join(&show, other, key)).await?;
    }
    Ok(Some(entry.id))
}

/// The seats that are good enough for somebody who is particular; none when any are.
fn named(visit: &mut Visit) -> Vec<SeatId> {
    if !visit.choices.picky || visit.choices.wheelchair {
        return Vec::new();
    }
    let map = &visit.sale.program.shows[visit.choices.show].map;
    let standard: Vec<_> = map.seats().filter(|seat| seat.kind == SeatKind::Standard).collect();
    let first = visit.chance.random_range(0..standard.len().saturating_sub(NAMED).max(1));
    standard.iter().skip(first).take(NAMED).map(|seat| seat.id.clone()).collect()
}

/// What is offered to them before their patience ends, told by the socket or found by looking.
async fn offered(
    visit: &mut Visit,
    watcher: &mut Watcher,
    entry: &EntryId,
    patience: Duration,
) -> Result<Option<OfferBody>, Gone> {
    let end = Instant::now() + patience;
    let mine = |frame| match frame {
        ServerFrame::Offer { entry_id, hold_id, expires_at, .. } if entry_id == *entry => {
            Some(OfferBody { hold_id, expires_at })
        }
        _ => None,
    };
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        if let Some(offer) = watcher.notice(left.min(LOOK_EVERY), mine).await {
            return Ok(Some(offer));
        }
        let reply = visit.ask(&Request::read(Step::Entry, format!("/api/waitlist/{entry}"))).await?;
        match parse::<EntryBody>(&reply) {
            Some(EntryBody { offer: Some(offer), .. }) => return Ok(Some(offer)),
            Some(EntryBody { status, .. }) if status != "waiting" => return Ok(None),
            _ => {}
        }
    }
}

async fn take(visit: &mut Visit, offer: &OfferBody) -> Result<(), Gone> {
    visit.think().await;
    let held = Held { id: offer.hold_id.clone(), expires_at: offer.expires_at, extendable: false };
    if paying::pay(visit, &held).await? {
        visit.sale.note_out_of_line(visit.number);
    }
    Ok(())
}

async fn lapse(
    visit: &mut Visit,
    watcher: &mut Watcher,
    entry: &EntryId,
    offer: &OfferBody,
) -> Result<(), Gone> {
    let mine = |frame| match frame {
        ServerFrame::OfferLapsed { entry_id } if entry_id == *entry => Some(()),
        _ => None,
    };
    if watcher.notice(until(offer.expires_at) + ANNOUNCED_WITHIN, mine).await.is_some() {
        visit.sale.note_out_of_line(visit.number);
    }
    Ok(())
}

async fn leave(visit: &mut Visit, entry: &EntryId) -> Result<(), Gone> {
    if visit.ask(&Request::leave(entry)).await?.status.is_success() {
        visit.sale.note_out_of_line(visit.number);
    }
    Ok(())
}
