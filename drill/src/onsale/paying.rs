//! What becomes of a hold: it is paid, given back, or left to lapse.

use std::time::Duration;

use domain::id::BookingId;
use domain::live::ServerFrame;
use jiff::Timestamp;
use rand::RngExt;
use serde::Deserialize;

use super::choices::{End, Slow};
use super::holding::{self, Held};
use super::request::{Request, parse};
use super::visit::{Gone, Visit};
use super::watcher::Watcher;
use crate::history::Step;

/// How long after a deadline its announcement is waited for: longer than it may take.
pub(super) const ANNOUNCED_WITHIN: Duration = Duration::from_secs(3);
/// Nobody waits longer than this for the last moment.
const LAST_MOMENT_MAX: Duration = Duration::from_secs(20);
/// Who looks at their bookings afterwards.
const LOOK_AT_BOOKINGS: f64 = 0.3;

#[derive(Debug, Deserialize)]
struct Booked {
    id: BookingId,
}

/// What was chosen for this hold.
pub(super) async fn decide(visit: &mut Visit, watcher: &mut Watcher, held: Held) -> Result<(), Gone> {
    visit.think().await;
    let held = &holding::extend(visit, held).await?;
    match visit.choices.end {
        End::Pay => pay(visit, held).await.map(drop),
        End::Declined => pay_in_vain(visit, held, "declined").await,
        End::PaymentTimeout => pay_in_vain(visit, held, "timeout").await,
        End::Release => release(visit, held).await,
        End::Abandon => {
            lapse(watcher, held).await;
            Ok(())
        }
    }
}

/// Pays; says whether the seats are booked.
pub(super) async fn pay(visit: &mut Visit, held: &Held) -> Result<bool, Gone> {
    let card = card(visit, held).await;
    let request = confirm(visit, held, &card);
    let reply = visit.ask(&request).await?;
    if !reply.status.is_success() {
        return Ok(false);
    }
    let booked: Booked = parse(&reply).ok_or(Gone::Unanswered)?;
    send_again(visit, held, &request).await?;
    if visit.chance.random_bool(LOOK_AT_BOOKINGS) {
        visit.read(Step::Bookings, "/api/bookings".to_owned()).await?;
    }
    if visit.choices.cancel {
        visit.think().await;
        visit.ask(&Request::cancel(&booked.id)).await?;
    }
    Ok(true)
}

/// Their card, once it is time to pay: a good one, or one of a bank that takes its time.
async fn card(visit: &Visit, held: &Held) -> String {
    let Some(Slow { takes, before }) = visit.choices.slow else { return "ok".to_owned() };
    let left = until(held.expires_at).saturating_sub(before);
    if left <= LAST_MOMENT_MAX {
        tokio::time::sleep(left).await;
    }
    format!("slow_{}", takes.as_millis())
}

fn confirm(visit: &mut Visit, held: &Held, token: &str) -> Request {
    let key = visit.key();
    Request::confirm(&visit.show_id(), &held.id, token, key)
}

/// A payment that fails, and then another card or no film.
async fn pay_in_vain(visit: &mut Visit, held: &Held, token: &str) -> Result<(), Gone> {
    let request = confirm(visit, held, token);
    visit.ask(&request).await?;
    visit.think().await;
    visit.read(Step::GetHold, format!("/api/holds/{}", held.id)).await?;
    if visit.choices.second_card { pay(visit, held).await.map(drop) } else { release(visit, held).await }
}

async fn release(visit: &mut Visit, held: &Held) -> Result<(), Gone> {
    visit.ask(&Request::release(&held.id)).await.map(drop)
}

/// Stays until the hold's end is announced, or should have been.
async fn lapse(watcher: &mut Watcher, held: &Held) {
    let mine = |frame| match frame {
        ServerFrame::HoldExpired { hold_id, .. } if hold_id == held.id => Some(()),
        _ => None,
    };
    watcher.notice(until(held.expires_at) + ANNOUNCED_WITHIN, mine).await;
}

/// How long it is until a time on the wall clock.
pub(super) fn until(at: Timestamp) -> Duration {
    at.duration_since(Timestamp::now()).try_into().unwrap_or_default()
}

/// The same once more under its key, and something else under it: some do, and the key must hold.
async fn send_again(visit: &mut Visit, held: &Held, request: &Request) -> Result<(), Gone> {
    if visit.choices.replay_confirm {
        visit.ask(&request.again()).await?;
    }
    if visit.choices.reuse {
        let key = request.key.clone().unwrap_or_default();
        visit.ask(&Request::confirm(&visit.show_id(), &held.id, "declined", key)).await?;
    }
    Ok(())
}
