//! Telling those who waited in vain that what they waited for is sold, once per sale.

use domain::event::{Event, SeatsBooked, WaitersTold};
use service::{outbox, postgres};

use crate::Waitlist;
use crate::store::{self, entries, shows, told};

/// Sessions named in one event; more are told by further events.
const SESSIONS_MAX: usize = 500;

/// Tells everybody who still waits for any seat of the show, or for one of these; not the buyer.
pub(crate) async fn tell_waiters(waitlist: &Waitlist, sale: &SeatsBooked) -> Result<(), postgres::Error> {
    let mut connection = waitlist.connection().await?;
    // Most sales are of shows that nobody waits for; they are not worth a write.
    if !shows::find(&connection, &sale.show_id).await?.is_some_and(|flag| flag.open) {
        return Ok(());
    }
    let transaction = connection.transaction().await?;
    if !told::remember(&transaction, &sale.booking_id).await? {
        return Ok(());
    }
    let sessions = entries::hoping(&transaction, &sale.show_id, &sale.seats, &sale.session_id).await?;
    for chunk in sessions.chunks(SESSIONS_MAX) {
        let told = WaitersTold {
            show_id: sale.show_id.clone(),
            seats: sale.seats.clone(),
            session_ids: chunk.to_vec(),
        };
        outbox::put(&transaction, store::SCHEMA, &Event::WaitersTold(told)).await?;
    }
    transaction.commit().await?;
    waitlist.metrics.waiters_told.inc_by(sessions.len() as u64);
    waitlist.bell.ring();
    Ok(())
}
