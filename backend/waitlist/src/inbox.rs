//! Events in: what reservations tells. All of it may come twice, late or never; nothing here depends on it.

use std::sync::Arc;

use domain::event::{BookingConfirmed, Event, Fact, HoldEnded, Told, kind};
use domain::id::ShowId;
use service::traces;

use crate::settling::Ending;
use crate::{Waitlist, notify, serving, settling};

/// The types that are for us.
pub(crate) const TYPES: [&str; 4] =
    [kind::SEATS_ESCROWED, kind::HOLD_EXPIRED, kind::SEATS_RELEASED, kind::BOOKING_CONFIRMED];

/// Takes one event. An error leaves it to be brought again.
pub(crate) async fn take(waitlist: Arc<Waitlist>, text: String) -> anyhow::Result<()> {
    // Newer programs may tell what we have no word for; it is not for us then.
    let Ok(Told { event, .. }) = serde_json::from_str(&text) else {
        tracing::debug!(event = text, "an event is passed over");
        return Ok(());
    };
    let (trace, kind) = (event.trace.clone(), event.fact.kind());
    traces::caused_by(trace.as_deref(), kind, follow(waitlist, event)).await
}

async fn follow(waitlist: Arc<Waitlist>, event: Event) -> anyhow::Result<()> {
    match event.fact {
        Fact::SeatsEscrowed(escrowed) => {
            tracing::debug!(escrow_id = %escrowed.escrow_id, show_id = %event.show_id, "seats came free");
            serving::begin(&waitlist, event.show_id);
        }
        Fact::HoldExpired(ended) => offer_ended(&waitlist, &ended, Ending::Expired).await?,
        Fact::SeatsReleased(ended) => offer_ended(&waitlist, &ended, Ending::Released).await?,
        Fact::BookingConfirmed(sale) => sold(&waitlist, &event.show_id, &sale).await?,
        Fact::SeatsHeld(_)
        | Fact::BookingCancelled(_)
        | Fact::SeatsOffered(_)
        | Fact::WaitersTold(_)
        | Fact::LineMoved(_)
        | Fact::LineClosed(_) => {}
    }
    Ok(())
}

async fn offer_ended(waitlist: &Waitlist, ended: &HoldEnded, ending: Ending) -> anyhow::Result<()> {
    if let Some(entry_id) = &ended.entry_id {
        settling::settle(waitlist, entry_id, &ended.hold_id, ending).await?;
    }
    Ok(())
}

async fn sold(waitlist: &Waitlist, show_id: &ShowId, sale: &BookingConfirmed) -> anyhow::Result<()> {
    if let Some(entry_id) = &sale.entry_id {
        settling::settle(waitlist, entry_id, &sale.hold_id, Ending::Booked).await?;
    }
    notify::tell_waiters(waitlist, show_id, sale).await?;
    Ok(())
}
