//! From the seat map to a hold.

use domain::id::{HoldId, SeatId};
use domain::live::Seats;
use domain::seat_map::SeatMap;
use jiff::Timestamp;
use rand::RngExt;
use serde::Deserialize;

use super::picking;
use super::request::{Refusal, Request, Wish, parse};
use super::visit::{Gone, Visit};
use super::watcher::Watcher;
use crate::history::Step;

/// How often somebody picks anew before they lose heart.
const PICKS_MAX: usize = 6;

/// Seats that are kept for a buyer.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Held {
    pub(super) id: HoldId,
    pub(super) expires_at: Timestamp,
    /// Whether it can have more time.
    #[serde(default)]
    pub(super) extendable: bool,
}

/// What a map shows.
#[derive(Debug, Deserialize)]
struct Shown {
    seats: Seats,
}

/// Holds seats for the party; nothing when the show is sold out for them.
pub(super) async fn take_seats(visit: &mut Visit, watcher: &Watcher) -> Result<Option<Held>, Gone> {
    let show = visit.show_id();
    let mut suggested = None;
    for _ in 0..PICKS_MAX {
        visit.think().await;
        let Some(wish) = wish(visit, watcher, suggested.take()).await? else { return Ok(None) };
        let request = Request::hold(&show, wish.clone(), visit.key());
        let reply = visit.ask(&request).await?;
        if reply.status.is_success() {
            let held = parse(&reply).ok_or(Gone::Unanswered)?;
            send_again(visit, &request, &wish).await?;
            return Ok(Some(held));
        }
        let refusal: Refusal = parse(&reply).unwrap_or_default();
        if !matches!(refusal.code.as_str(), "seats_unavailable" | "leaves_single_seat") {
            return Err(Gone::Refused);
        }
        suggested = refusal.alternatives.into_iter().next();
        if suggested.is_none() && matches!(wish, Wish::Best(_) | Wish::Accessible(_)) {
            return Ok(None);
        }
    }
    Err(Gone::Refused)
}

/// The hold with more time, for those who ask for it.
pub(super) async fn extend(visit: &mut Visit, held: Held) -> Result<Held, Gone> {
    if !visit.choices.extend || !held.extendable {
        return Ok(held);
    }
    let request = Request::extend(&held.id);
    let reply = visit.ask(&request).await?;
    // It is done once, however often it is asked for.
    if visit.choices.replay_hold {
        visit.ask(&request).await?;
    }
    if reply.status.is_success() { parse(&reply).ok_or(Gone::Unanswered) } else { Ok(held) }
}

/// What they ask for, from what they see; nothing when they see too few seats.
async fn wish(
    visit: &mut Visit,
    watcher: &Watcher,
    suggested: Option<Vec<SeatId>>,
) -> Result<Option<Wish>, Gone> {
    if let Some(seats) = suggested
        && visit.chance.random_bool(0.5)
    {
        return Ok(Some(Wish::Seats(seats)));
    }
    let party = visit.choices.party;
    if visit.choices.wheelchair {
        return Ok(Some(Wish::Accessible(party)));
    }
    let taken = taken(visit, watcher).await?;
    let map = &visit.sale.program.shows[visit.choices.show].map;
    if visit.choices.best {
        return Ok((picking::free(map, &taken) >= party).then_some(Wish::Best(party)));
    }
    Ok(picking::pick(map, &taken, party, &mut visit.chance).map(Wish::Seats))
}

/// What the live socket shows; while there is none, what the server says.
async fn taken(visit: &mut Visit, watcher: &Watcher) -> Result<Seats, Gone> {
    if let Some(picture) = watcher.picture().await {
        return Ok(picture.seats);
    }
    seats(visit).await
}

/// What the server says of the show.
pub(super) async fn seats(visit: &mut Visit) -> Result<Seats, Gone> {
    let path = format!("/api/shows/{}/seats", visit.show_id());
    let reply = visit.read(Step::Seats, path).await?;
    parse(&reply).map(|shown: Shown| shown.seats).ok_or(Gone::Unanswered)
}

/// The same once more under its key, and something else under it: some do, and the key must hold.
async fn send_again(visit: &mut Visit, request: &Request, wish: &Wish) -> Result<(), Gone> {
    if visit.choices.replay_hold {
        visit.ask(&request.again()).await?;
    }
    if visit.choices.reuse {
        let (show, key) = (visit.show_id(), request.key.clone().unwrap_or_default());
        let other = other(wish, &visit.show().map);
        visit.ask(&Request::hold(&show, other, key)).await?;
    }
    Ok(())
}

/// A wish that is not the same.
fn other(wish: &Wish, map: &SeatMap) -> Wish {
    match wish {
        Wish::Best(party) | Wish::Accessible(party) => Wish::Best(party % 2 + 1),
        Wish::Seats(seats) => {
            let another = map.seats().find(|seat| !seats.contains(&seat.id));
            Wish::Seats(another.map(|seat| seat.id.clone()).into_iter().collect())
        }
    }
}
