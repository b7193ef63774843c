//! Events in: what reservations tells. All of it may come twice, late or never; nothing here depends on it.

use std::sync::Arc;

use domain::event::{Event, HoldEnded, SeatsBooked};

use crate::settling::Ending;
use crate::store::published::Escrow;
use crate::{Waitlist, notify, serving, settling};

/// Takes one event. An error leaves it to be brought again.
pub(crate) async fn take(waitlist: Arc<Waitlist>, text: String) -> anyhow::Result<()> {
    // Newer programs may tell what we have no word for; it is not for us then.
    let Ok(event) = serde_json::from_str::<Event>(&text) else {
        tracing::debug!(event = text, "an event is passed over");
        return Ok(());
    };
    match event {
        Event::SeatsEscrowed(escrowed) => {
            let escrow = Escrow {
                id: escrowed.escrow_id,
                show_id: escrowed.show_id,
                seats: escrowed.seats,
                expires_at: escrowed.expires_at,
            };
            serving::begin(&waitlist, escrow);
        }
        Event::HoldExpired(ended) => offer_ended(&waitlist, &ended, Ending::Expired).await?,
        Event::HoldReleased(ended) => offer_ended(&waitlist, &ended, Ending::Released).await?,
        Event::SeatsBooked(sale) => sold(&waitlist, &sale).await?,
        Event::BookingCancelled(_) | Event::SeatsOffered(_) | Event::WaitersTold(_) => {}
    }
    Ok(())
}

async fn offer_ended(waitlist: &Waitlist, ended: &HoldEnded, ending: Ending) -> anyhow::Result<()> {
    if let Some(entry_id) = &ended.entry_id {
        settling::settle(waitlist, entry_id, &ended.hold_id, ending).await?;
    }
    Ok(())
}

async fn sold(waitlist: &Waitlist, sale: &SeatsBooked) -> anyhow::Result<()> {
    if let Some(entry_id) = &sale.entry_id {
        settling::settle(waitlist, entry_id, &sale.hold_id, Ending::Booked).await?;
    }
    notify::tell_waiters(waitlist, sale).await?;
    Ok(())
}
